"""The original pattern in virtual time: two functions one behind the other, each with one event at a time.

It is not run but reckoned, for nothing in it is side by side. Its first function sends a record to the fan-out queue:
one call. All messages there are of one group, so the second gets a message when the one before it has been
deleted: a receive, a send to each client and a delete, one call after another (bench/original).
"""

from collections.abc import Iterator

from bench.end_to_end import CLIENTS
from bench.virtual.invocation import Cost
from bench.virtual.shard import Arrivals, Taken, polled
from bench.work import Work, lambda_seconds


def cost_of_the_original(call_seconds: float, work: Work) -> Cost:
    """Return what takes time: the obvious way to convert, and in both functions what Lambda's runtime does."""
    runtime = lambda_seconds(work.converter_runtime)
    return Cost(call_seconds, lambda_seconds(work.obvious_converter) + runtime, runtime)


class Original:
    """The pattern; the second entry of its cost's CPU is that of its second function."""

    def __init__(self, cost: Cost) -> None:
        self._cost = cost

    def deliver(self, arrivals: Arrivals) -> Iterator[Taken]:
        """Deliver what arrives."""
        call, first_cpu, second_cpu = self._cost
        first_is_free = second_is_free = 0.0
        position = 0
        while (arrival := arrivals.at(position)) is not None:
            first_is_free = polled(first_is_free, arrival) + first_cpu + call
            began = max(first_is_free, second_is_free)
            delivered = began + call + second_cpu + CLIENTS * call
            second_is_free = delivered + call
            yield Taken(position, began, [delivered])
            position += 1
