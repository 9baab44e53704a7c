"""A shard of the stream in virtual time: records that arrive, Lambda's poller, one invocation after another."""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, takewhile
from math import ceil
from random import Random
from typing import Any, NamedTuple, Protocol

from bench.events import records
from bench.virtual.invocation import Converter, Timed

POLL_SECONDS = 0.25  # Lambda polls a shard four times a second (Lambda Developer Guide, DynamoDB)
MARKS = 10_000
_DRAWN = 20_000
_PAYLOAD_BYTES = 6_000_000  # of an invocation at most (Lambda Developer Guide, quotas)


class Arrivals(Protocol):
    """When records are written, which is when the shard has them, in seconds from 0 on."""

    def at(self, position: int) -> float | None:
        """Return when the record at this position is there; None if there are no more."""

    def by(self, second: float) -> int:
        """Return how many there are by then."""


class Backlog:
    """Records that are there from the beginning, and behind them others at even distances if there is a rate."""

    def __init__(self, size: int, rate: float = 0) -> None:
        self._size, self._rate = size, rate

    def at(self, position: int) -> float | None:
        """Return when the record at this position is there; None if there are no more."""
        if position < self._size:
            return 0.0
        return (position - self._size + 1) / self._rate if self._rate else None

    def by(self, second: float) -> int:
        """Return how many there are by then."""
        # The sum is rounded, and a record has to be there at its own moment.
        return self._size + int(second * self._rate + 1e-9)


class AtRandom:
    """Records at random moments (Poisson), so many a second for so many seconds; the same in every run."""

    def __init__(self, rate: float, seconds: float) -> None:
        chance = Random(rate)  # noqa: S311 (nothing is secret)
        distances = iter(lambda: chance.expovariate(rate), None)
        self._moments = [*takewhile(lambda moment: moment < seconds, accumulate(distances))]

    def at(self, position: int) -> float | None:
        """Return when the record at this position is there; None if there are no more."""
        return self._moments[position] if position < len(self._moments) else None

    def by(self, second: float) -> int:
        """Return how many there are by then."""
        return bisect_right(self._moments, second)


class Taken(NamedTuple):
    """Records that were taken together: since when they are under way, and when the last client had each."""

    first: int
    began: float
    delivered: Sequence[float]

    @property
    def behind(self) -> int:
        """The position of the record behind them."""
        return self.first + len(self.delivered)


Pattern = Callable[[Arrivals], Iterator[Taken]]
"""A way to deliver what arrives, in order."""


class Source(NamedTuple):
    """How Lambda reads the stream: what the template says of it."""

    batch_size: int = 1_000
    window_seconds: float = 1.0


class Stream:
    """Records of about a kilobyte, each of a mark drawn from many.

    The draws repeat, so that what has been worked out of some holds for others, which long backlogs need.
    """

    def __init__(self) -> None:
        chance = Random(1)  # noqa: S311 (nothing is secret)
        self._of_mark = records(MARKS, MARKS)
        self._drawn = chance.choices(self._of_mark, k=_DRAWN)
        self.record_bytes = max(len(json.dumps(record)) for record in self._of_mark)

    def place(self, position: int) -> int:
        """Return the first position from which on the records are of the same marks as from this one on."""
        return position % _DRAWN

    def records(self, first: int, number: int) -> list[Mapping[str, Any]]:
        """Return so many records from a position on."""
        return [_renumbered(self._drawn[self.place(position)], position) for position in range(first, first + number)]


def _renumbered(record: Mapping[str, Any], position: int) -> Mapping[str, Any]:
    change = record["dynamodb"]
    image = change["NewImage"] | {"eventId": {"S": f"00000000-0000-4000-8000-{position:012}"}}
    number = str(111_111_111_111_111_111_111 + position)
    return {**record, "dynamodb": {**change, "NewImage": image, "SequenceNumber": number}}


class Shard:
    """A shard whose records go to the converter, as many at once as there are and an invocation may get.

    Lambda polls again as soon as an invocation has ended. When it finds a record it goes on polling until the window
    has passed or the batch is full, and then starts the invocation; there is one at a time.
    """

    def __init__(self, converter: Converter, stream: Stream, source: Source) -> None:
        self._converter, self._stream, self._source = converter, stream, source
        self._most = min(source.batch_size, _PAYLOAD_BYTES // stream.record_bytes)
        self._known: dict[tuple[int, int], Timed] = {}

    def deliver(self, arrivals: Arrivals) -> Iterator[Taken]:
        """Deliver what arrives."""
        now, first = 0.0, 0
        while (arrival := arrivals.at(first)) is not None:
            now = polled(now, arrival)
            end_of_window = now + self._source.window_seconds
            while (number := arrivals.by(now) - first) < self._most and now < end_of_window:
                now = min(now + POLL_SECONDS, end_of_window)
            seconds, delivered = self._invoke(first, min(number, self._most))
            yield Taken(first, now, [now + each for each in delivered])
            now, first = now + seconds, first + len(delivered)

    def _invoke(self, first: int, number: int) -> Timed:
        like = self._stream.place(first), number
        if like not in self._known:
            self._known[like] = self._converter.invoke(self._stream.records(first, number))
        return self._known[like]


def polled(now: float, arrival: float) -> float:
    """Return when a poller that polls now, and then regularly, finds a record."""
    polls = max(0, ceil((arrival - now) / POLL_SECONDS))
    return max(arrival, now + polls * POLL_SECONDS)
