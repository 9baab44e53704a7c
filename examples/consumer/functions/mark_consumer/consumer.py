"""What a consumer does with a message: takes it in once, in the order of its mark, however often it is repeated."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import Any, Protocol


class Verdict(Enum):
    """What becomes of a message."""

    TAKEN_IN = auto()
    LATE = auto()
    """Noted as had: later events of its mark are taken in already, and say more."""
    REPEATED = auto()
    OVERTAKEN = auto()
    FORGOTTEN = auto()


@dataclass(frozen=True)
class Message:
    """A message of the queue: an event, or a notice."""

    group_id: str
    event_id: str
    sequence_number: str
    history_id: str
    late: bool
    notice: str
    event: Mapping[str, Any]

    @property
    def version(self) -> int:
        """The version of the mark that the event made, 0 if it does not say."""
        registration = self.event.get("RegistrationNumber") or {}
        return int(registration.get("version") or 0)

    @property
    def status(self) -> str:
        """The status of the mark after the event, empty if it is not known."""
        registration = self.event.get("RegistrationNumber") or {}
        return str(registration.get("Status") or "")


@dataclass(frozen=True)
class Mark:
    """What is kept of a mark. Names and addresses are not: what is not kept need not be forgotten."""

    last_number: str = ""
    version: int = 0
    history_id: str = ""
    status: str = ""


class Store(Protocol):
    """Where the consumer keeps marks, and which events it has had."""

    def mark(self, group_id: str) -> Mark:
        """Return what is kept of a mark, nothing of one that is not known."""

    def had(self, group_id: str, event_id: str) -> str | None:
        """Return in which history an event was taken in (empty: live, before any), None if it was not."""

    def take_in(self, message: Message, before: Mark, after: Mark) -> None:
        """Note that an event was had and keep the mark, both or neither; fail if the mark is not as before."""

    def forget(self, group_id: str) -> None:
        """Delete all that is kept of a mark."""


def message_of(record: Mapping[str, Any]) -> Message:
    """Return the message of a record of the event source mapping; numbers are read exactly."""
    attributes = {name: value["stringValue"] for name, value in record["messageAttributes"].items()}
    return Message(
        group_id=record["attributes"]["MessageGroupId"],
        event_id=attributes.get("eventId", ""),
        sequence_number=attributes["sequenceNumber"],
        history_id=attributes.get("historyId", ""),
        late="late" in attributes,
        notice=attributes.get("notice", ""),
        event=json.loads(record["body"], parse_float=Decimal),
    )


def consume(message: Message, store: Store) -> tuple[Verdict, int]:
    """Take a message in; return what became of it, and how many versions of its mark are missing before it.

    A gap is normal with a filter, and at the start without history.
    """
    if message.notice:
        store.forget(message.group_id)
        return Verdict.FORGOTTEN, 0
    kept = store.mark(message.group_id)
    begins_anew = bool(message.history_id) and message.history_id != kept.history_id
    before = Mark(history_id=message.history_id) if begins_anew else kept
    if store.had(message.group_id, message.event_id) == before.history_id:
        return Verdict.REPEATED, 0
    if message.late:
        store.take_in(message, kept, kept)
        return Verdict.LATE, 0
    if message.sequence_number <= before.last_number:
        return Verdict.OVERTAKEN, 0
    after = Mark(message.sequence_number, message.version, before.history_id, message.status)
    store.take_in(message, kept, after)
    missing = message.version - before.version - 1 if before.version else 0
    return Verdict.TAKEN_IN, max(0, missing)
