"""What the console's pages show of a stack: counts that are asked for again and again, and what waits, page by page."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Generic, TypeVar

from mark_event_queue.adapters.clients import registrations as parameters
from mark_event_queue.domain.held import GATE
from mark_event_queue.domain.history import Progress
from meq.clients import Registration, registrations, with_histories
from meq.console import advice
from meq.console.queues import Ages, Depth, depths
from meq.console.words import duration
from meq.errors import KNOWN, NothingHeldError, explain
from meq.held import Held, HeldEvent, HeldEvents
from meq.obstacles import Obstacle, obstacles
from meq.stack import Stack
from meq.table import Item

PAGE = 50
"""How many rows a page of a list has."""

_T = TypeVar("_T")
_UNREAD_SECONDS = 900  # as of the alarms of unread queues


@dataclass(frozen=True)
class Page(Generic[_T]):
    """Some rows of a list, and whether there are more behind them."""

    rows: list[_T]
    number: int
    more: bool


@dataclass(frozen=True)
class Count:
    """A count as it is shown, and whether it asks for somebody's attention."""

    text: str
    attention: bool = False


@dataclass(frozen=True)
class State:
    """How a client is, in words, how grave that is (failed, paused, succeeded or neutral), and what to do about it."""

    text: str
    gravity: str
    todo: str = ""


@dataclass(frozen=True)
class Flow:
    """The way of the events, with how much is where at this moment."""

    at: datetime
    clients: list[Registration]
    gone: list[str]
    """Those who have unsubscribed, and for whom something is held still."""
    counts: dict[str, Count]
    """By place: gate, fan-out, undelivered; of a client its name behind queue:, oldest: and held:."""
    problems: dict[str, str]
    """Why a count is not known: by client, fan-out or undelivered."""
    states: dict[str, "State"]
    """How each client is."""


@dataclass(frozen=True)
class Client:
    """A client: its registration, its queue's depth and oldest message, and how much is held for it."""

    registration: Registration
    depth: Depth
    oldest_seconds: float | None
    held: int
    said: str
    """What its registration says, as JSON text."""

    @property
    def state(self) -> State:
        """How it is."""
        return _state(self.registration, self.depth, self.oldest_seconds, self.held)


@dataclass(frozen=True)
class Standings:
    """What is in the way of clients, and who of them has pinned a major version."""

    obstacles: dict[str, Obstacle]
    pinned: set[str]

    def todo(self, one: Held) -> str:
        """Return what to do about a held sequence."""
        return advice.about(one, self.obstacles.get(one.recipient), one.recipient in self.pinned)


def flow(stack: Stack, ages: Ages) -> Flow:
    """Return the way of the events with its counts: few calls, whatever is held."""
    table, found = HeldEvents(stack), registrations(stack)
    held = {name: table.left(name) for name in table.recipients()}
    queues = {one.name: one.queue for one in found if one.queue}
    deep, old = depths(stack, {"fan-out": None, **queues}), ages.of(queues.values())
    replays, replay_problem = _undelivered(stack)
    counts = {
        "gate": Count(str(held.get(GATE, 0)), GATE in held),
        "fan-out": Count(str(deep["fan-out"]), deep["fan-out"].missing),
        "undelivered": Count(replays, replays not in ("0", "not known")),
    }
    states = {}
    for one in found:
        depth, age = deep.get(one.name, Depth()), old.get(one.queue or "")
        states[one.name] = _state(one, depth, age, held.get(one.name, 0))
        counts[f"oldest:{one.name}"] = Count("none" if depth.is_empty else duration(age), _is_unread(depth, age))
    gone = sorted(held.keys() - states.keys() - {GATE})
    for name in [*states, *gone]:
        at_hand = deep.get(name)
        counts[f"queue:{name}"] = Count(str(at_hand) if at_hand else "none", bool(at_hand and at_hand.missing))
        counts[f"held:{name}"] = Count(str(held.get(name, 0)), name in held)
    problems = {name: one.problem for name, one in deep.items() if one.problem}
    problems |= {"undelivered": replay_problem} if replay_problem else {}
    return Flow(datetime.now(UTC), found, gone, counts, problems, states)


def clients(stack: Stack, ages: Ages) -> list[Client]:
    """Return the clients, with those that get nothing."""
    table, found = HeldEvents(stack), with_histories(stack, registrations(stack))
    said = {one.name: one.value for one in parameters(stack.client("ssm"), stack.output("ClientsPath"))}
    queues = {one.name: one.queue for one in found if one.queue}
    deep, old = depths(stack, queues), ages.of(queues.values())
    none = Depth(problem="there is no queue to deliver to")
    return [
        Client(
            one,
            deep.get(one.name, none),
            old.get(one.queue or ""),
            table.left(one.name),
            said.get(one.name, ""),
        )
        for one in found
    ]


def standings(stack: Stack, names: Collection[str]) -> Standings:
    """Return what is in the way of these recipients; nothing ever is in that of the gate."""
    found = registrations(stack)
    hindered = obstacles(stack, set(names) - {GATE}, found)
    return Standings(hindered, {one.name for one in found if one.major})


def waiting(stack: Stack, recipient: str | None, mark: str | None, number: int) -> Page[Held]:
    """Return a page of what is held."""
    return _page(HeldEvents(stack).all(recipient, mark), number)


def recipients(stack: Stack) -> list[tuple[str, int]]:
    """Return for whom anything may be held, the gate first, and how many events."""
    table = HeldEvents(stack)
    return [(name, table.left(name)) for name in table.recipients()]


def sequence(stack: Stack, recipient: str, mark: str, number: int) -> tuple[Held, Page[HeldEvent]]:
    """Return what is held of a mark for a recipient, and a page of its events, without their bodies.

    Raises:
        NothingHeldError: nothing of the mark is held.
    """
    table = HeldEvents(stack)
    head = next(table.all(recipient, mark), None)
    if not head:
        raise NothingHeldError(table.nothing(recipient, mark))
    return head, _page(table.events(head), number)


def discards(stack: Stack, recipient: str | None, number: int) -> tuple[list[str], Page[tuple[str, Item]]]:
    """Return of whom there may be discards, and a page of these with whose they are, the latest first."""
    table = HeldEvents(stack)
    names = {GATE} | {one.name for one in registrations(stack)} | set(table.recipients()) | ({recipient} - {None})
    asked = [recipient] if recipient else sorted(str(name) for name in names)
    found = [(name, item) for name in asked for item in table.discarded(name)]
    found.sort(key=lambda one: one[1]["discardedAt"], reverse=True)
    return sorted(str(name) for name in names), _page(iter(found), number)


def _page(rows: Iterator[_T], number: int) -> Page[_T]:
    found = list(islice(rows, (number - 1) * PAGE, number * PAGE + 1))
    return Page(found[:PAGE], number, len(found) > PAGE)


def _state(one: Registration, depth: Depth, age: float | None, held: int) -> State:
    if hindered := _hindered(one, depth):
        return hindered
    if held:
        return State("something is held", "paused", advice.SOMETHING_HELD)
    if _is_unread(depth, age):
        return State(f"not read for {duration(age)}", "paused", advice.UNREAD)
    if depth.problem:
        return State("depth not known", "neutral", advice.DEPTH_NOT_KNOWN)
    return State("served", "succeeded")


def _hindered(one: Registration, depth: Depth) -> State | None:
    if one.problem:
        return State("gets nothing", "failed", advice.MEND_REGISTRATION)
    if one.paused:
        return State("paused", "paused", advice.RESUME)
    if depth.missing:
        return State("queue does not exist", "failed", advice.NO_SUCH_QUEUE)
    if one.history and one.history.progress != Progress.DONE:
        far = one.history.progress
        return State(f"history {far}", "failed" if far == Progress.FAILED else "paused", advice.HISTORY_AT[far])
    return None


def _is_unread(depth: Depth, age: float | None) -> bool:
    return not depth.is_empty and (age or 0) >= _UNREAD_SECONDS


def _undelivered(stack: Stack) -> tuple[str, str]:
    """Return how many objects wait for a replay, as one page of the bucket tells; or why that is not known."""
    try:
        page = stack.client("s3").list_objects_v2(Bucket=stack.output("UndeliveredRecordsBucketName"))
    except KNOWN as error:
        return "not known", explain(error)
    return f"{page['KeyCount']:,}{' or more' if page['IsTruncated'] else ''}", ""
