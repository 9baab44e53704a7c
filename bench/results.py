"""What a run of the benchmark has left behind, for the models that reckon with it."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "build"
RESULTS = FOLDER / "bench.json"


def load() -> dict[str, Any]:
    """Return the results of the latest run.

    Raises:
        FileNotFoundError: there was none; `make bench` is the way to have one.
    """
    if not RESULTS.exists():
        raise FileNotFoundError(f"{RESULTS} is not there: run make bench")
    results: dict[str, Any] = json.loads(RESULTS.read_text("utf-8"))
    return results
