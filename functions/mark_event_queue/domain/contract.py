"""The contract: which JSON Schema an event has to satisfy, and which rules it breaks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs

from mark_event_queue.domain.errors import IncompleteContractError

_LONGEST_PATH = 100


class Violation(NamedTuple):
    """A rule that an event breaks, and where: a JSON Pointer and a schema keyword, never a value."""

    path: str
    rule: str


class Contract:
    """The published schemas of one major version, compiled once."""

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        """Take the schemas by file name: one `<eventName>.json` per event type, and shared parts.

        Raises:
            IncompleteContractError: a file is missing that the others speak of.
        """
        _demand_whole(schemas)
        registry = jsonschema_rs.Registry([(schema["$id"], schema) for schema in schemas.values()])
        self._validators = {
            name.removesuffix(".json"): jsonschema_rs.Draft202012Validator(
                schema, registry=registry, validate_formats=True, offline=True
            )
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
            return self._violations(json.loads(body))
        except (ValueError, RecursionError):
            # A lone surrogate, or a number or a nesting beyond every reader (RFC 7493): a batch must not fail on it.
            return [Violation("", "unreadable")]

    def _violations(self, event: Any) -> list[Violation]:
        name = event.get("eventName") if isinstance(event, dict) else None
        if not isinstance(name, str):
            return [Violation("/eventName", "required" if name is None else "type")]
        validator = self._validators.get(name)
        if validator is None:
            return [Violation("/eventName", "enum")]
        if validator.is_valid(event):
            return []
        return sorted({_violation(error) for error in validator.iter_errors(event)})


def load(folder: Path) -> Contract:
    """Return the contract that the schema files of a folder define.

    Raises:
        IncompleteContractError: a file is missing that the others speak of, or all of them are.
    """
    return Contract({path.name: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))})


def _demand_whole(schemas: Mapping[str, Any]) -> None:
    """Refuse a contract that lacks a part: by a part that is missing every event would be judged invalid."""
    try:
        published = schemas["envelope.json"]["properties"]["eventName"]["enum"]
    except (KeyError, TypeError):
        raise IncompleteContractError("envelope.json, which lists the event types, is not there") from None
    wanted = {"shared.json", *(f"{name}.json" for name in published)}
    if missing := sorted(wanted - schemas.keys()):
        raise IncompleteContractError(f"{', '.join(missing)} missing; envelope.json speaks of it")


def _violation(error: jsonschema_rs.ValidationError) -> Violation:
    steps = [*error.instance_path]
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
        steps.append(error.kind.property)
    return Violation(pointer(steps), error.kind.name)


def pointer(steps: list[str | int]) -> str:
    """Return the JSON Pointer (RFC 6901) of a place in an event, cut where it gets too long to carry."""
    text = "".join([f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps])
    return text if len(text) <= _LONGEST_PATH else text[: _LONGEST_PATH - 1] + "*"
