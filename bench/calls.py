"""Calls per event, counted on the deployed stack, and the longest chain of them that wait for one another."""

from collections.abc import Iterator
from typing import NamedTuple

from bench.chain import longest_chain
from bench.events import items
from bench.rig import Calls, Rig
from mark_event_queue.domain.rounds import WAVE_SIZE

BATCH = 100
MANY = 1_000  # an invocation of several batches
CLIENTS = (1, 3, 10)
MARKS = (100, 10, 1)


class Counted(NamedTuple):
    """The calls that one invocation took, and the longest chain of an execution of it."""

    events: int
    marks: int
    clients: int
    calls: Calls
    chain: int
    seconds: float

    @property
    def floor(self) -> int:
        """The fewest calls that bring the events to the fan-out queue and to each client, ten to a call."""
        return floor(self.events, self.clients)

    @property
    def ratio(self) -> float:
        """All calls to the floor."""
        return self.calls.total / self.floor


def floor(events: int, clients: int) -> int:
    """Return the fewest calls of SQS that bring so many events to the fan-out queue and to so many clients."""
    return -(-events // WAVE_SIZE) * (clients + 1)


def of_the_original(events: int, clients: int) -> int:
    """Return the calls of the original pattern: per event a send to each queue, a receive and a delete.

    For three clients that is counted, too, and has to be the same: report.end_to_end.
    """
    return events * (clients + 1 + 2)


def count(rig: Rig) -> Iterator[Counted]:
    """Send the events of one invocation of each make through the table, and count."""
    for clients in CLIENTS:
        rig.have_clients(clients)
        rig.deliver_at_once(items(1, 1))  # a cold start, and reading the registrations, which happens once a minute
        yield _counted(rig, 1, 1, clients)
        for marks in MARKS:
            yield _counted(rig, BATCH, marks, clients)
        yield _counted(rig, MANY, MANY, clients)


def _counted(rig: Rig, events: int, marks: int, clients: int) -> Counted:
    rig.take_calls()
    rig.take_histories()
    rig.deliver_at_once(items(events, marks))
    chain = max(map(longest_chain, rig.take_histories()))
    counted = rig.take_calls()
    return Counted(events, marks, clients, counted, chain, counted.seconds_of("Converter"))
