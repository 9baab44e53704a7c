"""The course of a history: what it would be, how it begins and how it ends."""

from collections.abc import Mapping
from typing import Any

from mark_event_queue.domain.history import COUNTS, Progress
from mark_event_queue.history.bringing import CLIENT_PAUSED, STOPPED
from mark_event_queue.history.ports import Stores

_BYTES_PER_READ_UNIT = 4_096  # DynamoDB Developer Guide, read consistency


def describe(request: Mapping[str, Any], stores: Stores) -> dict[str, Any]:
    """Return about how much a history would be, without beginning it; the table's numbers are up to six hours old."""
    events, size = stores.table.size()
    return {
        "client": request["client"],
        "events": events,
        "bytes": size,
        "readUnits": -(-size // _BYTES_PER_READ_UNIT),
        "secondsAtLeast": -(-events // request["eventsPerSecond"]),
    }


def begin(request: Mapping[str, Any], stores: Stores) -> dict[str, Any]:
    """Begin the run, or go on with it; from now on everything live is held for the client."""
    if request["goesOn"]:
        stores.histories.move(request["client"], request["run"], Progress.RUNNING)
    else:
        stores.histories.begin(request["client"], request["history"], request["run"], len(request["segments"]))
    return dict(request)


def conclude(request: Mapping[str, Any], stores: Stores) -> dict[str, Any]:
    """Return what the segments came to, `{outcome, …}`: `brought`, `refused` (try again), `stopped` or `failed`.

    With the last segment brought the history is done: from then on what is held may go, and live events with it.
    """
    of, results = request["request"], request["segments"]
    client, run = of["client"], of["run"]
    segments = stores.histories.segments(client, run)
    counts = [sum(each) for each in zip(*(one.counts for one in segments), strict=True)] or [0] * len(COUNTS)
    told = dict(zip(COUNTS, counts, strict=True))
    errors = sorted({one["stopped"] for one in results if one["stopped"]})
    patience = of["patience"] - 1
    if not errors and len(segments) == len(of["segments"]) and all(one.done for one in segments):
        outcome = "brought"
        stores.histories.move(client, run, Progress.DONE)
    elif STOPPED in errors:
        outcome = "stopped"
    elif patience <= 0:
        outcome, progress = ("stopped", Progress.STOPPED) if errors == [CLIENT_PAUSED] else ("failed", Progress.FAILED)
        stores.histories.move(client, run, progress)
    else:
        outcome = "refused"
    return {"outcome": outcome, "errors": errors, "request": dict(of) | {"patience": patience}, "counts": told}
