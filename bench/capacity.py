"""`make capacity`: how many events a second the design bears, and where the next limit lies, from quotas and durations.

A shard's batches run one after another, so a shard carries what a batch holds by the time that it takes. That time
is taken to be `per_batch + events x per_event`, from two durations of a run of the benchmark, or as given.
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
from mark_event_queue.domain.lanes import WAVE_SIZE

RATES = (10, 1_000, 100_000)
REGIONS = ("london", "virginia")
CHAIN = 4  # calls that wait for one another in an execution: make bench, calls; tests/e2e/test_pipeline.py
CPU_MICROSECONDS = 120  # per event, of converter, validator and their runtime: make bench, work per event
_WRITE_UNIT = 1024
_REGISTRATIONS_SECONDS = 60


class Durations(NamedTuple):
    """Seconds of a batch and of each event in it, the converter's wait for the execution included; of the validator."""

    per_batch: float
    per_event: float
    validator: float
    per_event_of_one_mark: float

    def batch(self, events: float) -> float:
        """Return how long a batch of so many events takes."""
        return self.per_batch + events * self.per_event


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
    events_per_batch: float
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


def shard_rate(durations: Durations, event_bytes: int, quotas: Mapping[str, Mapping[str, Any]]) -> float:
    """Return the events per second of one shard: what it can take in, or less, what it can be relieved of."""
    taken_in: float = quotas["partition_write_units"]["value"] / math.ceil(event_bytes / _WRITE_UNIT)
    return min(taken_in, BATCH / durations.batch(BATCH))


def capacity(
    rate: float, durations: Durations, event_bytes: int, region: str, quotas: Mapping[str, Mapping[str, Any]]
) -> Capacity:
    """Return what so many events a second of evenly used marks ask for, with no more shards than they need."""
    shards = math.ceil(rate / shard_rate(durations, event_bytes, quotas))
    events = _events_per_batch(rate / shards, durations, quotas["polls"]["value"])
    executions = rate / events

    def limit(name: str, quota: str, used: float) -> Limit:
        return Limit(name, used, quotas[quota]["value"], quotas[quota]["adjustable"])

    converters, validators = min(shards, executions * durations.batch(events)), executions * durations.validator
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
            limit("SQS queue", f"sqs_calls_{region}", executions * math.ceil(events / WAVE_SIZE)),
            limit("reads of what is held", "partition_read_units", executions),
            limit("SSM", "parameter_reads", shards / _REGISTRATIONS_SECONDS),
        ],
    )


def _events_per_batch(shard_events: float, durations: Durations, polls: float) -> float:
    """Return what comes together while the batch before runs, or between two polls; a batch is never empty."""
    between_polls = shard_events / polls
    left_for_events = 1 - shard_events * durations.per_event
    while_running = shard_events * durations.per_batch / left_for_events if left_for_events > 0 else BATCH
    return min(BATCH, max(1.0, between_polls, while_running))


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
    """Return the durations if every call took so long: a batch is a chain of them, however many events it has.

    Before the chain of the execution there is its start. An event of a mark waits for the one before
    it, at the fan-out queue and at the client's.
    """
    return Durations((1 + CHAIN) * call_seconds, lambda_seconds(CPU_MICROSECONDS), call_seconds, 2 * call_seconds)


def show(durations: Durations, quotas: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the table."""
    shard = shard_rate(durations, EVENT_BYTES, quotas)
    found = [(region, capacity(rate, durations, EVENT_BYTES, region, quotas)) for region in REGIONS for rate in RATES]
    limits = [limit.name for limit in found[0][1].limits]
    table(
        f"{durations.per_batch * 1000:.0f} ms per batch and {durations.per_event * 1000:.2f} ms per event in it",
        ("region", "events / s", "shards", "per batch", "executions / s", *limits, "next limit"),
        [
            (
                region,
                f"{one.rate:,}",
                one.shards,
                f"{one.events_per_batch:.1f}",
                f"{one.executions:,.0f}",
                *(f"{limit.share:.1%}" for limit in one.limits),
                one.next_limit.name,
            )
            for region, one in found
        ],
        f"A shard carries {shard:,.0f} events a second, a mark {1 / durations.per_event_of_one_mark:,.0f}"
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
    print(f"Batches of at most {BATCH} events of {EVENT_BYTES} bytes and as many marks, {CLIENTS} clients.")
    print(f"\nBy the local engine, where every call costs CPU of one process: --engine {' '.join(map(_short, engine))}")
    show(engine, quotas)
    print(f"\nBy the chain, {CHAIN} calls behind the start, if a call takes so long: --call {asked.call:g}")
    show(of_calls(asked.call), quotas)
    return 0


def _short(seconds: float) -> str:
    return f"{seconds:.3g}"


if __name__ == "__main__":
    sys.exit(main())
