"""How held events leave the gate: in order per mark, each only when the pipeline has handled it for every client."""

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Protocol

from mark_event_queue.domain.batches import split
from mark_event_queue.domain.events import Event
from mark_event_queue.domain.held import CONTRACT_BROKEN, GATE, is_late, mark_of, number_of
from mark_event_queue.domain.lanes import Entry

_EVENTS_PER_READ = 20


class HeldEvents(Protocol):
    """The store of what waits, as a release needs it."""

    def version(self, recipient: str, group_id: str) -> int:
        """Return the version of a sequence, 0 when it is not held."""

    def events(self, recipient: str, group_id: str, limit: int, after: Entry | None = None) -> list[Entry]:
        """Return the first events of a sequence, in order, or the first ones behind an event."""

    def forget(self, recipient: str, entries: Sequence[Entry], upcoming: Mapping[str, Entry]) -> None:
        """Take events out of the table; `upcoming` is what is the first of its group then, where that is known."""

    def count_out(self, recipient: str, events: int) -> None:
        """Note that a recipient has so many events fewer."""

    def end(self, recipient: str, group_id: str, version: int) -> bool:
        """End a sequence unless it has changed since that version."""

    def note(self, recipient: str, first: Entry, error: str) -> None:
        """Note why a sequence stays held, and which event is its first."""


class Pipeline(Protocol):
    """The state machine, which judges by the deployed contract and delivers what passes."""

    @property
    def room(self) -> int:
        """How many bytes the events of one batch may take."""

    def put_through(self, events: Sequence[Event]) -> list[Entry]:
        """Have a batch judged and delivered; return the entries of those events that were withheld.

        Raises:
            BatchNotDeliveredError, StateMachineUnavailableError: not all that passed is known to be delivered.
        """


class _Sequence:
    """The events of one mark at the gate, as a release goes through them."""

    def __init__(self, group_id: str, store: HeldEvents) -> None:
        self.group_id = group_id
        self.stays: Entry | None = None
        self.loaded: list[Entry] = []
        self._store = store
        self._last: Entry | None = None

    def has_events(self) -> bool:
        """Have the next events at hand; end the sequence when there are none and none stays.

        The version is read before the events: an event held after that look raises it, and then the
        sequence does not end.
        """
        while not self.loaded:
            version = self._store.version(GATE, self.group_id)
            self.loaded = self._store.events(GATE, self.group_id, _EVENTS_PER_READ, after=self._last)
            if not self.loaded and (self.stays or not version or self._store.end(GATE, self.group_id, version)):
                return False
        return True

    def pass_over(self, entry: Entry) -> None:
        """Leave an event where it is."""
        self.stays = self.stays or entry
        self._last = entry


def release_lane(
    request: Mapping[str, Any],
    store: HeldEvents,
    pipeline: Pipeline,
    hold_marks: bool,
    has_time: Callable[[], bool],
) -> dict[str, Any]:
    """Put sequences through the pipeline, batch by batch, as long as there is time.

    `request` is `{groupIds}`. The answer is `{groupIds, delivered, stopped}`: the groups that still have
    events to release. An event that still breaks the contract stays, and its sequence with it from there
    on, unless marks are not held. Whoever releases the same events at the same time repeats them
    within SQS's de-duplication window: the queues drop the second.

    Raises:
        BatchNotDeliveredError, StateMachineUnavailableError: a batch was not delivered; it stays held.
    """
    pending = [_Sequence(group_id, store) for group_id in request["groupIds"]]
    delivered, stopped = 0, []
    while pending and has_time():
        going = [sequence for sequence in pending if sequence.has_events()]
        stopped += [_stop(one.stays, store) for one in pending if one not in going and one.stays]
        pending = going
        batch = _batch(pending, pipeline.room)
        if not batch:
            break
        withheld = {_place(entry): entry for entry in pipeline.put_through([_event(entry) for entry in batch])}
        passed = [entry for entry in batch if _place(entry) not in withheld]
        for sequence in pending:
            _advance(sequence, [entry for entry in batch if entry["MessageGroupId"] == sequence.group_id], withheld)
        store.forget(GATE, passed, {one.group_id: one.stays or one.loaded[0] for one in pending if _knows_first(one)})
        delivered += len(passed)
        stuck = [(one, one.stays) for one in pending if hold_marks and one.stays]
        stopped += [_stop(first, store) for _, first in stuck]
        pending = [one for one in pending if one not in [sequence for sequence, _ in stuck]]
    store.count_out(GATE, delivered)
    return {"groupIds": [one.group_id for one in pending], "delivered": delivered, "stopped": stopped}


def withheld_in(output: str) -> list[Entry]:
    """Return the entries that an execution withheld, from the JSON text of its output."""
    withheld: list[Entry] = json.loads(output)["withheld"]
    return withheld


def _batch(sequences: Sequence[_Sequence], room: int) -> list[Entry]:
    """Return as many of the loaded events as a batch takes, the first of every sequence before any second one."""
    rounds = zip_longest(*(sequence.loaded for sequence in sequences))
    entries = [entry for one_each in rounds for entry in one_each if entry is not None]
    first = next(split((_event(entry) for entry in entries), room), None)
    return entries[: len(first.events)] if first else []


def _advance(sequence: _Sequence, carried: Sequence[Entry], withheld: Mapping[tuple[str, str], Entry]) -> None:
    sequence.loaded = sequence.loaded[len(carried) :]
    for entry in carried:
        if _place(entry) in withheld:
            sequence.pass_over(withheld[_place(entry)])


def _knows_first(sequence: _Sequence) -> bool:
    return bool(sequence.stays or sequence.loaded)


def _stop(first: Entry, store: HeldEvents) -> dict[str, str]:
    store.note(GATE, first, CONTRACT_BROKEN)
    return {"groupId": first["MessageGroupId"], "error": CONTRACT_BROKEN}


def _place(entry: Entry) -> tuple[str, str]:
    return entry["MessageGroupId"], number_of(entry)


def _event(entry: Entry) -> Event:
    return Event(
        event_id=entry["MessageDeduplicationId"],
        mark=mark_of(entry),
        group_id=entry["MessageGroupId"],
        sequence_number=number_of(entry),
        body=entry["MessageBody"],
        unfit=entry.get("Unfit", ""),
        late=is_late(entry),
    )
