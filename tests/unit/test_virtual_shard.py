"""Unit tier, `bench.virtual`, what it measures: proves that invocations, poller and sums are right, by hand.

It cannot prove that AWS's calls take as long as a run of the bench assumes.
"""

import json
from itertools import pairwise
from typing import Any

import pytest

from bench.capacity import CHAIN
from bench.end_to_end import CLIENTS
from bench.events import records
from bench.virtual.invocation import Converter, Cost, Timed, single
from bench.virtual.machine import Machine
from bench.virtual.original import Original
from bench.virtual.rates import OUTAGE_RATE, OUTAGE_SECONDS, RATES, TRACKS, carried
from bench.virtual.shard import AtRandom, Backlog, Shard, Source, Taken, polled
from mark_event_queue.domain.batches import LIVE
from tests.builders import item, record
from tests.template.translation import source

CALL = 0.02


def test_one_event_takes_its_chain_of_calls():
    """The read of whom anything is held, the start, and behind it the calls that wait for one another."""
    assert single(Cost(CALL), tracks=1, events=1, marks=1).seconds == pytest.approx((2 + CHAIN) * CALL)


def test_cpu_takes_time_too():
    """The converter's before the execution, the validator's within it, per event."""
    without, with_cpu = (
        single(cost, tracks=1, events=10, marks=10).seconds for cost in (Cost(CALL), Cost(CALL, 0.001, 0.01))
    )
    assert with_cpu - without == pytest.approx(10 * (0.001 + 0.01))


def test_every_queue_gets_everything_in_order_however_slow_the_calls():
    """800 events of 400 marks, half a second per call."""
    measured = single(Cost(0.5), tracks=1)
    assert (measured.events, measured.marks) == (800, 400)
    assert measured.is_complete
    assert measured.is_in_order


def test_eight_tracks_end_an_invocation_four_times_sooner_than_one():
    """Of those 800 events no two executions share a mark, so they wait for one another only where tracks are few."""
    one, eight = (single(Cost(0.5), tracks) for tracks in (1, 8))
    assert eight.is_complete
    assert eight.is_in_order
    assert one.seconds >= 4 * eight.seconds


def test_the_shard_is_read_as_the_template_says():
    """Its defaults are those of the parameters."""
    template = source("template.yaml")["Parameters"]
    assert Source() == (template["BatchSize"]["Default"], template["MaximumBatchingWindowInSeconds"]["Default"])
    assert TRACKS[0] == template["Tracks"]["Default"]


def test_an_execution_that_fails_ends_the_measurement():
    """Nothing that is lost may look like speed."""
    converter = Converter(Cost(CALL), tracks=1)
    lost = {"StartAt": "Lost", "States": {"Lost": {"Type": "Fail"}}}
    converter._machine = Machine(converter.clock, converter.services.call, json.dumps(lost))
    with pytest.raises(RuntimeError):
        converter.invoke(records(2, 2))


def test_a_client_that_got_nothing_ends_the_measurement():
    """An execution may succeed and have sent to nobody."""
    converter = Converter(Cost(CALL), tracks=1)
    nothing = {"StartAt": "Nothing", "States": {"Nothing": {"Type": "Succeed"}}}
    converter._machine = Machine(converter.clock, converter.services.call, json.dumps(nothing))
    with pytest.raises(KeyError):
        converter.invoke(records(2, 2))


def test_an_execution_that_would_miss_a_deadline_ends_the_measurement():
    """The interpreter knows none, so what becomes of the events then is not in the model."""
    with pytest.raises(RuntimeError, match="deadline"):
        single(Cost(2), tracks=1, events=LIVE.stores_seconds // 4 + 1, marks=1)


def test_what_is_remembered_of_an_execution_is_what_it_would_be():
    """In batches of one shape events arrive at the same times, mark by mark, whichever mark has the most of them."""
    batches = [_records("ABCDEFGHIJKLMNOPAAACCD"), _records("ZYXWVUTSRQPONMLKYLLYYK")]
    remembering, forgetful = Converter(Cost(CALL), 1), Converter(Cost(CALL), 1, remembers=False)
    remembered, run = ([converter.invoke(batch) for batch in batches] for converter in (remembering, forgetful))
    assert len(remembering._known) == 1
    assert [one.seconds for one in remembered] == pytest.approx([one.seconds for one in run])
    assert [*remembered[1].delivered] == pytest.approx([*run[1].delivered])
    assert [*remembered[0].delivered] != pytest.approx([*remembered[1].delivered])


def _records(marks: str) -> list[dict]:
    return [record(item(number, f"{mark} 1"), number) for number, mark in enumerate(marks, start=1)]


class _Fixed:
    """A converter whose invocations take a second and are delivered at its end; and a stream of numbers."""

    record_bytes = 1000

    def __init__(self) -> None:
        self.invocations: list[list[int]] = []

    def place(self, position: int) -> int:
        return position

    def records(self, first: int, number: int) -> list[int]:
        return [*range(first, first + number)]

    def invoke(self, numbers: list[int]) -> Timed:
        self.invocations.append(numbers)
        return Timed(1, [1] * len(numbers))


class _At:
    """Records that arrive at the times that a test names."""

    def __init__(self, *moments: float) -> None:
        self._moments = moments

    def at(self, position: int) -> float | None:
        return self._moments[position] if position < len(self._moments) else None

    def by(self, second: float) -> int:
        return sum(moment <= second for moment in self._moments)


def _taken(arrivals, **source) -> list[tuple[float, int]]:
    fixed: Any = _Fixed()
    taken = [*Shard(fixed, fixed, Source(**source)).deliver(arrivals)]
    assert [number for numbers in fixed.invocations for number in numbers] == [*range(taken[-1].behind)]
    assert all(set(one.delivered) == {one.began + 1} for one in taken)
    return [(one.began, len(one.delivered)) for one in taken]


def test_an_idle_shard_is_polled_four_times_a_second():
    """A record is found by the next poll, and by the one that it comes with."""
    assert _taken(_At(0.1, 0.25, 1.3), window_seconds=0) == [(0.25, 2), (1.5, 1)]


def test_an_invocation_waits_for_the_window_since_the_first_record_was_found():
    """What comes until then goes with it; what comes while it runs begins a window when it has ended."""
    assert _taken(_At(0.1, 1.2, 1.3, 5), window_seconds=1) == [(1.25, 2), (3.25, 1), (6.25 - 0.25, 1)]


def test_a_full_batch_does_not_wait():
    """Neither the first, nor those behind it while there is enough."""
    assert _taken(Backlog(30), batch_size=10) == [(0, 10), (1, 10), (2, 10)]
    assert _taken(_At(0, 0.4, 0.4, 0.4), batch_size=3) == [(0.5, 3), (2.5, 1)]


def test_an_invocation_takes_six_megabytes_at_most():
    """6,000 records of a kilobyte, whatever the batch size."""
    assert _taken(Backlog(9000), batch_size=10_000, window_seconds=1) == [(0, 6000), (2, 3000)]


def test_a_record_that_is_found_is_there():
    """Where a rate's moments are no round figures, too."""
    arrivals = Backlog(2, rate=700)
    for position in range(2000):
        moment = arrivals.at(position)
        assert moment is not None
        assert arrivals.by(polled(0.1, moment)) > position
        assert arrivals.by(moment) == max(2, position + 1)


def test_random_arrivals_are_the_same_in_every_run_and_as_many_as_asked_for():
    """A thousand a second for ten seconds are about ten thousand, at uneven distances."""
    one, other = AtRandom(1000, 10), AtRandom(1000, 10)
    assert [one.at(position) for position in range(9000)] == [other.at(position) for position in range(9000)]
    number = one.by(10)
    assert abs(number - 10_000) < 400
    assert one.at(number) is None
    moments = [one.at(position) or 0 for position in range(number)]
    assert len({round(later - earlier, 4) for earlier, later in pairwise(moments)}) > 20


def test_the_original_pattern_waits_for_every_call():
    """A send; then a receive, a send to each client, and a delete before the next: five calls and one."""
    taken = [*Original(Cost(CALL)).deliver(Backlog(3))]
    sent, received_and_sent, all_of_it = CALL, (1 + CLIENTS) * CALL, (2 + CLIENTS) * CALL
    assert [one.delivered[0] for one in taken] == pytest.approx(
        [sent + received_and_sent + times * all_of_it for times in range(3)]
    )
    (alone,) = Original(Cost(CALL, 0.001, 0.01)).deliver(_At(0.1))
    assert alone.delivered[0] == pytest.approx(0.25 + sent + 0.001 + received_and_sent + 0.01)


def _pattern(events_per_second: float):
    """Return a way to deliver that takes one event at a time."""

    def deliver(arrivals):
        now, position = 0.0, 0
        while (arrival := arrivals.at(position)) is not None:
            began = max(now, arrival)
            now = began + 1 / events_per_second
            yield Taken(position, began, [now])
            position += 1

    return deliver


def test_what_is_carried_is_a_backlog_by_its_time():
    """And more than that falls behind, and no backlog is ever gone."""
    measured = carried("slow", _pattern(200))
    assert measured.events_per_second == pytest.approx(200)
    assert [delay.falls_behind for delay in measured.delays] == [rate >= 200 for rate in RATES]
    assert measured.seconds_after_outage is None


def test_a_backlog_is_gone_at_the_difference_of_what_is_carried_and_what_comes():
    """300,000 events at 1,500 a second, while 500 come."""
    measured = carried("fast", _pattern(1500))
    assert measured.seconds_after_outage == pytest.approx(OUTAGE_SECONDS * OUTAGE_RATE / (1500 - OUTAGE_RATE), rel=0.01)
    assert all(1 / 1500 <= delay.p50 <= delay.p99 < 0.1 for delay in measured.delays)
