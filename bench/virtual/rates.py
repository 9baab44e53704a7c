"""What the design carries as on AWS, beside itself one batch at a time and beside the original pattern."""

from itertools import chain
from math import ceil
from typing import NamedTuple

from bench.virtual.invocation import Converter, Single, cost_of, single
from bench.virtual.original import Original, cost_of_the_original
from bench.virtual.shard import AtRandom, Backlog, Pattern, Shard, Source, Stream
from bench.work import Work

AS_DEPLOYED = Source()
RATES = (10, 100, 500, 1_000)
TRACKS = (8, 1)
"""How many executions an invocation has under way at once: what is deployed first, one last."""
SLOW_CALL_SECONDS = 0.5
OUTAGE_SECONDS = 600
OUTAGE_RATE = 500
_OFFERED_SECONDS = 60
_BACKLOG = 20_000
_A_DAY = 86_400


class Delay(NamedTuple):
    """Seconds from an event's write to its arrival in the last client's queue, at so many events a second."""

    rate: int
    p50: float
    p99: float
    falls_behind: bool
    """More come than are carried: the delay is only that of the first minute, and grows."""


class Carried(NamedTuple):
    """What one way to deliver carries."""

    name: str
    events_per_second: float
    delays: list[Delay]
    seconds_after_outage: float | None
    """How long after an outage the backlog is gone, while as many events as ever arrive; None: never."""


class AsOnAws(NamedTuple):
    """Everything for one length of a call."""

    call_seconds: float
    source: Source
    ways: list[Carried]
    singles: list[Single]


def measure(call_seconds: float, work: Work, source: Source = AS_DEPLOYED) -> AsOnAws:
    """Measure the design with each number of tracks, and the original pattern."""
    cost, stream = cost_of(call_seconds, work), Stream()
    ways = {
        **{
            f"this design, {tracks_of(tracks)}": Shard(Converter(cost, tracks), stream, source).deliver
            for tracks in TRACKS
        },
        "original pattern": Original(cost_of_the_original(call_seconds, work)).deliver,
    }
    slow = cost_of(SLOW_CALL_SECONDS, work)
    return AsOnAws(
        call_seconds,
        source,
        [carried(name, pattern) for name, pattern in ways.items()],
        [single(slow, tracks) for tracks in TRACKS],
    )


def tracks_of(number: int) -> str:
    """Return so many tracks in words."""
    return f"{number} track{'s' if number > 1 else ''}"


def carried(name: str, pattern: Pattern) -> Carried:
    """Measure one way to deliver."""
    *_, last = pattern(Backlog(_BACKLOG))
    events_per_second = _BACKLOG / max(last.delivered)
    delays = [_delay(pattern, rate, rate >= events_per_second) for rate in RATES]
    after_outage = _seconds_after_outage(pattern) if events_per_second > OUTAGE_RATE else None
    return Carried(name, events_per_second, delays, after_outage)


def _delay(pattern: Pattern, rate: int, falls_behind: bool) -> Delay:
    arrivals = AtRandom(rate, _OFFERED_SECONDS)
    delivered = chain.from_iterable(taken.delivered for taken in pattern(arrivals))
    delays = sorted(at - (arrivals.at(position) or 0) for position, at in enumerate(delivered))
    p50, p99 = (delays[ceil(share * len(delays)) - 1] for share in (0.5, 0.99))
    return Delay(rate, p50, p99, falls_behind)


def _seconds_after_outage(pattern: Pattern) -> float | None:
    """Return when for the first time less is left behind than goes at once; None if that takes more than a day."""
    arrivals = Backlog(OUTAGE_SECONDS * OUTAGE_RATE, OUTAGE_RATE)
    for taken in pattern(arrivals):
        if arrivals.by(taken.began) - taken.behind < len(taken.delivered):
            return max(taken.delivered)
        if taken.began > _A_DAY:
            break
    return None
