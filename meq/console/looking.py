"""What the console's pages show of a stack: counts that are asked for again and again, and what waits, page by page."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Generic, TypeVar

from mark_event_queue.adapters.clients import registrations as parameters
from mark_event_queue.domain.held import GATE
from mark_event_queue.domain.history import Progress
from meq.clients import Registration, registrations, with_histories
from meq.errors import KNOWN, NothingHeldError, explain
from meq.held import Held, HeldEvent, HeldEvents
from meq.replay import undelivered
from meq.stack import Stack
from meq.table import Item

PAGE = 50
"""How many rows a page of a list has."""

_T = TypeVar("_T")
_SIDE_BY_SIDE = 8
_WAITING, _IN_HAND = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
_METRIC_QUERIES = 500  # CloudWatch API Reference, GetMetricData: the most of one call


@dataclass(frozen=True)
class Page(Generic[_T]):
    """Some rows of a list, and whether there are more behind them."""

    rows: list[_T]
    number: int
    more: bool


@dataclass(frozen=True)
class Depth:
    """How many messages a queue holds, and how many a reader has in hand; or why that is not known."""

    waiting: int = 0
    in_hand: int = 0
    problem: str = ""

    def __str__(self) -> str:
        if self.problem:
            return "not known"
        return f"{self.waiting} + {self.in_hand} in hand" if self.in_hand else str(self.waiting)


@dataclass(frozen=True)
class Count:
    """A count as it is shown, and whether it asks for somebody's attention."""

    text: str
    attention: bool = False


@dataclass(frozen=True)
class State:
    """How a client is, in words, and how grave that is: failed, paused or succeeded."""

    text: str
    gravity: str


@dataclass(frozen=True)
class Flow:
    """The way of the events, with how much is where at this moment."""

    at: datetime
    clients: list[Registration]
    gone: list[str]
    """Those who have unsubscribed, and for whom something is held still."""
    counts: dict[str, Count]
    """By place: gate, fan-out, undelivered; of a client its name behind queue: and held:."""
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
        return _state(self.registration, self.depth, self.held)


def flow(stack: Stack) -> Flow:
    """Return the way of the events with its counts: few calls, whatever is held."""
    table, found = HeldEvents(stack), registrations(stack)
    held = {name: table.left(name) for name in table.recipients()}
    depths = _depths(stack, {"fan-out": None} | {one.name: one.queue for one in found if one.queue})
    replays = _undelivered(stack)
    counts = {
        "gate": Count(str(held.get(GATE, 0)), GATE in held),
        "fan-out": Count(str(depths["fan-out"]), bool(depths["fan-out"].problem)),
        "undelivered": Count(str(replays), str(replays) != "0"),
    }
    names = {one.name for one in found}
    gone = sorted(held.keys() - names - {GATE})
    for name in [*sorted(names), *gone]:
        depth = depths.get(name)
        counts[f"queue:{name}"] = Count(str(depth) if depth else "none", bool(depth and depth.problem))
        counts[f"held:{name}"] = Count(str(held.get(name, 0)), name in held)
    problems = {name: one.problem for name, one in ({"undelivered": replays} | depths).items() if one.problem}
    states = {one.name: _state(one, depths.get(one.name, Depth()), held.get(one.name, 0)) for one in found}
    return Flow(datetime.now(UTC), found, gone, counts, problems, states)


def clients(stack: Stack) -> list[Client]:
    """Return the clients, with those that get nothing."""
    table, found = HeldEvents(stack), with_histories(stack, registrations(stack))
    said = {one.name: one.value for one in parameters(stack.client("ssm"), stack.output("ClientsPath"))}
    depths = _depths(stack, {one.name: one.queue for one in found if one.queue})
    ages = _ages(stack, [one.queue for one in found if one.queue])
    none = Depth(problem="there is no queue to deliver to")
    return [
        Client(
            one,
            depths.get(one.name, none),
            ages.get(one.queue or ""),
            table.left(one.name),
            said.get(one.name, ""),
        )
        for one in found
    ]


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


def _state(one: Registration, depth: Depth, held: int) -> State:
    if one.problem:
        return State("gets nothing", "failed")
    if one.paused:
        return State("paused", "paused")
    if depth.problem:
        return State("queue not reached", "failed")
    if one.history and one.history.progress != Progress.DONE:
        return State(f"history {one.history.progress}", "paused")
    return State("something is held", "paused") if held else State("served", "succeeded")


def _undelivered(stack: Stack) -> Depth:
    """Return how many objects wait for a replay."""
    try:
        return Depth(len(undelivered(stack)))
    except KNOWN as error:
        return Depth(problem=explain(error))


def _depths(stack: Stack, queues: dict[str, str | None]) -> dict[str, Depth]:
    """Return the depths of queues by name; one without an address is the fan-out queue."""
    sqs, fan_out = stack.client("sqs"), stack.output("QueueName")

    def ask(url: str | None) -> Depth:
        try:
            url = url or sqs.get_queue_url(QueueName=fan_out)["QueueUrl"]
            names = [_WAITING, _IN_HAND]
            told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        except KNOWN as error:
            return Depth(problem=explain(error))
        return Depth(int(told.get(_WAITING, 0)), int(told.get(_IN_HAND, 0)))

    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        return dict(zip(queues, pool.map(ask, queues.values()), strict=True))


def _ages(stack: Stack, urls: Iterable[str]) -> dict[str, float]:
    """Return how old the oldest message of each queue is, in seconds, where CloudWatch tells."""
    now = datetime.now(UTC)
    found: dict[str, float] = {}
    asked = list(urls)
    try:
        for start in range(0, len(asked), _METRIC_QUERIES):
            some = asked[start : start + _METRIC_QUERIES]
            answer = stack.client("cloudwatch").get_metric_data(
                MetricDataQueries=_age_queries(some), StartTime=now - timedelta(minutes=15), EndTime=now
            )
            for one in answer["MetricDataResults"]:
                if one["Values"]:
                    found[some[int(one["Id"].removeprefix("q"))]] = one["Values"][0]
    except KNOWN:
        return found  # whoever may not read metrics sees all but the ages
    return found


def _age_queries(urls: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "Id": f"q{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/SQS",
                    "MetricName": "ApproximateAgeOfOldestMessage",
                    "Dimensions": [{"Name": "QueueName", "Value": url.rsplit("/", 1)[-1]}],
                },
                "Period": 60,
                "Stat": "Maximum",
            },
        }
        for number, url in enumerate(urls)
    ]
