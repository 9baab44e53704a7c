"""Whether events and items satisfy the contract, by the very code of the gate."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from mark_event_contracts.gate.contract import (
    Contracts,
    Judgement,
    Violation,
    load,
    load_major,
    read_exactly,
    version_in,
)
from mark_event_contracts.items import ItemError, body_of, item_of

SCHEMAS: Final = Path(__file__).parent / "schemas"

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


def folders() -> dict[int, Path]:
    """Return the folders of the major versions in this package, oldest first."""
    found = sorted((int(folder.name[1:]), folder) for folder in SCHEMAS.glob("v[1-9]*"))
    return dict(found)


def versions() -> tuple[str, ...]:
    """Return the version of each major version in this package, oldest first."""
    return tuple(map(version_in, folders().values()))


CONTRACT_VERSION: Final = versions()[-1]
"""The version of the newest major version, which is that of this package, too."""


def validate(event: Mapping[str, Any] | str | bytes, *, major: int | None = None) -> None:
    """Check that an event satisfies the contract: any major version, or the one that is named.

    JSON text is read with all its digits; of a dict the values are judged as they are.

    Raises:
        UnknownEventTypeError: the contract does not have its type.
        ContractError: it breaks the contract.
    """
    judgement = judge(event, major)
    if judgement.violations:
        is_unknown = judgement.name and judgement.name not in contracts(major).event_names
        raise (UnknownEventTypeError if is_unknown else ContractError)(judgement.violations)


def validate_item(item: Mapping[str, Any], *, major: int | None = None) -> None:
    """Check that a client would get an item, or a record of the stream: that the gate lets it pass. See `body_of`.

    Raises:
        ItemError: it is no item as DynamoDB has it.
        ContractError: the event that it becomes breaks the contract.
    """
    validate(body_of(item), major=major)


def violations(event: Mapping[str, Any] | str | bytes, *, major: int | None = None) -> list[Violation]:
    """Return every rule that an event breaks; none when it is valid. See `validate`."""
    return [*judge(event, major).violations]


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


def judge(event: Mapping[str, Any] | str | bytes, major: int | None) -> Judgement:
    """Return what the gate finds of an event, by all major versions or by one."""
    try:
        text = _text_of(event)
    except (ItemError, UnicodeDecodeError, RecursionError):
        return Judgement("", (), [_UNREADABLE])
    return contracts(major).judge(text)


@cache
def contracts(major: int | None = None) -> Contracts:
    """Return the contract of all major versions, or of one.

    Raises:
        ValueError: this package does not have it.
    """
    if major is None:
        return load(SCHEMAS)
    if major not in folders():
        raise ValueError(f"major version {major} is not in this package, which has {', '.join(versions())}")
    return Contracts([load_major(folders()[major])])


def _text_of(event: Mapping[str, Any] | str | bytes) -> str:
    if isinstance(event, Mapping):
        return body_of(item_of(event))
    return event if isinstance(event, str) else event.decode("utf-8")
