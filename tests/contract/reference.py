"""The reference validator, python-jsonschema, in the terms of the contract: pairs of path and rule.

It is an independent implementation of JSON Schema 2020-12, so what both say is what the schemas say.
"""

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from local.guarantees import reference_validators
from mark_event_queue.domain.contract import Contract, load, pointer
from tests.builders import SCHEMAS

Pairs = set[tuple[str, str]]


@cache
def schemas() -> dict[str, dict[str, Any]]:
    """Return the published schemas by file name."""
    return {path.name: json.loads(path.read_text("utf-8")) for path in sorted(SCHEMAS.glob("*.json"))}


@cache
def contract() -> Contract:
    """Return the contract that the functions use."""
    return load(SCHEMAS)


@cache
def validators() -> dict[str, Draft202012Validator]:
    """Return the reference validator of each event type."""
    return reference_validators()


def reference_pairs(event: Any) -> Pairs:
    """Return every (path, rule) that the reference finds broken in an event of a published type."""
    return {pair for error in validators()[event["eventName"]].iter_errors(event) for pair in _pairs(error)}


def contract_pairs(body: str) -> Pairs:
    """Return every (path, rule) that the contract finds broken in an event, given as JSON text."""
    return {(violation.path, violation.rule) for violation in contract().violations(body)}


def _pairs(error: Any) -> Pairs:
    steps = list(error.absolute_path)
    if error.validator != "required":
        return {(pointer(steps), error.validator)}
    missing = [name for name in error.validator_value if name not in error.instance]
    return {(pointer([*steps, name]), "required") for name in missing}
