"""`make bench`: measures everything, prints the tables, and leaves build/bench.json and two plots.

With `--call` it only prints what a shard carries when every call takes that long.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bench import calls, cold_start, end_to_end, growth, logs, plots, report, work
from bench.results import FOLDER, RESULTS
from bench.rig import rig
from bench.virtual import rates

_LOG_BATCHES = ((calls.BATCH, 3), (1, 3))
_CALL_SECONDS = 0.02
_SHORTEST_CALL, _LONGEST_CALL = 0.005, 0.1


def call_seconds(text: str) -> float:
    """Return how long a call takes by a text like `20ms` or `0.02`.

    Raises:
        argparse.ArgumentTypeError: it is no time, or not between 5 and 100 ms.
    """
    try:
        seconds = float(text.removesuffix("ms")) / 1000 if text.endswith("ms") else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time like 20ms or 0.02 (seconds)") from None
    if not _SHORTEST_CALL <= seconds <= _LONGEST_CALL:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 5ms to 100ms")
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; nothing here fails for being slow."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.partition(":")[2])
    parser.add_argument(
        "--call", type=call_seconds, metavar="TIME", help="only as on AWS, with calls of 5ms to 100ms; writes nothing"
    )
    asked = parser.parse_args(arguments)
    if asked.call:
        report.as_on_aws(rates.measure(asked.call, work.measure()))
    else:
        everything()
    return 0


def everything() -> None:
    """Measure everything, print it and write it down."""
    started = time.monotonic()
    results: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    }
    worked = work.measure()
    results["work"] = report.work(worked)
    results["as_on_aws"] = report.as_on_aws(rates.measure(_CALL_SECONDS, worked))
    results["cold_start"] = report.cold_start(cold_start.measure())
    print("\nDeploying the real template onto the local engine …", flush=True)
    with rig() as stack:
        design = end_to_end.of_this_design(stack)  # first: the engine slows as queues fill; the original has its own
        results["calls"] = report.calls(list(calls.count(stack)))
        results["growth"] = report.growth(list(growth.measure(stack)))
        results["logs"] = report.logs({f"{n}": logs.measure(stack, n, clients) for n, clients in _LOG_BATCHES})
        originals = end_to_end.of_the_original(stack)
    results["end_to_end"] = report.end_to_end(design, originals)
    results["targets"] = report.targets(results)

    FOLDER.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    drawn = plots.draw(results)
    print(f"\n{RESULTS.relative_to(FOLDER.parent)}, {', '.join(drawn)}; {time.monotonic() - started:.0f} s in all.")


if __name__ == "__main__":
    sys.exit(main())
