"""The path of an execution through its state machine, read from its history."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Visit:
    """A state that an execution entered, from which one, in which iteration of which Map, and the error it ended in."""

    name: str
    before: str = ""
    iterations: Sequence[tuple[str, int]] = ()
    """The Maps around it, the outer one first, each with the number of the iteration."""
    error: str = ""


@dataclass(frozen=True)
class Path:
    """The states that an execution entered, in the order in which it did."""

    visits: Sequence[Visit] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        """The states that it entered."""
        return {visit.name for visit in self.visits}

    @property
    def ways(self) -> set[tuple[str, str]]:
        """From which state to which it went; from a Map to the first state in it, too."""
        return {(visit.before, visit.name) for visit in self.visits if visit.before}

    @property
    def errors(self) -> dict[str, str]:
        """The errors of states, by their names."""
        return {visit.name: visit.error for visit in self.visits if visit.error}

    def outside(self) -> list[Visit]:
        """Return what it entered outside every Map."""
        return [visit for visit in self.visits if not visit.iterations]

    def inside(self, name: str) -> dict[int, list[Visit]]:
        """Return what it entered inside the Map of that name, by iteration."""
        found: dict[int, list[Visit]] = {}
        for visit in self.visits:
            if visit.iterations and visit.iterations[0][0] == name:
                found.setdefault(visit.iterations[0][1], []).append(visit)
        return found


def path_of(history: Sequence[Mapping[str, Any]]) -> Path:
    """Return the path that a history tells, by what each event followed (`previousEventId`)."""
    events = {event["id"]: event for event in history}
    entered: dict[int, Visit] = {}
    for event in history:
        if event["type"].endswith("StateEntered"):
            before = next((entered[one["id"]] for one in _earlier(event, events) if one["id"] in entered), None)
            name = event["stateEnteredEventDetails"]["name"]
            entered[event["id"]] = Visit(name, before.name if before else "", _iterations(event, events))
        elif event["type"] == "TaskFailed":
            failed = next((entered[one["id"]] for one in _earlier(event, events) if one["id"] in entered), None)
            if failed:
                failed.error = event["taskFailedEventDetails"]["error"]
    return Path(list(entered.values()))


def _earlier(event: Mapping[str, Any], events: Mapping[int, Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield what led to an event, the latest first."""
    earlier = events.get(event.get("previousEventId", 0))
    while earlier:
        yield earlier
        earlier = events.get(earlier.get("previousEventId", 0))


def _iterations(event: Mapping[str, Any], events: Mapping[int, Mapping[str, Any]]) -> list[tuple[str, int]]:
    """Return the iterations in which an event happened; what leaves a Map follows the entry into it."""
    begun = [one for one in _earlier(event, events) if one["type"] == "MapIterationStarted"]
    details = [one["mapIterationStartedEventDetails"] for one in begun]
    return [(one["name"], int(one["index"])) for one in details[::-1]]
