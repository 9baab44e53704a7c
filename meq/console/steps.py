"""The steps that an execution went through, as the events tell that Step Functions notes of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from meq.executions import RUNNING, SUCCEEDED


@dataclass(frozen=True)
class Event:
    """Something that happened in an execution; the name is that of a state, where it is about one."""

    number: int
    previous: int
    kind: str
    at: datetime
    name: str = ""
    error: str = ""
    arn: str = ""
    """Of which execution, where that is told with it."""


@dataclass
class Visit:
    """A stay of an execution in a state."""

    name: str
    entered: datetime
    is_task: bool = True
    exited: datetime | None = None
    errors: list[str] = field(default_factory=list)
    succeeded: bool = False
    """Whether its last try went well, where a Task may have several."""


@dataclass(frozen=True)
class Step:
    """A state of the path: how often it was come by, for how long, and what went wrong in it."""

    name: str
    visits: int
    entered: datetime
    seconds: float
    failed: bool
    caught: int
    tried_again: int
    under_way: bool
    errors: list[str]

    @property
    def mark(self) -> str:
        """What the state is marked as: failed, caught, retried, running or passed."""
        marks = {"failed": self.failed, "running": self.under_way, "caught": self.caught, "retried": self.tried_again}
        return next((mark for mark, holds in marks.items() if holds), "passed")


def steps_of(events: Iterable[Event], status: str) -> tuple[list[Step], set[tuple[str, str]]]:
    """Return the steps that the events of an execution tell of, and from which to which it went.

    An event belongs to the visit that the chain of what it followed leads to: iterations of a Map run side by side.
    """
    chains: dict[int, list[Visit]] = {}
    left: dict[int, str] = {}
    by_name: dict[str, list[Visit]] = {}
    ways = set()
    for event in sorted(events, key=lambda one: one.number):
        chain = chains.get(event.previous, [])
        if event.kind.endswith("StateEntered"):
            visit = Visit(event.name, event.at, event.kind.startswith("Task"))
            by_name.setdefault(event.name, []).append(visit)
            chain = [*chain, visit]
            if event.previous in left:
                ways.add((left[event.previous], event.name))
        elif event.kind.endswith("StateExited"):
            left[event.number] = event.name
            chain = _leave(chain, event)
        elif chain:
            _note(chain[-1], event)
        chains[event.number] = chain
    return [_step(name, visits, status) for name, visits in by_name.items()], ways


def _leave(chain: list[Visit], event: Event) -> list[Visit]:
    """End the visit of the state that is left; return what it was within."""
    for place in reversed(range(len(chain))):
        if chain[place].name == event.name:
            chain[place].exited = event.at
            return chain[:place]
    return chain


def _note(visit: Visit, event: Event) -> None:
    """Note what became of a try of a Task."""
    if not event.kind.startswith(("Task", "LambdaFunction")):
        return
    if event.error:
        visit.errors.append(event.error)
        visit.succeeded = False
    elif event.kind.endswith("Succeeded"):
        visit.succeeded = visit.is_task


def _step(name: str, visits: list[Visit], status: str) -> Step:
    stays = [(one.exited - one.entered).total_seconds() for one in visits if one.exited]
    is_left_open = len(stays) < len(visits)
    return Step(
        name,
        len(visits),
        visits[0].entered,
        sum(stays),
        is_left_open and status not in (RUNNING, SUCCEEDED),
        sum(bool(one.errors) and not one.succeeded for one in visits),
        sum(bool(one.errors) and one.succeeded for one in visits),
        is_left_open and status == RUNNING,
        sorted({error for one in visits for error in one.errors}),
    )
