"""What a consumer does with a message: takes it in once, in the order of its mark, however often it is repeated."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    UNKNOWN_NOTICE = auto()
    """Passed over: it tells of something that this consumer has not asked for."""


_MARK_FORGOTTEN = "forgotten"


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
    past_histories: frozenset[str] = frozenset()
    """Those that another one has followed; there are as many as somebody asked for."""

    def begun_anew(self, history_id: str) -> "Mark":
        """Return the mark as it is before the first event of a history; numbers of before count no more."""
        past = self.past_histories | ({self.history_id} if self.history_id else set())
        return Mark(history_id=history_id, past_histories=past)


class Store(Protocol):
    """Where the consumer keeps marks, and which events it has had."""

    def mark(self, group_id: str) -> Mark:
        """Return what is kept of a mark, nothing of one that is not known."""

    def had(self, group_id: str, event_id: str) -> str | None:
        """Return in which history an event was last had (empty: live, before any), None if it was not."""

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
    kept = store.mark(message.group_id)
    if message.notice:
        return _heed(message, kept, store), 0
    if message.history_id in kept.past_histories:
        return Verdict.OVERTAKEN, 0
    begins_anew = bool(message.history_id) and message.history_id != kept.history_id
    before = kept.begun_anew(message.history_id) if begins_anew else kept
    if _is_repeat(message, store.had(message.group_id, message.event_id)):
        return Verdict.REPEATED, 0
    if message.late and _is_behind(message, before):
        store.take_in(message, kept, kept)
        return Verdict.LATE, 0
    if message.sequence_number <= before.last_number:
        return Verdict.OVERTAKEN, 0
    after = replace(before, last_number=message.sequence_number, version=message.version, status=message.status)
    store.take_in(message, kept, after)
    missing = message.version - before.version - 1 if before.version else 0
    return Verdict.TAKEN_IN, max(0, missing)


def _heed(notice: Message, kept: Mark, store: Store) -> Verdict:
    """Delete what is kept of a mark, unless it has begun anew since: then the notice is a repeat."""
    if notice.notice != _MARK_FORGOTTEN:
        return Verdict.UNKNOWN_NOTICE
    if notice.sequence_number <= kept.last_number:
        return Verdict.OVERTAKEN
    store.forget(notice.group_id)
    return Verdict.FORGOTTEN


def _is_repeat(message: Message, had: str | None) -> bool:
    """Say whether an event was had: a history's in that history, any other at all.

    A live one that was had before a history began must not overtake it: the history brings it again.
    """
    return had is not None and (not message.history_id or had == message.history_id)


def _is_behind(late: Message, before: Mark) -> bool:
    """Say whether later events are taken in; against those of a history, only the version tells."""
    return late.sequence_number <= before.last_number or late.version <= before.version
