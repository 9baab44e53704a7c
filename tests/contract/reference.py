"""The reference validator, python-jsonschema, in the terms of the contract: pairs of path and rule.

It is an independent implementation of JSON Schema 2020-12, so what both say is what the schemas say.
"""

import json
from decimal import Decimal
from functools import cache
from typing import Any

from local.guarantees import reference_validators
from mark_event_queue.domain.contract import Contracts, load, pointer
from tests.builders import SCHEMAS

Pairs = set[tuple[str, str]]


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Return the published schemas by file name."""
    return {path.name: json.loads(path.read_text("utf-8")) for path in sorted(SCHEMAS.glob("*.json"))}


@cache
def contract() -> Contracts:
    """Return the contract that the functions use."""
    return load(SCHEMAS.parent)


def contract_pairs(body: str) -> Pairs:
    """Return every (path, rule) that the contract finds broken in an event, given as JSON text."""
    return {(violation.path, violation.rule) for violation in contract().judge(body).violations}


def reference_pairs(body: str, *, assert_format: bool = False) -> Pairs:
    """Return every (path, rule) that the reference finds broken in the same text, read with all digits."""
    event = json.loads(body, parse_float=Decimal)
    name = event.get("eventName") if isinstance(event, dict) else None
    validators = _validators(assert_format)
    validator = validators.get(name if isinstance(name, str) else "", validators["envelope"])
    return {pair for error in validator.iter_errors(event) for pair in _pairs(error)}


def comparable(pairs: Pairs) -> Pairs:
    """Return the pairs less those that validators may or may not find beside others of the same place.

    `format` is not for every validator to assert. `pattern` is silent in Python where a line feed ends the
    text, because "$" matches before it; the rule beside it speaks.
    """
    settled = {path for path, rule in pairs if rule in ("not", "maxLength")}
    return {(path, rule) for path, rule in pairs if rule != "format" and not (rule == "pattern" and path in settled)}


@cache
def _validators(assert_format: bool) -> dict[str, Any]:
    return reference_validators(assert_format=assert_format)


def _pairs(error: Any) -> Pairs:
    steps = list(error.absolute_path)
    if error.validator != "required":
        return {(pointer(steps), error.validator)}
    missing = [name for name in error.validator_value if name not in error.instance]
    return {(pointer([*steps, name]), "required") for name in missing}
