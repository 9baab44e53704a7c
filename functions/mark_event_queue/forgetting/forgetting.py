"""What forgetting does with the tables, apart from storing."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

from mark_event_queue.domain.errors import SequenceClosedError
from mark_event_queue.domain.held import HeldSequence, Recipient, Sequences, notice_of, pages_of
from mark_event_queue.domain.rounds import Entry


class HeldEvents(Sequences, Protocol):
    """The store of what waits, as forgetting needs it."""

    def recipients(self) -> list[Recipient]:
        """Return of whom anything may be held."""

    def held_from(self, recipient: str, group_ids: Iterable[str]) -> dict[str, str]:
        """Return those of the groups that are held."""

    def version(self, recipient: str, group_id: str) -> int:
        """Return the version of a sequence, 0 when it is not held; of the recipient itself for no group."""

    def sequences(self, recipient: str, after: str, limit: int) -> list[HeldSequence]:
        """Return held sequences of the recipient, ordered by group id, those behind `after`."""

    def forget(self, recipient: str, entries: Sequence[Entry], upcoming: Mapping[str, Entry]) -> None:
        """Take events out of the table; `upcoming` is what is the first of its group then, where that is known."""

    def count_out(self, recipient: str, events: int) -> None:
        """Note that a recipient has so many events fewer."""

    def end(self, recipient: str, group_id: str, version: int) -> bool:
        """End a sequence (for no group: the mention of the recipient) unless it has changed since that version."""


class Histories(Protocol):
    """The store of the clients' histories."""

    def clients(self) -> list[str]:
        """Return the clients with a history."""

    def forget(self, client: str, group_id: str) -> None:
        """Know nothing of a mark that a client's history brought or passed over."""


class Counts(NamedTuple):
    """How many marks were to be forgotten, and how many held events of theirs were deleted."""

    marks: int
    events: int


def forget_marks(request: Mapping[str, Any], store: HeldEvents, histories: Histories) -> Counts:
    """Delete what waits of removed events, at the gate and for every client, and what histories know of their marks.

    `request` is `{forgotten: [{groupId, createTimes}]}`. Later events of a mark, which has begun anew, stay. A redrive
    that has an event in hand at this moment may send it yet.
    """
    removed = {one["groupId"]: set(one["createTimes"]) for one in request["forgotten"]}
    gone = sum(_forget_of(recipient.name, removed, store) for recipient in store.recipients())
    for client in histories.clients():
        for group_id in removed:
            histories.forget(client, group_id)
    return Counts(len(removed), gone)


def _forget_of(recipient: str, removed: Mapping[str, Collection[str]], store: HeldEvents) -> int:
    mention = store.version(recipient, "")
    held = store.held_from(recipient, removed)
    gone = sum(_forget_mark(recipient, group_id, removed[group_id], store) for group_id in held)
    if gone:
        store.count_out(recipient, gone)
    if held and not store.sequences(recipient, "", 1):
        store.end(recipient, "", mention)
    return gone


def _forget_mark(recipient: str, group_id: str, create_times: Collection[str], store: HeldEvents) -> int:
    """Delete the removed events of a sequence, and end it if it has no others.

    The version is read before the events: an event held after that look raises it, and then the sequence does not end.
    """
    try:
        version = store.version(recipient, group_id)
    except SequenceClosedError:
        version = 0  # its history, which is under way, ends it
    entries = list(chain.from_iterable(pages_of(recipient, group_id, store)))
    gone = [entry for entry in entries if _create_time(entry) in create_times]
    left = [entry for entry in entries if entry not in gone]
    store.forget(recipient, gone, {group_id: left[0]} if left else {})
    if version and not left:
        store.end(recipient, group_id, version)
    return len(gone)


def _create_time(entry: Entry) -> str:
    """Return when the event of an entry was created: from its body, or from its key where it has no more."""
    if notice_of(entry):
        return ""
    try:
        event = json.loads(entry["MessageBody"])
        return str(event.get("tableKey", event)["createTime"])
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return ""
