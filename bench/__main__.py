"""`make bench`: measures everything, prints the tables, and leaves build/bench.json and two plots."""

import json
import platform
import sys
import time
from datetime import UTC, datetime
from typing import Any

from bench import calls, cold_start, end_to_end, growth, logs, plots, report, work
from bench.results import FOLDER, RESULTS
from bench.rig import rig

_LOG_BATCHES = ((calls.BATCH, 3), (1, 3))


def main() -> int:
    """Measure, print and write; nothing here fails for being slow."""
    started = time.monotonic()
    results: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    }
    results["work"] = report.work(work.measure())
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
