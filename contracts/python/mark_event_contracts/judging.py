"""Whether events and items satisfy the contract, by the very code of the gate."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from mark_event_contracts.gate.contract import (
    Contract,
    Contracts,
    Judgement,
    Violation,
    load_major,
    majors_in,
    read_exactly,
    version_in,
)
from mark_event_contracts.items import ItemError, body_of, item_of

SCHEMAS: Final = Path(__file__).parent / "schemas"

((MAJOR, _FOLDER),) = majors_in(SCHEMAS).items()

CONTRACT_VERSION: Final = version_in(_FOLDER)
"""The version of the contract, and of this package: each major version has a package of its own."""

LARGEST_EVENT_BYTES: Final = 98_304
"""So many bytes of JSON mark-event-queue promises to deliver."""

_UNREADABLE = Violation("", "unreadable")


class ContractError(ValueError):
    """An event breaks the contract; the text names paths and rules, never values, for those may be personal data."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__(violations)
        self.violations = tuple(violations)

    def __str__(self) -> str:
        broken = ", ".join(f"{violation.path or '/'} ({violation.rule})" for violation in self.violations)
        return f"the event breaks the contract: {broken}"


class UnknownEventTypeError(ContractError):
    """An event is of a type that this version of the contract does not have: a consumer passes over it."""

    def __str__(self) -> str:
        return f"the contract {CONTRACT_VERSION} has no event type of this name (/eventName): pass the event over"


def validate(event: Mapping[str, Any] | str | bytes) -> None:
    """Check that an event satisfies the contract.

    JSON text is read with all its digits; of a dict the values are judged as they are.

    Raises:
        UnknownEventTypeError: the contract does not have its type.
        ContractError: it breaks the contract.
    """
    judgement = judge(event)
    if judgement.violations:
        is_unknown = judgement.name and judgement.name not in contract().event_names
        raise (UnknownEventTypeError if is_unknown else ContractError)(judgement.violations)


def validate_item(item: Mapping[str, Any]) -> None:
    """Check that a client would get an item, or a record of the stream: that the gate lets it pass. See `body_of`.

    Raises:
        ItemError: it is no item as DynamoDB has it.
        ContractError: the event that it becomes breaks the contract, or is larger than is promised to be delivered.
    """
    body = body_of(item)
    # The text is ASCII, whatever the item holds: as many characters, as many bytes.
    if len(body) > LARGEST_EVENT_BYTES:
        rule = f"too large: {len(body)} bytes of JSON, at most {LARGEST_EVENT_BYTES} are promised"
        raise ContractError([Violation("", rule)])
    validate(body)


def violations(event: Mapping[str, Any] | str | bytes) -> list[Violation]:
    """Return every rule that an event breaks; none when it is valid. See `validate`."""
    return [*judge(event).violations]


def read(body: str | bytes) -> dict[str, Any]:
    """Return the event of a message's body; numbers with a point or an exponent are Decimals, with all their digits.

    Raises:
        ContractError: it is no JSON, or no JSON object.
    """
    try:
        event = read_exactly(_text_of(body))
    except (ValueError, ArithmeticError, RecursionError):
        raise ContractError([_UNREADABLE]) from None
    if not isinstance(event, dict):
        raise ContractError([Violation("", "type")])
    return event


def judge(event: Mapping[str, Any] | str | bytes) -> Judgement:
    """Return what the gate finds of an event, by this major version."""
    try:
        text = _text_of(event)
    except (ItemError, UnicodeDecodeError, RecursionError):
        return Judgement("", (), [_UNREADABLE])
    return Contracts([contract()]).judge(text)


@cache
def contract() -> Contract:
    """Return the contract, compiled once."""
    return load_major(_FOLDER)


def _text_of(event: Mapping[str, Any] | str | bytes) -> str:
    if isinstance(event, Mapping):
        return body_of(item_of(event))
    return event if isinstance(event, str) else event.decode("utf-8")
