"""The contract: which JSON Schema an event has to satisfy, and which rules it breaks."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import jsonschema_rs

from mark_event_queue.domain.errors import IncompleteContractError

_LONGEST_PATH = 100


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# A double would round 0.99999999999999999999999 to 1: numbers are judged with all their digits.
read_exactly = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number).decode


class Violation(NamedTuple):
    """A rule that an event breaks, and where: a JSON Pointer and a schema keyword, never a value."""

    path: str
    rule: str


class Contract:
    """The published schemas of one major version, compiled once."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        """Take the schemas by file name: one `<eventName>.json` per event type, and shared parts.

        `format` is not asserted: beside each stands a pattern that leaves it nothing to decide.

        Raises:
            IncompleteContractError: a file or a part of one is missing that the others speak of, or is no schema.
        """
        _demand_whole(schemas)
        try:
            registry = jsonschema_rs.Registry([(schema["$id"], schema) for schema in schemas.values()])
        except (KeyError, TypeError, ValueError) as error:
            raise IncompleteContractError(f"the schemas do not belong together: {error}") from error
        # It lists the event types, so it refuses an event of any other.
        self._envelope = _compiled("envelope.json", schemas["envelope.json"], registry)
        self._validators = {
            name.removesuffix(".json"): _compiled(name, schema, registry)
            for name, schema in schemas.items()
            if name.endswith("Event.json")
        }

    @property
    def event_names(self) -> frozenset[str]:
        """The published event types."""
        return frozenset(self._validators)

    def violations(self, body: str) -> list[Violation]:
        """Return every rule that the event, given as JSON text, breaks; none when it is valid."""
        try:
            return self._violations(read_exactly(body))
        except (ValueError, ArithmeticError, RecursionError):
            # A lone surrogate, or a number or a nesting beyond every reader (RFC 7493): a batch must not fail on it.
            return [Violation("", "unreadable")]

    def _violations(self, event: Any) -> list[Violation]:
        name = event.get("eventName") if isinstance(event, dict) else None
        validator = self._validators.get(name if isinstance(name, str) else "", self._envelope)
        if validator.is_valid(event):
            return []
        return sorted({violation_of(error) for error in validator.iter_errors(event)})


def load(folder: Path) -> Contract:
    """Return the contract that the schema files of a folder define.

    Raises:
        IncompleteContractError: a file or a part of one is missing that the others speak of, or is no schema.
    """
    return Contract({path.name: _read_schema(path) for path in sorted(folder.glob("*.json"))})


def _read_schema(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise IncompleteContractError(f"{path.name} is not JSON: {error}") from error


def _compiled(name: str, schema: Any, registry: jsonschema_rs.Registry) -> jsonschema_rs.Draft202012Validator:
    try:
        return jsonschema_rs.Draft202012Validator(schema, registry=registry, validate_formats=False, offline=True)
    except ValueError as error:
        problem = str(error).splitlines()[0]
        raise IncompleteContractError(f"{name}, or a file that it refers to, is no whole schema: {problem}") from error


def _demand_whole(schemas: Mapping[str, Any]) -> None:
    """Refuse a contract that lacks a part: by a part that is missing every event would be judged invalid."""
    try:
        published = schemas["envelope.json"]["properties"]["eventName"]["enum"]
    except (KeyError, TypeError):
        raise IncompleteContractError("envelope.json, which lists the event types, is not there") from None
    wanted = {"shared.json", *(f"{name}.json" for name in published)}
    if missing := sorted(wanted - schemas.keys()):
        raise IncompleteContractError(f"{', '.join(missing)} missing; envelope.json speaks of it")


def violation_of(error: jsonschema_rs.ValidationError) -> Violation:
    """Return the rule of an error, and where it is broken."""
    steps = [*error.instance_path]
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
        steps.append(error.kind.property)
    return Violation(pointer(steps), error.kind.name)


def pointer(steps: list[str | int]) -> str:
    """Return the JSON Pointer (RFC 6901) of a place in an event, cut where it gets too long to carry."""
    text = "".join([f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps])
    return text if len(text) <= _LONGEST_PATH else text[: _LONGEST_PATH - 1] + "*"
