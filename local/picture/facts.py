"""What the picture shows, as plain facts: marks, ids, types, times and reasons, no contents of events."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from local.guarantees import Verdict
from local.picture.paths import Path
from mark_event_queue.domain.held import GATE, HISTORY, PAUSED, QUARANTINED

FOREIGN = "foreign"
"""Instead of a mark: of a message that the demo did not write; and the way in which it came."""

_MOST_LISTED = 2
_OF_THE_CLIENT = (HISTORY, PAUSED)
_IN_WORDS = {HISTORY: "history under way", QUARANTINED: "breaks the contract", "": "held"}


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


class Rule(NamedTuple):
    """A rule of the contract, and where an event breaks it."""

    path: str
    rule: str

    def __str__(self) -> str:
        name = self.path.rpartition("/")[-1]
        return f"{name}: {self.rule}" if name else self.rule


@dataclass(frozen=True)
class Wait:
    """For whom an event was held, from when until when, and why; `rules` are those of the contract that it breaks."""

    recipient: str
    event_id: str
    since: int
    until: int | None
    reason: str
    error: str = ""
    rules: Sequence[Rule] = ()
    behind: int = 0
    """The number of the event of the mark that it was held behind; 0 if it was held for itself."""

    @property
    def lines(self) -> list[str]:
        """The reason, in a few words: what is at the bottom of it, then what came of that."""
        if self.reason == QUARANTINED:
            return [*map(str, self.rules), _IN_WORDS[QUARANTINED]]
        error = self.error.rpartition(".")[-1]
        return [*([error] if error else []), _IN_WORDS.get(self.reason, self.reason)]

    @property
    def why(self) -> str:
        """The reason, in words."""
        named = _IN_WORDS.get(self.reason, self.reason)
        if self.reason == QUARANTINED:
            places = [f"{rule} ({rule.path})" if rule.path else str(rule) for rule in self.rules]
            is_known = self.behind or places
            because = ", ".join([*places, named if is_known else f"its mark has an event that {named}"])
        else:
            because = f"{named}: {self.error}" if self.error else named
        # What concerns all of a client's events is no matter of the one before.
        follows = self.behind and self.reason not in _OF_THE_CLIENT
        return f"behind event {self.behind}, {'which ' * (self.recipient == GATE)}{because}" if follows else because

    @property
    def where_and_why(self) -> str:
        """The reason, in words, and that it was at the gate, if it was."""
        return f"at the gate: {self.why}" if self.recipient == GATE else self.why


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
    event_ids: Sequence[str]
    path: Path


class Act(NamedTuple):
    """From when until when the execution of a release, a redrive or a history ran."""

    began: int
    ended: int


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
    acts: Mapping[str, Act] = field(default_factory=dict)
    widened: int = 0
    """Since when more than one major version of the contract judges."""
    shown: Sequence[Verdict] = ()
    """Of each step of the story whether what it says was seen."""
    failure: str = ""
    """Why the story was not told to its end, if it was not."""

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

    def event(self, event_id: str) -> Event:
        """Return an event; a foreign one, without a number, if the demo did not write it."""
        found = (one for one in self.events if one.event_id == event_id)
        return next(found, Event(0, event_id, FOREIGN, "nothing that the demo wrote", self.start))

    def together(self, waits: Iterable[Wait]) -> dict[tuple[str, str], list[Wait]]:
        """Return waits by recipient and reason in words."""
        found: dict[tuple[str, str], list[Wait]] = {}
        for wait in waits:
            found.setdefault((wait.recipient, wait.why), []).append(wait)
        return found

    def numbers(self, waits: Iterable[Wait]) -> str:
        """Return which events waited, by their numbers: `8, 10-14`."""
        numbers = sorted({self.event(wait.event_id).number for wait in waits})
        spans = [list(span) for _, span in groupby(numbers, lambda number: number - numbers.index(number))]
        parts = [[f"{span[0]}-{span[-1]}"] if len(span) > _MOST_LISTED else map(str, span) for span in spans]
        return ", ".join(part for several in parts for part in several)

    def carried(self, run: Run) -> str:
        """Return which events an execution carried, with their marks."""
        events = [self.event(event_id) for event_id in run.event_ids]
        return ", ".join(f"{event.number} ({event.mark})" for event in events)

    def waited(self, run: Run) -> list[Wait]:
        """Return for whom the events of an execution waited behind it, and why."""
        return [wait for event_id in run.event_ids for wait in self._waits_behind(run, event_id)]

    def which(self, run: Run, waits: Sequence[Wait]) -> str:
        """Return which events of an execution these waits are of, and nothing where it is all of them."""
        return "" if len(waits) == len(run.event_ids) else f"{self.numbers(waits)} "

    def _waits_behind(self, run: Run, event_id: str) -> list[Wait]:
        """Return for whom an event waited after an execution; what the gate holds goes on by a release, to clients."""
        at_gate = None if run.released else self.wait_of(GATE, event_id)
        if at_gate:
            return [at_gate]
        return [wait for client in run.clients if (wait := self.wait_of(client, event_id))]

    def way(self, arrival: Arrival) -> str:
        """Return how an event came: as history, by a redrive, by a release, as it was written, or from elsewhere."""
        if not self.event(arrival.event_id).number:
            return FOREIGN
        if arrival.is_history:
            return "history"
        if self.wait_of(arrival.client, arrival.event_id):
            return "redriven"
        return "released" if self.wait_of(GATE, arrival.event_id) else "live"

    def waits_before(self, arrival: Arrival) -> list[Wait]:
        """Return what an event had to wait for before it came."""
        found = (self.wait_of(recipient, arrival.event_id) for recipient in (GATE, arrival.client))
        return [one for one in found if one]
