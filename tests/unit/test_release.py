"""Unit tier, `release.release`: proves that held marks leave the gate in order, as far as the contract allows.

Store and pipeline are fakes in memory; test_held_events.py holds the real store to the same behaviour, and
tests/statemachine the real machine. The last property runs live delivery and releases operation by operation
in whatever order Hypothesis chooses; what happens within an execution it cannot prove.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mark_event_queue.domain.batches import cost
from mark_event_queue.domain.contract import Violation
from mark_event_queue.domain.errors import BatchNotDeliveredError, HeldEventsUnavailableError
from mark_event_queue.domain.events import Event, to_group_id
from mark_event_queue.domain.held import CONTRACT_BROKEN, GATE, QUARANTINED, violations_of
from mark_event_queue.domain.rounds import Entry, entries_of, number_of, plan
from mark_event_queue.gate.gate import hold_at_gate
from mark_event_queue.redrive.redrive import conclude, list_lanes
from mark_event_queue.release.release import TOO_LARGE, release_lane, withheld_in
from mark_event_queue.validator.validation import validate
from tests.builders import NOTHING_HELD, entries, event_id, event_input, numbers, sequence_number
from tests.fakes import HeldEventsInMemory, Turns, VerdictContract

A, B, C = (to_group_id(mark) for mark in "ABC")


def _no_matter(operation: str) -> None:
    """Do nothing before an operation."""


@dataclass
class Pipeline:
    """What a release puts its batches through: judges, delivers what passes, and answers with the rest.

    Broken is what a test says, by the event's number. `before` is told of a batch before it is judged
    and after it was delivered; with `deduplicates` the clients' queues drop what they have had.
    """

    broken: set[int] = field(default_factory=set)
    hold_marks: bool = True
    room: int = 200_000
    deduplicates: bool = False
    before: Callable[[str], None] = _no_matter
    batches: list[list[int]] = field(default_factory=list)
    received: list[tuple[str, int]] = field(default_factory=list)

    def validated(self, events: Iterable[dict[str, str]]) -> dict[str, Any]:
        """Return what the validator makes of events by the contract of the moment."""
        given = list(events)
        broken = {event["body"] for event in given if _number(event["sequenceNumber"]) in self.broken}
        contract: Any = VerdictContract(lambda body: [Violation("/Status", "enum")] if body in broken else [])
        return validate({"events": given, "held": NOTHING_HELD}, [], contract, self.hold_marks)

    def put_through(self, events: Sequence[Event]) -> list[Entry]:
        """Have a batch judged and delivered."""
        self.before("put_through")
        assert sum(map(cost, events)) <= self.room or len(events) == 1
        self.batches.append([_number(event.sequence_number) for event in events])
        validated = self.validated(event.as_input() for event in events)
        self.deliver(validated)
        self.before("delivered")
        withheld: list[Entry] = validated["withheld"]
        return withheld

    def deliver(self, validated: dict[str, Any]) -> None:
        """Let the clients have what may go on."""
        for entry in entries_of(validated["plan"]):
            got = entry["MessageGroupId"], _number(number_of(entry))
            if not (self.deduplicates and got in self.received):
                self.received.append(got)

    def first_receipts(self) -> dict[str, list[int]]:
        """Return for each group the events in the order in which the clients first got each."""
        groups: dict[str, list[int]] = {}
        for group_id, number in dict.fromkeys(self.received):
            groups.setdefault(group_id, []).append(number)
        return groups


def _number(of: str) -> int:
    return int(of) - int(sequence_number(0))


def _event(number: int, mark: str, padding: int = 0) -> dict[str, str]:
    return event_input(number, mark, body=json.dumps({"eventId": event_id(number), "mark": mark, "x": "x" * padding}))


def _events(marks: str, start: int = 1, padding: int = 0) -> list[dict[str, str]]:
    return [_event(number, mark, padding) for number, mark in enumerate(marks, start)]


def _holding(marks: str, padding: int = 0) -> HeldEventsInMemory:
    """Return a store in which the first event of each mark named was broken once, and the others follow it."""
    store = HeldEventsInMemory()
    pipeline = Pipeline(broken={marks.index(mark) + 1 for mark in marks})
    hold_at_gate(pipeline.validated(_events(marks, padding=padding)), store, hold_marks=True)
    return store


def _always() -> bool:
    return True


def _times(count: int) -> Callable[[], bool]:
    """Return an invocation that has time for so many batches."""
    left = iter([True] * count)
    return lambda: next(left, False)


def _release(
    store: HeldEventsInMemory, pipeline: Pipeline, *group_ids: str, has_time: Callable[[], bool] = _always
) -> dict[str, Any]:
    return release_lane({"groupIds": list(group_ids)}, store, pipeline, pipeline.hold_marks, has_time)


def _held(store: HeldEventsInMemory) -> dict[str, list[int]]:
    return {group_id: numbers(held) for group_id, held in store.stored(GATE).items()}


def _came_to(*group_ids: str, delivered: int = 0, stopped: Sequence[str] = ()) -> dict[str, Any]:
    told = [{"groupId": group_id, "error": CONTRACT_BROKEN} for group_id in stopped]
    return {"groupIds": list(group_ids), "delivered": delivered, "stopped": told}


# ----------------------------------------------------------------------------------------------------------------------
# A lane
# ----------------------------------------------------------------------------------------------------------------------
def test_what_the_contract_allows_by_now_is_delivered_in_order_and_leaves():
    """Several marks go side by side, the first event of each before any second one, in as few batches as it takes."""
    store, pipeline = _holding("ABAACB"), Pipeline()

    answer = _release(store, pipeline, A, B, C)

    assert answer == _came_to(delivered=6)
    assert pipeline.batches == [[1, 2, 5, 3, 6, 4]]
    assert pipeline.first_receipts() == {A: [1, 3, 4], B: [2, 6], C: [5]}
    assert (_held(store), store.sequences(GATE, "", 10)) == ({}, [])
    assert [recipient.events for recipient in store.recipients()] == [0]


def test_an_event_is_put_through_as_it_came():
    """Ids, mark, place in the stream and text are those of the first time; so is the reason of an unfit one."""
    store, given = HeldEventsInMemory(), [_event(1, "A"), _event(2, "B") | {"unfit": "too large"}]
    hold_at_gate(Pipeline(broken={1}).validated(given), store, hold_marks=True)
    put_through: list[dict[str, str]] = []

    class Noting(Pipeline):
        def put_through(self, events: Sequence[Event]) -> list[Entry]:
            put_through.extend(event.as_input() for event in events)
            return super().put_through(events)

    answer = _release(store, Noting(), A, B)

    padded = [event | {"sequenceNumber": event["sequenceNumber"].zfill(40)} for event in given]
    assert put_through == padded
    assert answer == _came_to(delivered=1, stopped=[B])


def test_a_mark_that_still_breaks_the_contract_stays_held_from_there_on():
    """What came before it goes, and so do the other marks; the sequence names its first event, and its rules."""
    store, pipeline = _holding("ABAAB"), Pipeline(broken={3})

    answer = _release(store, pipeline, A, B)

    assert answer == _came_to(delivered=3, stopped=[A])
    assert pipeline.first_receipts() == {A: [1], B: [2, 5]}
    assert _held(store) == {A: [3, 4]}
    sequence = store.sequence(GATE, A)
    assert sequence is not None
    assert (sequence.error, sequence.reason, sequence.events) == (CONTRACT_BROKEN, QUARANTINED, 2)
    assert sequence.first_event_id == event_id(3)
    assert json.loads(sequence.violations) == [{"path": "/Status", "rule": "enum"}]


def test_a_mark_that_breaks_it_at_once_loses_nothing():
    """A release before the schema was mended delivers nothing of it, and tries it once."""
    store, pipeline = _holding("AAA"), Pipeline(broken={1})

    assert _release(store, pipeline, A) == _came_to(stopped=[A])
    assert (_held(store), pipeline.received, len(pipeline.batches)) == ({A: [1, 2, 3]}, [], 1)


def test_marks_that_are_not_held_leave_what_is_broken_and_bring_the_rest():
    """With PassMark an event that still breaks the contract is passed by those behind it, over several reads too."""
    store, pipeline = _holding("A" * 50), Pipeline(broken={2, 20, 21, 45}, hold_marks=False)

    answer = _release(store, pipeline, A)

    assert answer == _came_to(delivered=46, stopped=[A])
    assert pipeline.first_receipts()[A] == [number for number in range(1, 51) if number not in pipeline.broken]
    assert _held(store) == {A: [2, 20, 21, 45]}
    sequence = store.sequence(GATE, A)
    assert sequence is not None
    assert sequence.first_event_id == event_id(2)


def test_an_event_passed_over_is_not_tried_twice_in_one_release():
    """The release goes on behind it: nothing has changed since, and it would never end."""
    store, pipeline = _holding("A" * 30), Pipeline(broken=set(range(1, 31)), hold_marks=False)

    assert _release(store, pipeline, A) == _came_to(stopped=[A])
    assert [number for batch in pipeline.batches for number in batch] == list(range(1, 31))


def test_a_sequence_longer_than_one_read_is_released_whole():
    """What one read of the store does not give, the next one does."""
    store, pipeline = _holding("A" * 70), Pipeline()

    assert _release(store, pipeline, A) == _came_to(delivered=70)
    assert pipeline.first_receipts() == {A: list(range(1, 71))}


def test_no_batch_passes_its_room():
    """Large events take as many batches as they need; the order within each mark stays."""
    store, pipeline = _holding("ABABAB", padding=40_000), Pipeline(room=100_000)

    assert _release(store, pipeline, A, B) == _came_to(delivered=6)
    assert [len(batch) for batch in pipeline.batches] == [2, 2, 2]
    assert pipeline.first_receipts() == {A: [1, 3, 5], B: [2, 4, 6]}


def test_an_event_beyond_the_room_stops_its_sequence_alone():
    """More clients than when it came leave less room: it stays, with what follows it, and the marks beside it go."""
    store, pipeline = _holding("AA", padding=40_000), Pipeline(room=30_000)
    store.hold(GATE, [entries(["A", "A", "B"])[2:]], QUARANTINED, CONTRACT_BROKEN)

    answer = _release(store, pipeline, A, B)

    assert answer == _came_to(delivered=1) | {"stopped": [{"groupId": A, "error": TOO_LARGE}]}
    assert pipeline.first_receipts() == {B: [3]}
    assert len(store.stored(GATE)[A]) == 2


@pytest.mark.parametrize(("batches", "delivered", "left"), [(0, 0, [A, B]), (1, 2, [A, B]), (2, 4, [A])])
def test_an_invocation_without_time_leaves_the_rest_to_the_next(batches, delivered, left):
    """Its answer names the groups with which the next turn goes on; what was delivered has left, and is counted."""
    store, pipeline = _holding("ABABA", padding=40_000), Pipeline(room=100_000)

    answer = _release(store, pipeline, A, B, has_time=_times(batches))

    assert (answer["delivered"], set(left) <= set(answer["groupIds"])) == (delivered, True)
    assert _release(store, pipeline, *answer["groupIds"])["delivered"] == 5 - delivered
    assert pipeline.first_receipts() == {A: [1, 3, 5], B: [2, 4]}
    assert [recipient.events for recipient in store.recipients()] == [0]


def test_a_mark_that_is_not_held_costs_no_batch():
    """Whoever released it since the turn was listed has delivered it."""
    pipeline = Pipeline()

    assert _release(HeldEventsInMemory(), pipeline, A) == _came_to()
    assert pipeline.batches == []


def test_a_batch_that_is_not_delivered_stays_at_the_gate():
    """The answer names the error and what was delivered before it, which has left and is counted out."""
    store, pipeline = _holding("AAA", padding=40_000), Pipeline(room=50_000)
    before = store.stored(GATE)[A][1:]

    def fail(operation: str) -> None:
        if operation == "put_through" and pipeline.batches:
            raise BatchNotDeliveredError("execution release-1 TIMED_OUT")

    pipeline.before = fail

    assert _release(store, pipeline, A) == _came_to(delivered=1) | {"error": "BatchNotDeliveredError"}
    assert store.stored(GATE) == {A: before}
    assert [recipient.events for recipient in store.recipients()] == [2]


def test_a_store_that_fails_after_the_delivery_has_the_events_delivered_again_in_order():
    """They were not forgotten, so the next try brings them again, before their followers."""
    store, pipeline, failures = _holding("AAA"), Pipeline(), iter([True])

    def fail(operation: str) -> None:
        if operation == "forget" and next(failures, False):
            raise HeldEventsUnavailableError("throttled")

    store.before = fail
    with pytest.raises(HeldEventsUnavailableError):
        _release(store, pipeline, A)
    assert _release(store, pipeline, A) == _came_to(delivered=3)

    assert [number for _, number in pipeline.received] == [1, 2, 3, 1, 2, 3]
    assert pipeline.first_receipts() == {A: [1, 2, 3]}


@pytest.mark.parametrize("moment", ["events", "end"])
def test_what_is_held_behind_while_the_sequence_would_end_is_released(moment):
    """Appending and ending meet on the version: what was appended in between goes, and nothing is left behind."""
    store, pipeline, late = _holding("A"), Pipeline(), iter([_event(2, "A")])

    def append(operation: str) -> None:
        if operation == moment and pipeline.received and (event := next(late, None)):
            hold_at_gate(pipeline.validated([event]), store, hold_marks=True)

    store.before = append

    assert _release(store, pipeline, A) == _came_to(delivered=2)
    assert (pipeline.first_receipts(), store.lost()) == ({A: [1, 2]}, [])


def test_what_an_execution_withheld_is_read_from_its_output():
    """The output of a released batch names the entries that stay at the gate."""
    (entry,) = Pipeline(broken={1}).validated([_event(1, "A")])["withheld"]

    assert withheld_in(json.dumps({"counts": {}, "clients": [], "withheld": [entry]})) == [entry]
    assert json.loads(violations_of(entry)) == [{"path": "/Status", "rule": "enum"}]


# ----------------------------------------------------------------------------------------------------------------------
# Whatever happens in whatever order
# ----------------------------------------------------------------------------------------------------------------------
def _release_all(store: HeldEventsInMemory, pipeline: Pipeline, has_time: Callable[[], bool] = _always) -> None:
    """Release the gate as the state machine does: turn by turn, lane by lane, in as many invocations as it takes."""
    page: dict[str, Any] = {"after": "", "listed": False, "turn": 0}
    totals: dict[str, Any] = {"sequences": 0, "delivered": 0, "stoppedSequences": 0, "errors": []}
    lanes: list[dict[str, Any]] = []
    while True:
        asked = {"recipient": GATE, "groupId": "", "page": page, "totals": totals, "lanes": lanes}
        page, totals = list_lanes(asked, store).values()
        if not page["lanes"]:
            break
        lanes = [_release(store, pipeline, *group_ids, has_time=has_time) for group_ids in page["lanes"]]
    conclude({"request": {"recipient": GATE, "discarded": 0}, "totals": totals}, store)


def _deliver(batch: list[dict[str, str]], store: HeldEventsInMemory, pipeline: Pipeline) -> None:
    """Deliver a batch as the state machine does: look for the gate, hold, deliver, and hold what is left."""
    validated = pipeline.validated(batch)
    at_gate = bool(store.version(GATE, ""))
    if validated["withheld"] or at_gate:
        validated = hold_at_gate(validated, store, hold_marks=True)
    pipeline.before("deliver")
    pipeline.deliver(validated)
    if validated["withheld"]:
        hold_at_gate(validated | {"plan": plan([])}, store, hold_marks=True)


def _turns(seed: int) -> Iterator[int]:
    chance = Random(seed)  # noqa: S311 - an order of operations, no secret
    return iter(lambda: chance.randrange(6), None)


class Course(NamedTuple):
    """What happens: the marks of each batch, what is broken and mended, what is repeated, interrupted, and when."""

    stream: list[str]
    broken: set[int]
    mended: list[int]
    repeats: list[bool]
    times: list[bool]
    releases: int
    seed: int


_COURSES = st.builds(
    Course,
    stream=st.lists(st.text("AB", min_size=1, max_size=4), min_size=2, max_size=6),
    broken=st.sets(st.integers(1, 20), max_size=6),
    mended=st.lists(st.integers(1, 20), max_size=6),
    repeats=st.lists(st.booleans(), max_size=30),
    times=st.lists(st.booleans(), max_size=30),
    releases=st.integers(1, 2),
    seed=st.integers(0, 2**32),
)


@settings(max_examples=200)
@given(_COURSES)
def test_live_delivery_and_releases_never_overtake_one_another(course):
    """Contracts mended, batches repeated, releases at once, operation by operation: nothing lost, nothing overtaken."""
    stream, broken, mended, repeats, times, releases, seed = course
    turns, again, has_time, mending = Turns(_turns(seed)), iter(repeats), iter(times), iter(mended)
    store = HeldEventsInMemory(turns.pass_on, events_per_write=2)
    pipeline = Pipeline(broken=set(broken), deduplicates=True, before=turns.pass_on)
    events = iter(_events("".join(stream)))
    batches = [[next(events) for _ in marks] for marks in stream]
    under_way = [True]

    def live() -> None:
        for batch in batches:
            _deliver(batch, store, pipeline)
            pipeline.broken.discard(next(mending, 0))
            if next(again, False):
                _deliver(batch, store, pipeline)
        under_way.clear()

    def releasing() -> None:
        while under_way:
            _release_all(store, pipeline, lambda: next(has_time, True))

    turns.run(live, *[releasing] * releases)

    store.before = pipeline.before = _no_matter
    assert store.lost() == []
    pipeline.broken.clear()
    _release_all(store, pipeline)
    sent: dict[str, list[int]] = {}
    for number, mark in enumerate("".join(stream), start=1):
        sent.setdefault(to_group_id(mark), []).append(number)
    assert pipeline.first_receipts() == sent
    assert (_held(store), store.heads) == ({}, {})
