"""The tables that `make bench` prints; each function prints one and returns what of it goes into build/bench.json."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.calls import BATCH, MANY, Counted, of_the_original
from bench.cold_start import ColdStarts, has_runtime
from bench.end_to_end import CLIENTS, Delivery, Originals
from bench.growth import Point
from bench.logs import LogBytes
from bench.virtual.rates import OUTAGE_RATE, OUTAGE_SECONDS, AsOnAws, Carried, Delay, tracks_of
from bench.work import Work

Row = Sequence[object]


def table(title: str, head: Row, rows: Sequence[Row], *notes: str) -> None:
    """Print a table, its first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    print(f"\n{title}")
    for row in cells:
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        print("  " + "   ".join([first.strip().ljust(widths[0]), *others]))
    for note in notes:
        print(f"  {note}")


def work(measured: Work) -> dict[str, Any]:
    """Print the work per event."""
    table(
        f"Work per event: µs of CPU, events of {measured.event_bytes} bytes, no AWS",
        ("", "converter", "validator", "both", "× floor"),
        [
            _work_row("this design", measured.converter, measured.validator, measured.floor),
            _work_row("the obvious way", measured.obvious_converter, measured.obvious_validator, measured.floor),
            ("floor: json.loads and json.dumps once", "", "", f"{measured.floor:.0f}", "1.0"),
        ],
        "the obvious way: boto3's TypeDeserializer, json, jsonschema with its validators made once",
        f"The obvious way takes {measured.obvious / measured.total:.1f} times as much.",
        f"Lambda's runtime reads and prints around either, whatever is in them: {measured.runtime:.0f} µs more.",
    )
    return measured._asdict() | {
        "runtime": measured.runtime,
        "total": measured.total,
        "ratio_to_floor": measured.total / measured.floor,
        "obvious_to_this": measured.obvious / measured.total,
    }


def cold_start(starts: ColdStarts) -> dict[str, Any]:
    """Print the cold starts."""
    measured = starts.functions
    imported, *services = starts.boto3.items()
    table(
        "Cold start: ms of CPU of a fresh interpreter, the package as sam build leaves it",
        ("function", "boto3 clients", "floor", "measured", "ratio"),
        [
            (one.function, ", ".join(one.clients) or "none", f"{one.floor:.0f}", f"{one.measured:.0f}", _two(one.ratio))
            for one in measured
        ],
        f"floor: an empty handler with the same clients, both {'behind' if has_runtime() else 'without'} what Lambda's"
        " runtime loads itself (awslambdaric)",
        "the validator's floor: an empty handler that imports jsonschema_rs and the Logger of aws_lambda_powertools",
        f"boto3: its import {imported[1]:.0f} ms, a first client "
        + ", ".join(f"{ms:.0f} ({service})" for service, ms in services),
        f"package of each: {_mebibytes(measured[0].package_bytes)}, {_mebibytes(measured[0].zipped_bytes)} zipped",
    )
    functions = [one._asdict() | {"ratio": one.ratio} for one in measured]
    return {"functions": functions, "boto3": starts.boto3}


def calls(counted: Sequence[Counted]) -> list[dict[str, Any]]:
    """Print the calls per batch and per event."""
    table(
        "Calls, counted on the deployed stack, one invocation each",
        ("events", "marks", "clients", "SQS", "all", "floor", "all / floor", "all / event", "original", "chain"),
        [
            (one.events, one.marks, one.clients, one.calls.queue_calls, one.calls.total, one.floor, _two(one.ratio),
             _two(one.calls.total / one.events), of_the_original(1, one.clients), one.chain)
            for one in counted
        ],
        "all: calls of SQS, per batch its execution's start and the validator, once a read of whom anything is held.",
        "floor: ceil(events / 10) × (clients + 1) calls of SQS. original: calls per event of that pattern,",
        "reckoned, and counted for 3 clients (end to end).",
        "chain: the most calls of the execution that wait for one another, read from its history.",
    )  # fmt: skip
    return [
        {"events": one.events, "marks": one.marks, "clients": one.clients, "by_call": dict(one.calls.by_call),
         "queue_calls": one.calls.queue_calls, "calls": one.calls.total, "invocations": one.calls.invocations,
         "floor": one.floor, "ratio": one.ratio, "chain": one.chain,
         "seconds": one.seconds}
        for one in counted
    ]  # fmt: skip


def growth(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Print how things grow."""
    table(
        "Growth: one invocation of the converter each, every event of a mark of its own",
        ("varied", "events", "clients", "event KB", "executions", "calls", "per event", "seconds", "KB", "largest"),
        [
            (one.varied, one.events, one.clients, f"{one.event_bytes / 1024:g}", one.executions, one.calls,
             _two(one.calls / one.events), _two(one.seconds), one.bytes_through_states // 1024,
             one.largest_state // 1024)
            for one in points
        ],
        "seconds: of the executions, on the local engine, where every call costs CPU of one process. KB: what enters",
        "and leaves every state, inside Maps too; largest: of one of them, at most 256 on AWS.",
    )  # fmt: skip
    return [one._asdict() for one in points]


def logs(measured: Mapping[str, LogBytes]) -> dict[str, Any]:
    """Print the bytes of logs."""
    table(
        "Bytes of logs per batch, 3 clients",
        ("events", "functions", "execution, without data", "execution, with data", "events of its log"),
        [(events, *one) for events, one in measured.items()],
        "functions: as written on the engine. execution: reckoned from the states gone through, inside Maps too.",
    )
    return {events: one._asdict() for events, one in measured.items()}


def end_to_end(design: Delivery, originals: Originals) -> dict[str, Any]:
    """Print the rates from table to last client queue.

    Raises:
        RuntimeError: the original pattern made other calls than those reckoned with.
    """
    for one in originals:
        if one.calls.total != of_the_original(one.events, CLIENTS):
            raise RuntimeError(f"the original pattern made {one.calls.total} calls for {one.events} events")
    rows = {
        "this design": design,
        "original pattern, its functions log nothing": originals.silent,
        "original pattern, a line logged per invocation": originals.logging,
    }
    table(
        f"End to end on the local engine: from the table to the last of {CLIENTS} client queues",
        ("", "events", "seconds", "events / s", "calls / event", "this design is faster by"),
        [
            (
                name,
                one.events,
                f"{one.seconds:.1f}",
                f"{one.events_per_second:.1f}",
                _two(one.calls.total / one.events),
                "" if one is design else f"{design.events_per_second / one.events_per_second:.1f}",
            )
            for name, one in rows.items()
        ],
        "The engine waits 50 ms for the log of a function that writes none; AWS does not. The last row is the fair.",
    )
    return {
        name: {
            "events": one.events,
            "seconds": one.seconds,
            "events_per_second": one.events_per_second,
            "calls_per_event": one.calls.total / one.events,
            "log_bytes_per_event": one.log_bytes / one.events,
            "by_call": dict(one.calls.by_call),
            "function_seconds": [
                {"function": function, "median": statistics.median(seconds), "invocations": len(seconds)}
                for function, seconds in sorted(one.calls.seconds_by_function.items())
            ],
        }
        for name, one in zip(("design", "original_silent", "original_logging"), rows.values(), strict=True)
    }


def as_on_aws(measured: AsOnAws) -> dict[str, Any]:
    """Print what a shard carries when a call takes a set time."""
    source, rates = measured.source, [delay.rate for delay in measured.ways[0].delays]
    table(
        f"As on AWS, on a virtual clock: every call takes {measured.call_seconds * 1000:g} ms; {CLIENTS} clients,"
        f" a shard's batches of at most {source.batch_size:,} records, window {source.window_seconds:g} s",
        ("", "events / s", *(f"at {rate:,} / s" for rate in rates), "gone after"),
        [
            (way.name, f"{way.events_per_second:,.0f}", *map(_delay, way.delays), _gone_after(way))
            for way in measured.ways
        ],
        "The real converter and the real definition run in this process, and a clock says what calls, waits and the",
        "functions' CPU would take; the original pattern is reckoned, for each of its calls waits for the one before.",
        "events / s: of a shard's backlog, until the last client has it. at n / s: a minute's events at random,",
        "seconds from the write to the last client's queue, p50 / p99. gone after: the backlog of"
        f" {OUTAGE_SECONDS // 60} minutes at {OUTAGE_RATE} / s,",
        "while as many keep arriving.",
        *_singles(measured),
    )
    return {
        "call_seconds": measured.call_seconds,
        **source._asdict(),
        "ways": [way._asdict() | {"delays": [delay._asdict() for delay in way.delays]} for way in measured.ways],
        "singles": [one._asdict() for one in measured.singles],
    }


def _delay(delay: Delay) -> str:
    return "falls behind" if delay.falls_behind else f"{_two(delay.p50)} / {_two(delay.p99)}"


def _gone_after(way: Carried) -> str:
    return "never" if way.seconds_after_outage is None else f"{way.seconds_after_outage:,.0f} s"


def _singles(measured: AsOnAws) -> list[str]:
    one = measured.singles[0]
    given = f"{one.events} events of {one.marks} marks, every call {one.call_seconds * 1000:g} ms"
    lasted = ", ".join(f"{single.seconds:.1f} s with {tracks_of(single.tracks)}" for single in measured.singles)
    is_sound = all(single.is_complete and single.is_in_order for single in measured.singles)
    return [
        f"An invocation of {given}: {lasted};",
        f"every queue has every event, in order: {'yes' if is_sound else 'NO'}.",
    ]


def targets(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Print what was aimed at, what came out, and by how much it is missed."""
    of_100_marks = [one for one in results["calls"] if one["marks"] == BATCH]
    (of_1000_marks,) = [one for one in results["calls"] if (one["marks"], one["clients"]) == (MANY, CLIENTS)]
    functions = results["cold_start"]["functions"]
    single = [one for one in results["calls"] if one["events"] == 1]
    rates = {name: one["events_per_second"] for name, one in results["end_to_end"].items()}
    on_aws = results["as_on_aws"]
    design, *_, original = on_aws["ways"]
    lasted = [one["seconds"] for one in on_aws["singles"]]
    p99 = next(delay["p99"] for delay in design["delays"] if delay["rate"] == OUTAGE_RATE)
    judged = [
        *((f"calls / floor, 100 marks, {one['clients']} clients", one["ratio"], 1.1, True) for one in of_100_marks),
        (f"calls / floor, {MANY} marks, {CLIENTS} clients", of_1000_marks["ratio"], 1.05, True),
        ("work / floor", results["work"]["ratio_to_floor"], 2, True),
        ("work of the obvious way / work", results["work"]["obvious_to_this"], 15, False),
        *((f"cold start / floor, {one['function']}", one["ratio"], 1.2, True) for one in functions),
        ("end to end / original, silent", rates["design"] / rates["original_silent"], 25, False),
        ("end to end / original, logging", rates["design"] / rates["original_logging"], 25, False),
        *(
            (f"chain of 100 marks - chain of 1 event, {one['clients']} clients", one["chain"] - other["chain"], 0, True)
            for one, other in zip(of_100_marks, single, strict=True)
        ),
        ("as on AWS: events / s of a shard", design["events_per_second"], 2_000, False),
        ("as on AWS: shard / original", design["events_per_second"] / original["events_per_second"], 50, False),
        ("as on AWS: one invocation, with 1 track / as deployed", lasted[-1] / lasted[0], 4, False),
        (f"as on AWS: p99 delay at {OUTAGE_RATE} / s, s", p99, 1 + on_aws["window_seconds"], True),
    ]
    rows = [
        {"target": name, "measured": value, "limit": limit, "met": value <= limit if at_most else value >= limit,
         "sign": "≤" if at_most else "≥"}
        for name, value, limit, at_most in judged
    ]  # fmt: skip
    table(
        "Targets",
        ("", "aim", "measured", ""),
        [
            (row["target"], f"{row['sign']} {row['limit']}", f"{row['measured']:.2f}", "" if row["met"] else "MISSED")
            for row in rows
        ],
    )
    return rows


def _work_row(name: str, converter: float, validator: float, floor: float) -> Row:
    both = converter + validator
    return name, f"{converter:.0f}", f"{validator:.0f}", f"{both:.0f}", f"{both / floor:.1f}"


def _two(value: float) -> str:
    return f"{value:.2f}"


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
