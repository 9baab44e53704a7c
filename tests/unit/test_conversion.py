"""Unit tier, `converter.conversion`: proves what an invocation runs, in which order, and what it answers the stream.

It cannot prove what the stream makes of the answer; that is Lambda's ReportBatchItemFailures.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event

import pytest

from mark_event_queue.converter.conversion import Converter, Failures, Pipeline, in_threads
from mark_event_queue.converter.delivered import Delivered
from mark_event_queue.domain.batches import LIVE, Batch
from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.errors import (
    BatchNotDeliveredError,
    HeldEventsUnavailableError,
    MarkEventQueueError,
    StateMachineUnavailableError,
)
from tests.builders import NOW, checkpoint, client, event_input, item, record, removal

NOTHING_FAILED: Failures = {"batchItemFailures": []}
CLIENTS = [client("archive"), client("billing")]
SUBSCRIPTIONS = [
    Subscription("archive", CLIENTS[0]["queueUrl"], NOW),
    Subscription("billing", CLIENTS[1]["queueUrl"], NOW, notices=frozenset({"forgotten"})),
]

FAILURES = pytest.mark.parametrize("error", [BatchNotDeliveredError("FAILED"), StateMachineUnavailableError("500")])


@dataclass
class World:
    """A state machine that notes its executions, and fails those that carry a mark which a test names."""

    failing: dict[str, MarkEventQueueError] = field(default_factory=dict)
    mentioned: list[list[str]] = field(default_factory=list)
    """What each read of whom anything is held finds; nothing, where there is none."""
    has_time: Callable[[], bool] = lambda: True
    during: Callable[[Batch], object] = lambda batch: None
    batches: list[list[str]] = field(default_factory=list)
    payloads: list[str] = field(default_factory=list)
    stops: list[tuple[str, str]] = field(default_factory=list)
    reads: int = 0

    def pipeline(self) -> Pipeline:
        """Return it as a converter needs it."""
        return Pipeline(
            self._run, self._mentions, self.has_time, lambda batch, why: self.stops.append((batch.checkpoint, why))
        )

    def _run(self, batch: Batch, payload: str) -> None:
        self.batches.append([event.checkpoint for event in batch.events] or [batch.checkpoint])
        self.payloads.append(payload)
        self.during(batch)
        for mark in [event.mark for event in batch.events] + [one.mark for one in batch.forgotten]:
            if mark in self.failing:
                raise self.failing[mark]

    def _mentions(self) -> Collection[str]:
        self.reads += 1
        found = self.mentioned.pop(0) if self.mentioned else []
        if "out of reach" in found:
            raise HeldEventsUnavailableError("query: InternalServerError")
        return found


def _large(number: int, mark: str = "AFC 6") -> dict:
    """Return a record of which two do not go into one batch."""
    return record(item(number, mark, unknown={"S": "x" * 150_000}), number)


def _marks(*marks: str) -> list[dict]:
    """Return a record of each mark, so large that each is a batch of its own."""
    return [_large(number, mark) for number, mark in enumerate(marks, start=1)]


def _deliver(records: list[dict], world: World, tracks: int = 8) -> Failures:
    return Converter(tracks).deliver(records, SUBSCRIPTIONS, world.pipeline())


def _named(number: int) -> Failures:
    return {"batchItemFailures": [{"itemIdentifier": checkpoint(number)}]}


# ----------------------------------------------------------------------------------------------------------------------
# What is run
# ----------------------------------------------------------------------------------------------------------------------
def test_batches_of_a_mark_run_one_after_another_in_order():
    """Every batch is executed once, in the order of the stream, and nothing is reported."""
    world = World()

    assert _deliver([_large(number) for number in (1, 2, 3)], world) == NOTHING_FAILED
    assert world.batches == [[checkpoint(1)], [checkpoint(2)], [checkpoint(3)]]
    assert world.stops == []


def test_batches_of_different_marks_run_side_by_side():
    """Three executions wait for one another to have begun: one after another none would ever end."""
    together = Barrier(3, timeout=30)
    world = World(during=lambda batch: together.wait())

    assert _deliver(_marks("A", "B", "C"), world) == NOTHING_FAILED
    assert sorted(world.batches) == [[checkpoint(1)], [checkpoint(2)], [checkpoint(3)]]


def test_no_more_run_side_by_side_than_there_are_tracks():
    """Of five batches two tracks run two at a time."""
    running: list[int] = []
    most: list[int] = []

    def during(_batch: Batch) -> None:
        running.append(1)
        most.append(len(running))
        Event().wait(0.02)
        running.pop()

    assert _deliver(_marks(*"ABCDE"), World(during=during), tracks=2) == NOTHING_FAILED
    assert max(most) <= 2


def test_an_execution_is_given_its_events_and_the_clients():
    """The input names the events, body untouched, and everybody who is to receive them."""
    world = World()

    _deliver([record(item(1), 1), record(item(2, "AFC F7"), 2)], world)

    given = json.loads(world.payloads[0])
    assert given["clients"] == CLIENTS
    assert [event["mark"] for event in given["batch"]["events"]] == ["AFC 6", "AFC F7"]
    assert [set(event) for event in given["batch"]["events"]] == [set(event_input())] * 2
    assert given["released"] is False


def test_every_execution_has_its_own_deadline():
    """The time of a batch begins when its execution is started, not with the invocation."""
    world = World()
    before = datetime.now(UTC).replace(microsecond=0)

    _deliver([_large(1), _large(2)], world)

    deadlines = [datetime.fromisoformat(json.loads(payload)["deadline"]) for payload in world.payloads]
    starts = [deadline - timedelta(seconds=LIVE.delivery_seconds) for deadline in deadlines]
    assert before <= starts[0] <= starts[1] <= datetime.now(UTC)


def test_of_whom_anything_is_held_is_read_once_for_marks_that_have_nothing_to_do_with_each_other():
    """What one batch parks is not of the marks of any other."""
    world = World(mentioned=[["archive"]])

    _deliver(_marks(*"ABCDE"), world, tracks=2)

    assert world.reads == 1
    assert [json.loads(payload)["batch"]["held"]["recipients"] for payload in world.payloads] == [["archive"]] * 5


def test_of_whom_anything_is_held_is_read_anew_behind_a_batch_of_the_same_mark():
    """What the batch before has parked has to hold up what follows it."""
    world = World(mentioned=[[], ["archive"], ["archive", "billing"]])

    _deliver([_large(1), _large(2), _large(3)], world)

    found = [json.loads(payload)["batch"]["held"]["recipients"] for payload in world.payloads]
    assert found == [[], ["archive"], ["archive", "billing"]]


def test_removals_are_executions_of_their_own_for_those_who_asked():
    """What came before is delivered by then; the notices are for those who asked, the forgetting for everybody."""
    world = World()

    assert _deliver([record(item(1), 1), removal(2), removal(3), record(item(4), 4)], world) == NOTHING_FAILED
    given = [json.loads(payload) for payload in world.payloads]
    assert [len(one["batch"]["events"]) for one in given] == [1, 0, 1]
    assert [one["clients"] for one in given] == [CLIENTS, CLIENTS[1:], CLIENTS]
    (forgotten,) = given[1]["batch"]["forgotten"]
    assert (forgotten["mark"], len(forgotten["createTimes"])) == ("AFC 6", 2)


def test_no_records_ask_for_nothing_and_fail_nothing():
    """An empty invocation is answered as a success, without a call."""
    world = World()

    assert _deliver([], world) == NOTHING_FAILED
    assert world.reads == 0


# ----------------------------------------------------------------------------------------------------------------------
# What is answered when something fails
# ----------------------------------------------------------------------------------------------------------------------
def test_the_checkpoint_is_spelt_as_the_stream_spells_it():
    """What travels is 40 digits wide; what the stream is told to resume from is its own number, leading zeros too."""
    records = _marks("A", "B")
    records[1]["dynamodb"]["SequenceNumber"] = "000000017954420000000002"
    world = World(failing={"B": BatchNotDeliveredError("FAILED")})

    answer = _deliver(records, world)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "000000017954420000000002"}]}
    events = [event for payload in world.payloads for event in json.loads(payload)["batch"]["events"]]
    assert "17954420000000002".zfill(40) in [event["sequenceNumber"] for event in events]


@FAILURES
def test_a_mark_that_could_not_be_forgotten_comes_again(error):
    """The first removal of the batch is the checkpoint."""
    world = World(failing={"AFC 6": error})

    answer = _deliver([record(item(1, "B 1"), 1), removal(2), removal(3)], world)

    assert answer == _named(2)


@FAILURES
def test_the_lowest_record_that_was_not_delivered_is_named(error):
    """Two tracks fail; the stream has to resume from the earlier of both, whichever failed first."""
    world = World(failing={"B": error, "D": error})

    assert _deliver(_marks(*"ABCD"), world) == _named(2)
    assert sorted(world.stops) == [(checkpoint(2), str(error)), (checkpoint(4), str(error))]


@FAILURES
def test_a_track_stops_at_its_failure(error):
    """Nothing of a mark runs behind its failed batch."""
    world = World(failing={"B": error})

    assert _deliver([*_marks("A", "B"), _large(3, "B"), _large(4, "B")], world) == _named(2)
    assert sorted(world.batches) == [[checkpoint(1)], [checkpoint(2)]]


def test_other_tracks_end_the_batch_they_are_in_and_no_further_one():
    """What is under way is awaited; what has not begun comes again with what failed."""
    failed = Event()

    def during(batch: Batch) -> None:
        if batch.events[0].mark == "B":
            failed.wait(30)

    def on_stop(batch: Batch, reason: str) -> None:
        world.stops.append((batch.checkpoint, reason))
        failed.set()

    world = World(failing={"A": BatchNotDeliveredError("FAILED")}, during=during)
    records = [_large(1, "B"), _large(2, "A"), _large(3, "B"), _large(4, "B")]

    answer = Converter(8).deliver(records, SUBSCRIPTIONS, world.pipeline()._replace(on_stop=on_stop))

    assert answer == _named(2)
    assert sorted(world.batches) == [[checkpoint(1)], [checkpoint(2)]]


@FAILURES
def test_a_failure_of_the_very_first_record_raises(error):
    """Every engine, also one that reads no answers, brings an invocation again that raised."""
    world = World(failing={"A": error})

    with pytest.raises(type(error)) as caught:
        _deliver(_marks("A", "B"), world)

    assert caught.value is error
    assert world.stops == [(checkpoint(1), str(error))]


def test_a_table_that_cannot_be_read_stops_the_stream():
    """Nobody can say what has to wait: nothing is run, and all of it comes again."""
    world = World(mentioned=[["out of reach"]])

    with pytest.raises(HeldEventsUnavailableError):
        _deliver(_marks("A", "B"), world)

    assert world.batches == []
    assert world.stops == [(checkpoint(1), "query: InternalServerError")]


def test_a_table_that_cannot_be_read_any_more_stops_its_track():
    """The batch behind one of the same mark is not run without knowing what that has parked."""
    world = World(mentioned=[[], ["out of reach"]])

    assert _deliver([_large(1), _large(2)], world) == _named(2)
    assert world.batches == [[checkpoint(1)]]


def test_a_defect_is_not_taken_for_a_failed_delivery():
    """An error that no execution raises on purpose ends the invocation, so that the stream tries it all again."""

    def defect(batch: Batch) -> None:
        if batch.events[0].mark == "B":
            raise KeyError("defect")

    with pytest.raises(KeyError):
        _deliver(_marks("A", "B"), World(during=defect))


def test_a_batch_without_time_is_left_for_the_next_invocation():
    """No execution is started whose end could not be awaited; its batch is reported like a failed one."""
    times = iter([True, False])
    world = World(has_time=lambda: next(times))

    assert _deliver([_large(1), _large(2), _large(3)], world) == _named(3)
    assert world.batches == [[checkpoint(1)], [checkpoint(2)]]


def test_the_first_batch_of_every_track_is_always_tried():
    """An invocation that had no time from the start still moves the shard on."""
    world = World(has_time=lambda: False)

    assert _deliver([_large(1, "A"), _large(2, "B"), _large(3, "A"), _large(4, "B")], world) == _named(3)
    assert sorted(world.batches) == [[checkpoint(1)], [checkpoint(2)]]


# ----------------------------------------------------------------------------------------------------------------------
# What comes again
# ----------------------------------------------------------------------------------------------------------------------
def test_what_was_delivered_behind_a_failure_is_not_delivered_again():
    """However often the stream brings it: a long outage of one mark repeats nothing of the others."""
    world = World(failing={"B": BatchNotDeliveredError("FAILED")})
    converter, records = Converter(8), _marks("A", "B", "C")
    assert converter.deliver(records, SUBSCRIPTIONS, world.pipeline()) == _named(2)
    with pytest.raises(BatchNotDeliveredError):
        converter.deliver(records[1:], SUBSCRIPTIONS, world.pipeline())

    world.failing.clear()
    assert converter.deliver([*records[1:], _large(4, "C")], SUBSCRIPTIONS, world.pipeline()) == NOTHING_FAILED

    assert sorted(world.batches) == [[checkpoint(number)] for number in (1, 2, 2, 2, 3, 4)]


def test_what_was_delivered_before_a_defect_is_not_delivered_again():
    """The invocation ends by raising, and the other tracks have delivered what they have."""
    defects = [KeyError("defect")]

    def during(batch: Batch) -> None:
        if batch.events[0].mark == "A" and defects:
            raise defects.pop()

    world, converter = World(during=during), Converter(8)
    with pytest.raises(KeyError):
        converter.deliver(_marks("A", "B"), SUBSCRIPTIONS, world.pipeline())

    assert converter.deliver(_marks("A", "B"), SUBSCRIPTIONS, world.pipeline()) == NOTHING_FAILED
    assert sorted(world.batches) == [[checkpoint(1)], [checkpoint(1)], [checkpoint(2)]]


def test_what_has_been_delivered_once_and_for_all_is_not_remembered():
    """The same records in an invocation of their own, of a replay say, are delivered."""
    world, converter = World(), Converter(8)

    for _ in range(2):
        assert converter.deliver(_marks("A"), SUBSCRIPTIONS, world.pipeline()) == NOTHING_FAILED

    assert world.batches == [[checkpoint(1)]] * 2


def test_an_invocation_that_was_delivered_already_makes_no_call():
    """Another shard's failure may have been in between; what is left of this one is nothing."""
    world, converter = World(failing={"B": BatchNotDeliveredError("FAILED")}), Converter(8)
    converter.deliver(_marks("A", "B"), SUBSCRIPTIONS, world.pipeline())
    reads = world.reads

    assert converter.deliver(_marks("A"), SUBSCRIPTIONS, world.pipeline()) == NOTHING_FAILED
    assert world.reads == reads


def test_what_was_delivered_is_given_up_where_there_is_too_much_of_it():
    """The oldest goes first: it may come again, and the queues or the clients drop it."""
    delivered = Delivered(most=3)

    delivered.remember(("M", str(number)) for number in range(5))

    assert [number for number in range(5) if ("M", str(number)) in delivered] == [2, 3, 4]
    delivered.forget([("M", "3"), ("M", "9")])
    assert ("M", "3") not in delivered


def test_what_has_no_sequence_number_is_never_left_out():
    """Two records of a mark without one look alike: what is known of one says nothing of the other."""
    delivered = Delivered()

    delivered.remember([("M", "")])

    assert ("M", "") not in delivered


def test_a_record_without_a_sequence_number_that_fails_brings_the_whole_invocation_again():
    """Lambda takes an empty identifier for all of it (Lambda Developer Guide, ReportBatchItemFailures)."""
    records = _marks("A", "B")
    del records[1]["dynamodb"]["SequenceNumber"]
    world = World(failing={"B": BatchNotDeliveredError("FAILED")})

    assert _deliver(records, world) == {"batchItemFailures": [{"itemIdentifier": ""}]}


def test_tasks_side_by_side_are_all_awaited_before_one_raises():
    """Whoever asks what has been done is not told while it is still being done."""
    ended: list[str] = []

    def fails() -> None:
        raise KeyError("defect")

    def takes_longer() -> None:
        Event().wait(0.05)
        ended.append("longer")

    with pytest.raises(KeyError):
        in_threads([fails, takes_longer])
    assert ended == ["longer"]
