"""How far the histories of a stack's clients are, and what they passed over, as the table knows it."""

from collections.abc import Iterator
from dataclasses import dataclass

from mark_event_queue.adapters.histories import HISTORY, passed_key, segments_key
from mark_event_queue.domain.history import COUNTS
from meq.stack import Stack
from meq.table import Table, Violation, violations_of


@dataclass(frozen=True)
class Progress:
    """How far a client's history is: pending, running, stopped, failed or done; what has been sent of it."""

    progress: str
    segments: int
    segments_done: int
    marks: int
    sent: int
    filtered: int
    passed_over: int
    left_to_gate: int


@dataclass(frozen=True)
class PassedOver:
    """An event of the past that history did not bring, by today's contract or the client's pin."""

    mark: str
    create_time: str
    event_id: str
    violations: list[Violation]


class Histories:
    """The histories of a stack's clients, as its table knows them."""

    def __init__(self, stack: Stack) -> None:
        self._table = Table(stack)

    def progress(self, client: str, wanted: str = "") -> Progress | None:
        """Return how far a client's history is, if it has one, or wants one."""
        state = self._table.get(HISTORY, client)
        if not state or (wanted and state["history"] != wanted):
            return Progress("pending", 0, 0, 0, 0, 0, 0, 0) if wanted else None
        segments = [one for one in self._table.query(segments_key(client)) if one["run"] == state["run"]]

        def total(name: str) -> int:
            return sum(int(one[name]) for one in segments)

        return Progress(
            state["progress"],
            int(state["segments"]),
            sum(bool(one["done"]) for one in segments),
            *map(total, COUNTS),
        )

    def passed(self, client: str) -> Iterator[PassedOver]:
        """Yield the events that a client's history passed over."""
        for item in self._table.query(passed_key(client)):
            yield PassedOver(item["mark"], item["create_time"], item["event_id"], violations_of(item))
