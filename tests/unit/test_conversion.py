"""Unit tier, `converter.conversion`: proves what an invocation answers the stream, whichever execution fails.

It cannot prove what the stream makes of the answer; that is Lambda's ReportBatchItemFailures.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from mark_event_queue.converter.conversion import Failures, deliver
from mark_event_queue.domain.batches import LIVE, Batch
from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.errors import BatchNotDeliveredError, MarkEventQueueError, StateMachineUnavailableError
from tests.builders import NOW, checkpoint, client, event_input, item, record, removal

NOTHING_FAILED: Failures = {"batchItemFailures": []}
CLIENTS = [client("archive"), client("billing")]
SUBSCRIPTIONS = [
    Subscription("archive", CLIENTS[0]["queueUrl"], NOW),
    Subscription("billing", CLIENTS[1]["queueUrl"], NOW, notices=frozenset({"forgotten"})),
]

FAILURES = pytest.mark.parametrize("error", [BatchNotDeliveredError("FAILED"), StateMachineUnavailableError("500")])


@dataclass
class Runs:
    """A state machine that notes its executions, and fails the one a test names."""

    failing: int | None = None
    error: MarkEventQueueError | None = None
    batches: list[list[str]] = field(default_factory=list)
    payloads: list[str] = field(default_factory=list)
    stops: list[tuple[str, str]] = field(default_factory=list)

    def run(self, batch: Batch, payload: str) -> None:
        """Note the execution, and fail it if it is the one to fail."""
        self.batches.append([event.checkpoint for event in batch.events])
        self.payloads.append(payload)
        if self.error and len(self.batches) == self.failing:
            raise self.error

    def stopped(self, batch: Batch, reason: str) -> None:
        """Note where and why the invocation stopped."""
        self.stops.append((batch.checkpoint, reason))


def _large(number: int) -> dict:
    """Return a record of which two do not go into one batch."""
    return record(item(number, unknown={"S": "x" * 150_000}), number)


def _deliver(records: list[dict], runs: Runs, has_time: Callable[[], bool] = lambda: True) -> Failures:
    return deliver(records, SUBSCRIPTIONS, runs.run, has_time, runs.stopped)


def test_batches_run_one_after_another_in_order():
    """Every batch is executed once, in the order of the stream, and nothing is reported."""
    runs = Runs()

    assert _deliver([_large(number) for number in (1, 2, 3)], runs) == NOTHING_FAILED
    assert runs.batches == [[checkpoint(1)], [checkpoint(2)], [checkpoint(3)]]
    assert runs.stops == []


def test_an_execution_is_given_its_events_and_the_clients():
    """The input names the events, body untouched, and everybody who is to receive them."""
    runs = Runs()

    _deliver([record(item(1), 1), record(item(2, "AFC F7"), 2)], runs)

    given = json.loads(runs.payloads[0])
    assert given["clients"] == CLIENTS
    assert [event["mark"] for event in given["batch"]["events"]] == ["AFC 6", "AFC F7"]
    assert [set(event) for event in given["batch"]["events"]] == [set(event_input())] * 2
    assert given["released"] is False


def test_every_execution_has_its_own_deadline():
    """The time of a batch begins when its execution is started, not with the invocation."""
    runs = Runs()
    before = datetime.now(UTC).replace(microsecond=0)

    _deliver([_large(1), _large(2)], runs)

    deadlines = [datetime.fromisoformat(json.loads(payload)["deadline"]) for payload in runs.payloads]
    starts = [deadline - timedelta(seconds=LIVE.delivery_seconds) for deadline in deadlines]
    assert before <= starts[0] <= starts[1] <= datetime.now(UTC)


def test_the_checkpoint_is_spelt_as_the_stream_spells_it():
    """What travels is 40 digits wide; what the stream is told to resume from is its own number, leading zeros too."""
    records = [_large(1), _large(2)]
    records[1]["dynamodb"]["SequenceNumber"] = "000000017954420000000002"
    runs = Runs(failing=2, error=BatchNotDeliveredError("FAILED"))

    answer = _deliver(records, runs)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "000000017954420000000002"}]}
    (travelling,) = json.loads(runs.payloads[1])["batch"]["events"]
    assert travelling["sequenceNumber"] == "17954420000000002".zfill(40)


def test_removals_are_executions_of_their_own_for_those_who_asked():
    """What came before is delivered by then; the notices are for those who asked, the forgetting for everybody."""
    runs = Runs()

    assert _deliver([record(item(1), 1), removal(2), removal(3), record(item(4), 4)], runs) == NOTHING_FAILED
    given = [json.loads(payload) for payload in runs.payloads]
    assert [len(one["batch"]["events"]) for one in given] == [1, 0, 1]
    assert [one["clients"] for one in given] == [CLIENTS, CLIENTS[1:], CLIENTS]
    (forgotten,) = given[1]["batch"]["forgotten"]
    assert (forgotten["mark"], len(forgotten["createTimes"])) == ("AFC 6", 2)


@FAILURES
def test_a_mark_that_could_not_be_forgotten_comes_again(error):
    """The first removal of the batch is the checkpoint."""
    runs = Runs(failing=2, error=error)

    answer = _deliver([record(item(1), 1), removal(2), removal(3)], runs)

    assert answer == {"batchItemFailures": [{"itemIdentifier": checkpoint(2)}]}


def test_no_records_fail_nothing():
    """An empty invocation is answered as a success."""
    assert _deliver([], Runs()) == NOTHING_FAILED


@FAILURES
def test_the_first_failure_stops_and_names_where_to_resume(error):
    """Nothing runs after a failed batch, and its first record is the checkpoint."""
    runs = Runs(failing=2, error=error)

    answer = _deliver([_large(1), _large(2), _large(3)], runs)

    assert answer == {"batchItemFailures": [{"itemIdentifier": checkpoint(2)}]}
    assert runs.batches == [[checkpoint(1)], [checkpoint(2)]]
    assert runs.stops == [(checkpoint(2), str(error))]


@FAILURES
def test_a_failure_of_the_very_first_batch_raises(error):
    """Every engine, also one that reads no answers, brings an invocation again that raised."""
    runs = Runs(failing=1, error=error)

    with pytest.raises(type(error)) as caught:
        _deliver([_large(1), _large(2)], runs)

    assert caught.value is error
    assert runs.batches == [[checkpoint(1)]]
    assert runs.stops == [(checkpoint(1), str(error))]


def test_a_defect_is_not_taken_for_a_failed_delivery():
    """An error that no execution raises on purpose ends the invocation, so that the stream tries it all again."""

    def defect(batch: Batch, payload: str) -> None:
        raise KeyError("defect")

    with pytest.raises(KeyError):
        deliver([record()], SUBSCRIPTIONS, defect, lambda: True, Runs().stopped)


def test_a_batch_without_time_is_left_for_the_next_invocation():
    """No execution is started whose end could not be awaited; its batch is reported like a failed one."""
    runs = Runs()
    times = iter([True, False])

    answer = _deliver([_large(1), _large(2), _large(3)], runs, lambda: next(times))

    assert answer == {"batchItemFailures": [{"itemIdentifier": checkpoint(3)}]}
    assert runs.batches == [[checkpoint(1)], [checkpoint(2)]]


def test_the_first_batch_is_always_tried():
    """An invocation that had no time from the start still moves the shard on by one batch."""
    runs = Runs()

    answer = _deliver([_large(1), _large(2)], runs, lambda: False)

    assert runs.batches == [[checkpoint(1)]]
    assert answer == {"batchItemFailures": [{"itemIdentifier": checkpoint(2)}]}
