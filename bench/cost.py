"""`make cost`: dollars per million events, of this design and of others, from a run of the benchmark and list prices.

What the clients pay for receiving and deleting is the same in every design and left out, and so are free
tiers, storage, alarms, and the custom metrics, whose price is by the month and not by the event.
"""

import math
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from bench import history
from bench.calls import BATCH
from bench.end_to_end import CLIENTS
from bench.prices import MEMORY_GB, Prices, load_prices
from bench.report import table
from bench.results import load
from mark_event_queue.domain.rounds import WAVE_SIZE

_MILLION = 1_000_000
_GIGABYTE = 1024**3
_CHUNK = 64 * 1024

# Step Functions: "billed duration is rounded up to the nearest 100 ms", memory in chunks of 64 MB
# of 50 MB, the definition and what is in the execution (Step Functions pricing).
_EXPRESS_STEP_SECONDS = 0.1
_EXPRESS_CHUNK_MB = 64
_EXPRESS_BASE_MB = 50
_MOST_WITHOUT_LOGS, _MOST_WITH_LOGS = 0.28, 0.60
RATES = (0.1, 1, 10, 100)
WINDOWS = (0, 1, 5, 30)
_POLL_SECONDS = 0.25
_SECONDS_OF_A_MONTH = 30 * 24 * 3600
TRACED = 0.05
"""The share of batches that are traced: the template's `TraceRate`."""

Lines = dict[str, float]


class Batch(NamedTuple):
    """What one batch took, as it was counted and measured."""

    events: float
    event_bytes: int
    calls_of_sqs: int
    reads: int
    converter_seconds: float
    validator_seconds: float
    execution_seconds: float
    bytes_through_states: int
    function_log_bytes: int
    execution_log_bytes: int
    execution_log_bytes_with_data: int


def this_design(batch: Batch, prices: Prices) -> Lines:
    """Return the dollars per million events in batches like this one."""
    batches = _MILLION / batch.events
    function_seconds = batch.converter_seconds + batch.validator_seconds
    return {
        "Lambda, requests": prices.of("lambda_request", 2 * batches),
        "Lambda, duration": prices.of("lambda_gb_second", function_seconds * MEMORY_GB * batches),
        "Step Functions, starts": prices.of("express_request", batches),
        "Step Functions, duration": prices.of("express_gb_hour", express_gb_hours(batch) * batches),
        "SQS": prices.of("sqs_fifo_request", batch.calls_of_sqs * _requests_per_call(batch) * batches),
        "DynamoDB": prices.of("dynamodb_read_unit", batch.reads * batches),
        "traces": prices.of("xray_trace", batches * TRACED),
        "logs of functions": _logs(batch.function_log_bytes * batches, prices),
        "logs of executions": _logs(batch.execution_log_bytes * batches, prices, "logs_infrequent_gb"),
    }


def express_gb_hours(batch: Batch) -> float:
    """Return the billed GB-hours of one execution."""
    steps = math.ceil(round(batch.execution_seconds / _EXPRESS_STEP_SECONDS, 6))
    # AWS's estimate adds the definition and, per step of a Map, the data; what goes through all states is more.
    megabytes = _EXPRESS_BASE_MB + batch.bytes_through_states / 2**20
    chunks = math.ceil(megabytes / _EXPRESS_CHUNK_MB)
    return steps * _EXPRESS_STEP_SECONDS / 3600 * chunks * _EXPRESS_CHUNK_MB / 1024


def original(seconds: float, calls_of_sqs: float, log_bytes: float, prices: Prices) -> Lines:
    """Return the same for the original pattern, of which these are the figures per event."""
    return {
        "Lambda, requests": prices.of("lambda_request", 2 * _MILLION),
        "Lambda, duration": prices.of("lambda_gb_second", seconds * MEMORY_GB * _MILLION),
        "SQS": prices.of("sqs_fifo_request", calls_of_sqs * _MILLION),
        "logs of functions": _logs(log_bytes * _MILLION, prices),
    }


def sns_fifo(batch: Batch, prices: Prices, sends_billed: bool) -> Lines:
    """Return the same for a function that publishes to an SNS FIFO topic with a queue per client and one more.

    Not measured: its function is taken to run, and to log, as long as this design's converter. Whether
    SQS bills what SNS sends is not said in what we read, hence `sends_billed`.
    """
    batches, queues = _MILLION / batch.events, CLIENTS + 1
    gigabytes = batch.event_bytes * _MILLION / _GIGABYTE
    sends = {"SQS": prices.of("sqs_fifo_request", queues * _MILLION)} if sends_billed else {}
    return sends | {
        "Lambda, requests": prices.of("lambda_request", batches),
        "Lambda, duration": prices.of("lambda_gb_second", batch.converter_seconds * MEMORY_GB * batches),
        "SNS": prices.of("sns_fifo_publish", math.ceil(batch.events / WAVE_SIZE) * batches)
        + prices.of("sns_fifo_publish_gb", gigabytes)
        + prices.of("sns_fifo_delivery", queues * _MILLION)
        + prices.of("sns_fifo_delivery_gb", queues * gigabytes),
        "logs of functions": _logs(batch.function_log_bytes / 2 * batches, prices),
    }


def pipes(batch: Batch, prices: Prices, requests_per_batch: int) -> Lines:
    """Return the same for a pipe from the stream to each queue.

    Not measured, and not possible beyond two queues, for a shard has two readers. AWS does not say
    whether it bills the events or the batch in pieces of 64 KB, hence `requests_per_batch`.
    """
    batches, queues = _MILLION / batch.events, CLIENTS + 1
    sends = math.ceil(batch.events / WAVE_SIZE) * _requests_per_call(batch)
    return {
        "Pipes": prices.of("pipes_request", requests_per_batch * queues * batches),
        "SQS": prices.of("sqs_fifo_request", sends * queues * batches),
    }


def main() -> int:
    """Print the prices, and what a million events cost: in full batches, and one by one."""
    results, prices = load(), load_prices()
    prices.print()
    print(f"\nMeasured {results['date']} on {results['machine']}; durations are those of the local engine.")
    for events, kind in ((BATCH, f"in batches of {BATCH}, a busy stream"), (1, "one to a batch, a quiet stream")):
        batch = batch_of(results, events)
        with_data = _logs(batch.execution_log_bytes_with_data * _MILLION / events, prices, "logs_infrequent_gb")
        _print(
            f"USD per million events of {batch.event_bytes} bytes, {CLIENTS} clients, {kind}", batch, results, prices
        )
        print(f"  With LogExecutionData=true the logs of executions are {with_data:,.2f} instead;")
        print("  with ExecutionLogClass=STANDARD they cost twice as much; with ExecutionLogLevel=ERROR executions that")
        print("  succeed log nothing.")
    print(
        "\n  SNS FIFO and Pipes are reckoned, not measured, and lack what has no price: contract, parking, order after"
        "\n  failures. A shard has two readers, so two pipes at most. Durations are single ones of the local engine."
        "\n  Per month, whatever the events: a dozen custom metrics and the alarms, some dollars."
    )
    show_windows(batch_of(results, 1), batch_of(results, 100), prices)
    history.show(prices)
    return 0


def show_windows(one: Batch, full: Batch, prices: Prices) -> None:
    """Print what batching windows give: how many events a batch has, and what they cost, at some rates of a shard."""
    rows = []
    for rate in RATES:
        for window in WINDOWS:
            events = events_together(rate, window)
            dollars = sum(this_design(of_size(events, one, full), prices).values())
            month = dollars * rate * _SECONDS_OF_A_MONTH / _MILLION
            rows.append((f"{rate:g}", window, f"{events:.1f}", f"{dollars:.2f}", f"{month:.2f}"))
    table(
        f"What MaximumBatchingWindowInSeconds gives, {CLIENTS} clients, with all logs",
        ("events / s of a shard", "window, s", "events of a batch", "USD per million", "USD a month"),
        rows,
        "An event comes later by the window, at most. The first event that comes opens it; without one, Lambda polls",
        "four times a second. Between a batch of one event and of a hundred the figures are drawn out straight.",
    )


def events_together(rate: float, window: float) -> float:
    """Return how many events an invocation gets: the first, and what comes in the window, or between two polls."""
    return 1 + rate * max(window, _POLL_SECONDS)


def of_size(events: float, one: Batch, full: Batch) -> Batch:
    """Return a batch of so many events, between one of a single event and a full one; of more events, the full one."""
    if events >= full.events:
        return full
    waves = math.ceil(events / WAVE_SIZE)
    by_waves = (waves - 1) / (math.ceil(full.events / WAVE_SIZE) - 1)
    by_events = (events - 1) / (full.events - 1)

    def between(name: str, share: float) -> Any:
        first, last = getattr(one, name), getattr(full, name)
        return first + (last - first) * share

    return Batch(
        events,
        full.event_bytes,
        waves * (CLIENTS + 1),
        one.reads,
        between("converter_seconds", by_events),
        between("validator_seconds", by_events),
        between("execution_seconds", by_waves),
        between("bytes_through_states", by_events),
        between("function_log_bytes", by_events),
        between("execution_log_bytes", by_waves),
        between("execution_log_bytes_with_data", by_events),
    )


def batch_of(results: Mapping[str, Any], events: int) -> Batch:
    """Return what a batch of so many events, each of a mark of its own, took in that run."""
    counted = _only(results["calls"], events=events, marks=events, clients=CLIENTS)
    grown = _only(results["growth"], varied="batch", events=events)
    logged = results["logs"][str(events)]
    return Batch(
        events,
        grown["event_bytes"],
        counted["queue_calls"],
        counted["by_call"]["dynamodb:Query"],
        grown["converter_seconds"],
        grown["validator_seconds"],
        grown["seconds"],
        grown["bytes_through_states"],
        logged["functions"],
        logged["execution"],
        logged["execution_with_data"],
    )


def _print(title: str, batch: Batch, results: Mapping[str, Any], prices: Prices) -> None:
    measured = results["end_to_end"]["original_logging"]
    seconds = sum(one["median"] for one in measured["function_seconds"])
    sends = sum(number for call, number in measured["by_call"].items() if call.startswith("sqs:")) / measured["events"]
    chunks = math.ceil(batch.events * batch.event_bytes / _CHUNK)
    columns = {
        "this design": this_design(batch, prices),
        "original": original(seconds, sends, measured["log_bytes_per_event"], prices),
        "SNS FIFO": sns_fifo(batch, prices, sends_billed=False),
        "SNS, sends billed": sns_fifo(batch, prices, sends_billed=True),
        "Pipes, by event": pipes(batch, prices, math.ceil(batch.events)),
        "Pipes, by 64 KB": pipes(batch, prices, chunks),
    }
    names = list(dict.fromkeys(name for lines in columns.values() for name in lines))
    names.sort(key=lambda name: name.startswith("logs"))
    rows = [(name, *(f"{lines[name]:.3f}" if name in lines else "" for lines in columns.values())) for name in names]
    without = {
        name: sum(usd for line, usd in lines.items() if not line.startswith("logs")) for name, lines in columns.items()
    }
    rows.insert(
        next(place for place, name in enumerate(names) if name.startswith("logs")),
        ("without logs", *(f"{usd:.2f}" for usd in without.values())),
    )
    rows.append(("with logs", *(f"{sum(lines.values()):.2f}" for lines in columns.values())))
    table(title, ("", *columns), rows, *_aims(batch, without["this design"], sum(columns["this design"].values())))


def _aims(batch: Batch, without: float, total: float) -> list[str]:
    """Return what was aimed at, for a batch for which anything was."""
    if batch.events != BATCH:
        return []
    judged = (("without logs", without, _MOST_WITHOUT_LOGS), ("with logs", total, _MOST_WITH_LOGS))
    return [
        f"aim, {name}: ≤ {most:.2f}, reckoned {usd:.3f}{'' if usd <= most else ', MISSED'}"
        for name, usd, most in judged
    ]


def _requests_per_call(batch: Batch) -> int:
    """Return as how many requests SQS bills the call that carries a wave."""
    return math.ceil(min(batch.events, WAVE_SIZE) * batch.event_bytes / _CHUNK)


def _logs(size: float, prices: Prices, of_class: str = "logs_gb") -> float:
    return prices.of(of_class, size / _GIGABYTE)


def _only(found: list[dict[str, Any]], **wanted: object) -> dict[str, Any]:
    (one,) = [one for one in found if all(one[name] == value for name, value in wanted.items())]
    return one


if __name__ == "__main__":
    sys.exit(main())
