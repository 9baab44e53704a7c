"""`make capacity`: how many events a second the design bears, and where the next limit lies, from quotas and durations.

A shard's invocations run one after another, so a shard carries what an invocation holds by the time that it takes: its
executions run side by side, as many as there are tracks. That time is taken to be `per_batch + events x per_event`, and
`per_batch` once more for every further turn of a track, from durations of a run of the benchmark, or as given.
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.calls import BATCH
from bench.end_to_end import CLIENTS
from bench.events import EVENT_BYTES
from bench.report import table
from bench.results import load
from bench.work import lambda_seconds
from mark_event_queue.domain.rounds import WAVE_SIZE

RATES = (10, 1_000, 100_000)
REGIONS = ("london", "virginia")
CHAIN = 3  # calls that wait for one another in an execution: make bench, calls; tests/e2e/test_pipeline.py
BATCH_SIZE, TRACKS = 1_000, 8  # the template's BatchSize and Tracks
WINDOW_SECONDS = 1  # the template's MaximumBatchingWindowInSeconds
EXECUTION = 140  # events of 1 KB that an execution carries: make bench, growth
CPU_MICROSECONDS = 60  # per event, of the converter and its runtime: make bench, work per event
_WRITE_UNIT = 1024
_REGISTRATIONS_SECONDS = 60


class Durations(NamedTuple):
    """Seconds of an invocation and of each event in it, the wait for executions included; of the validator."""

    per_batch: float
    per_event: float
    validator: float
    per_event_of_one_mark: float

    def invocation(self, events: float) -> float:
        """Return how long an invocation with so many events takes."""
        return self.per_batch * math.ceil(_executions(events) / TRACKS) + events * self.per_event


class Limit(NamedTuple):
    """A quota and what is used of it."""

    name: str
    used: float
    quota: float
    adjustable: bool

    @property
    def share(self) -> float:
        """Used of the quota: above 1 it does not go."""
        return self.used / self.quota


class Capacity(NamedTuple):
    """What a rate of events asks for."""

    rate: float
    shards: int
    events: float
    """Of an invocation."""
    executions: float
    limits: list[Limit]

    @property
    def next_limit(self) -> Limit:
        """The quota that is used most."""
        return max(self.limits, key=lambda limit: limit.share)


def load_quotas() -> dict[str, dict[str, Any]]:
    """Return the quotas that the repository holds."""
    quotas: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("quotas.json").read_text("utf-8"))["quotas"]
    return quotas


def shard_rate(durations: Durations) -> float:
    """Return how many events a second a shard is relieved of when there are always more: its full invocations."""
    return BATCH_SIZE / durations.invocation(BATCH_SIZE)


def taken_in(event_bytes: int, quotas: Mapping[str, Mapping[str, Any]]) -> float:
    """Return how many events a second a partition takes in, and so its shard."""
    units: float = quotas["partition_write_units"]["value"]
    return units / math.ceil(event_bytes / _WRITE_UNIT)


def capacity(
    rate: float, durations: Durations, event_bytes: int, region: str, quotas: Mapping[str, Mapping[str, Any]]
) -> Capacity:
    """Return what so many events a second of evenly used marks ask for, with no more shards than they need."""
    shards = math.ceil(rate / min(shard_rate(durations), taken_in(event_bytes, quotas)))
    events = _events_per_invocation(rate / shards, durations)
    invocations = rate / events
    executions = invocations * _executions(events)

    def limit(name: str, quota: str, used: float) -> Limit:
        return Limit(name, used, quotas[quota]["value"], quotas[quota]["adjustable"])

    converters = min(shards, invocations * durations.invocation(events))
    validators = executions * durations.validator
    return Capacity(
        rate,
        shards,
        events,
        executions,
        [
            limit("shards", "initial_partitions", shards),
            limit("partition", "partition_write_units", rate / shards * math.ceil(event_bytes / _WRITE_UNIT)),
            limit("table", "table_write_units", rate * math.ceil(event_bytes / _WRITE_UNIT)),
            limit("Lambda", "lambda_concurrency", converters + validators),
            limit("starts", "express_starts", executions),
            limit("SQS queue", f"sqs_calls_{region}", rate / min(events, WAVE_SIZE)),
            limit("reads of what is held", "partition_read_units", invocations),
            limit("SSM", "parameter_reads", shards / _REGISTRATIONS_SECONDS),
        ],
    )


def _executions(events: float) -> int:
    return max(1, math.ceil(events / EXECUTION))


def _events_per_invocation(shard_events: float, durations: Durations) -> float:
    """Return what comes together in the window, or while the invocation before runs if that takes longer."""
    events = min(BATCH_SIZE, max(1.0, shard_events * WINDOW_SECONDS))
    while events < BATCH_SIZE and shard_events * durations.invocation(events) > events:
        events = min(BATCH_SIZE, shard_events * durations.invocation(events) + 1)
    return events


def of_engine(results: Mapping[str, Any]) -> Durations:
    """Return the durations of a run of the benchmark."""
    seconds = {
        one["events"]: one for one in results["growth"] if one["varied"] == "batch" and one["clients"] == CLIENTS
    }
    per_event = (seconds[BATCH]["converter_seconds"] - seconds[1]["converter_seconds"]) / (BATCH - 1)
    one_mark = next(
        one for one in results["calls"] if (one["marks"], one["clients"]) == (1, CLIENTS) and one["events"] > 1
    )
    return Durations(
        seconds[1]["converter_seconds"] - per_event,
        per_event,
        seconds[BATCH]["validator_seconds"],
        one_mark["seconds"] / one_mark["events"],
    )


def of_calls(call_seconds: float) -> Durations:
    """Return the durations if every call took so long: an invocation is a chain of them, however many events it has.

    Before the chain of the execution there are the read of whom anything is held, and the start. An event of a mark
    waits for the one before it, at the fan-out queue and at the client's.
    """
    return Durations((2 + CHAIN) * call_seconds, lambda_seconds(CPU_MICROSECONDS), call_seconds, 2 * call_seconds)


def show(durations: Durations, quotas: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the table."""
    found = [(region, capacity(rate, durations, EVENT_BYTES, region, quotas)) for region in REGIONS for rate in RATES]
    limits = [limit.name for limit in found[0][1].limits]
    table(
        f"{durations.per_batch * 1000:.0f} ms per invocation and {durations.per_event * 1000:.2f} ms per event in it",
        ("region", "events / s", "shards", "per invocation", "executions / s", *limits, "next limit"),
        [
            (
                region,
                f"{one.rate:,}",
                one.shards,
                f"{one.events:.1f}",
                f"{one.executions:,.0f}",
                *(f"{limit.share:.1%}" for limit in one.limits),
                one.next_limit.name,
            )
            for region, one in found
        ],
        f"A shard carries {shard_rate(durations):,.0f} events a second, of which its partition takes in"
        f" {taken_in(EVENT_BYTES, quotas):,.0f}; a mark {1 / durations.per_event_of_one_mark:,.0f}"
        f" (SQS allows {quotas['sqs_calls_group']['value']} of one group).",
        *_beyond(found),
    )


def _beyond(found: Sequence[tuple[str, Capacity]]) -> list[str]:
    return [
        f"{region}, {one.rate:,} events / s: {limit.name} {limit.used:,.0f} of {limit.quota:,}"
        f" ({'to be raised' if limit.adjustable else 'a wall'})"
        for region, one in found
        for limit in one.limits
        if limit.share > 1
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the capacity by the durations of the local engine, and by the length of a call."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[2])
    parser.add_argument(
        "--engine",
        type=float,
        nargs=len(Durations._fields),
        metavar="SECONDS",
        help="durations of the engine per batch, per event, of the validator, per event of one mark; else the bench's",
    )
    parser.add_argument("--call", type=float, default=0.02, metavar="SECONDS", help="length of a call (default 0.02)")
    asked = parser.parse_args(arguments)
    quotas = load_quotas()
    engine = Durations(*asked.engine) if asked.engine else of_engine(load())
    print(
        f"Invocations of at most {BATCH_SIZE} events of {EVENT_BYTES} bytes and as many marks, {CLIENTS} clients:"
        f"\nat most {EXECUTION} events to an execution, {TRACKS} tracks, a window of {WINDOW_SECONDS} s."
    )
    print(f"\nBy the local engine, where every call costs CPU of one process: --engine {' '.join(map(_short, engine))}")
    show(engine, quotas)
    print(
        f"\nBy the chain, a read, a start and {CHAIN} calls behind it, if a call takes so long: --call {asked.call:g}"
    )
    show(of_calls(asked.call), quotas)
    return 0


def _short(seconds: float) -> str:
    return f"{seconds:.3g}"


if __name__ == "__main__":
    sys.exit(main())
