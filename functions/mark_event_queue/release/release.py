"""How held events leave the gate: in order per mark, each only when the pipeline has handled it for every client."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import Any, Protocol

from mark_event_queue.domain.batches import cost, split
from mark_event_queue.domain.errors import (
    BatchNotDeliveredError,
    HeldEventsUnavailableError,
    StateMachineUnavailableError,
)
from mark_event_queue.domain.events import Event
from mark_event_queue.domain.held import CONTRACT_BROKEN, GATE, is_late, mark_of
from mark_event_queue.domain.rounds import Entry, number_of, place_of

_EVENTS_PER_READ = 20

TOO_LARGE = "EventTooLargeForBatch"
"""The error of a sequence whose first event takes more room than the clients of today leave a batch."""


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

    def advance(self, carried: Sequence[Entry], stays: Mapping[tuple[str, str], Entry]) -> None:
        """Go on behind the events that a batch carried; those that stay are left where they are."""
        self.loaded = self.loaded[len(carried) :]
        for entry in carried:
            if place_of(entry) in stays:
                self.stays = self.stays or stays[place_of(entry)]
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
    on, unless marks are not held. A batch that is not delivered stays whole, and the lane stops: the
    answer then has its `error`. Whoever releases the same events at the same time repeats them within
    SQS's de-duplication window: the queues drop the second.
    """
    lane = _Lane([_Sequence(group_id, store) for group_id in request["groupIds"]], store)
    try:
        while lane.pending and has_time():
            lane.load()
            lane.leave_out_what_is_above(pipeline.room)
            batch = lane.batch(pipeline.room)
            if batch:
                lane.settle(batch, pipeline.put_through([_event(entry) for entry in batch]), hold_marks)
    except (BatchNotDeliveredError, StateMachineUnavailableError) as error:
        lane.count_out()
        return lane.answer() | {"groupIds": [], "error": type(error).__name__}
    except HeldEventsUnavailableError:
        lane.count_out()
        raise
    lane.count_out()
    return lane.answer()


class _Lane:
    """Sequences on their way, and what came of them."""

    def __init__(self, sequences: list[_Sequence], store: HeldEvents) -> None:
        self.pending = sequences
        self._store = store
        self._delivered = 0
        self._stopped: list[dict[str, str]] = []

    def load(self) -> None:
        """Have the next events of every sequence at hand, and go on with those that have any."""
        empty = [one for one in self.pending if not one.has_events()]
        for one in empty:
            if one.stays:
                self._note(one.stays, CONTRACT_BROKEN)
        self._drop(empty)

    def leave_out_what_is_above(self, room: int) -> None:
        """Stop the sequences whose next event no batch has room for; the others of the lane go on."""
        too_large = [one for one in self.pending if cost(_event(one.loaded[0])) > room]
        for one in too_large:
            self._note(one.stays or one.loaded[0], TOO_LARGE)
        self._drop(too_large)

    def batch(self, room: int) -> list[Entry]:
        """Return as many of the loaded events as a batch takes, the first of every sequence before any second one."""
        rounds = zip_longest(*(one.loaded for one in self.pending))
        entries = [entry for one_each in rounds for entry in one_each if entry is not None]
        first = next(split((_event(entry) for entry in entries), room), None)
        return entries[: len(first.events)] if first else []

    def settle(self, batch: Sequence[Entry], withheld: Sequence[Entry], hold_marks: bool) -> None:
        """Forget what passed; leave what was withheld, and its sequence with it if marks are held."""
        stays = {place_of(entry): entry for entry in withheld}
        for one in self.pending:
            one.advance([entry for entry in batch if entry["MessageGroupId"] == one.group_id], stays)
        passed = [entry for entry in batch if place_of(entry) not in stays]
        first = {one.group_id: one.stays or one.loaded[0] for one in self.pending if one.stays or one.loaded}
        self._store.forget(GATE, passed, first)
        self._delivered += len(passed)
        stuck = [one for one in self.pending if hold_marks and one.stays]
        for one in stuck:
            if one.stays:
                self._note(one.stays, CONTRACT_BROKEN)
        self._drop(stuck)

    def count_out(self) -> None:
        """Note how many events the gate has fewer; that this is noted matters less than what else went wrong."""
        if self._delivered:
            with suppress(HeldEventsUnavailableError):
                self._store.count_out(GATE, self._delivered)

    def answer(self) -> dict[str, Any]:
        """Return what came of the lane so far."""
        return {
            "groupIds": [one.group_id for one in self.pending],
            "delivered": self._delivered,
            "stopped": self._stopped,
        }

    def _note(self, first: Entry, error: str) -> None:
        self._store.note(GATE, first, error)
        self._stopped.append({"groupId": first["MessageGroupId"], "error": error})

    def _drop(self, sequences: Sequence[_Sequence]) -> None:
        self.pending = [one for one in self.pending if one not in sequences]


def withheld_in(output: str) -> list[Entry]:
    """Return the entries that an execution withheld, from the JSON text of its output."""
    withheld: list[Entry] = json.loads(output)["withheld"]
    return withheld


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
