"""What the picture shows, as plain facts: marks, ids, types, times and reasons, no contents of events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.guarantees import Verdict
from local.picture.paths import Path
from mark_event_queue.domain.held import GATE


@dataclass(frozen=True)
class Event:
    """An event as it was written; its number says in which place. Times are in milliseconds, here and below."""

    number: int
    event_id: str
    mark: str
    name: str
    written: int


@dataclass(frozen=True)
class Arrival:
    """When a client's queue accepted an event, and whether it came as history."""

    client: str
    event_id: str
    at: int
    is_history: bool = False


@dataclass(frozen=True)
class Wait:
    """For whom an event was held, from when until when, and why; `rules` are those of the contract that it breaks."""

    recipient: str
    event_id: str
    since: int
    until: int | None
    reason: str
    error: str = ""
    rules: Sequence[str] = ()

    @property
    def why(self) -> str:
        """The reason, in words."""
        named = {
            "quarantined": "at the gate: its mark has an event that breaks the contract",
            "history": "history under way",
        }.get(self.reason, self.reason or "held")
        broken = f"at the gate: breaks the contract, {', '.join(self.rules)}" if self.rules else ""
        return broken or ": ".join(part for part in (named, self.error if self.recipient != GATE else "") if part)


@dataclass(frozen=True)
class Step:
    """A step of the story, and when it began."""

    at: int
    title: str
    text: str


@dataclass(frozen=True)
class Run:
    """An execution of the delivering machine, and the path that it took."""

    name: str
    status: str
    at: int
    took: int
    released: bool
    clients: Sequence[str]
    events: int
    path: Path


@dataclass(frozen=True)
class Facts:
    """All that the picture shows."""

    clients: Sequence[str]
    events: Sequence[Event]
    arrivals: Sequence[Arrival]
    waits: Sequence[Wait] = ()
    steps: Sequence[Step] = ()
    runs: Sequence[Run] = ()
    verdicts: Sequence[Verdict] = ()
    definition: Mapping[str, Any] = field(default_factory=lambda: {"StartAt": "", "States": {}})
    made: str = ""
    """When the picture was made, for people to read."""

    @property
    def start(self) -> int:
        """When it all began."""
        return min((*(step.at for step in self.steps), *(event.written for event in self.events)), default=0)

    @property
    def end(self) -> int:
        """When the last thing happened."""
        waited = (wait.until or wait.since for wait in self.waits)
        arrived, stepped = (one.at for one in self.arrivals), (step.at for step in self.steps)
        return max((self.start, *waited, *arrived, *stepped))

    def seconds(self, at: int) -> str:
        """Return how long after the beginning that was."""
        return f"{(at - self.start) / 1000:.1f} s"

    def wait_of(self, recipient: str, event_id: str) -> Wait | None:
        """Return how an event waited for a recipient, if it did."""
        found = (one for one in self.waits if (one.recipient, one.event_id) == (recipient, event_id))
        return next(found, None)

    def way(self, arrival: Arrival) -> str:
        """Return how an event came: as history, by a redrive, by a release, or as it was written."""
        if arrival.is_history:
            return "history"
        if self.wait_of(arrival.client, arrival.event_id):
            return "redriven"
        return "released" if self.wait_of(GATE, arrival.event_id) else "live"

    def waits_before(self, arrival: Arrival) -> list[Wait]:
        """Return what an event had to wait for before it came."""
        found = (self.wait_of(recipient, arrival.event_id) for recipient in (GATE, arrival.client))
        return [one for one in found if one]
