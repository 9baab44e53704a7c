"""The search: every state that any interleaving of the processes' calls leads to, each visited once.

A process is a value (replay.py), and so are table and queues (world.py): a state of everything is a tuple of
numbers. From each state every process that waits for an answer gets it, in every way that the scope allows.
What a process does with its answers is found out once and kept.
"""

import json
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from mark_event_queue.domain.held import GATE
from tests.builders import round_lost
from tests.checker.processes import FAN_OUT, Code, Processes
from tests.checker.replay import Died, Done, Go, NextCallError, Port
from tests.checker.world import (
    BrokenError,
    Event,
    Numbered,
    Queue,
    Sent,
    Tables,
    deterministic,
    given_up,
    left,
    send,
    without_mention,
)

Frame = tuple[Any, ...]
"""A process: ("waits", stage, data, answers, request), ("calls", stage, data, answers, child),
("forks", then, data, children), ("done", result), ("died",); data, answers, results and requests are JSON texts."""

Path = tuple[int, ...]

_NOT_IN_A_FUNCTION = ("Send Wave", "Write Round")
_WAITS_FOR_RESULTS = ("List Sequences", "All Accepted?")
_BETWEEN_INVOCATIONS = ("Check Request", "List Sequences", "Conclude Redrive", "Discard Events")
_ROUNDS = 5
_MUCH_LATER_SECONDS = 3_600


class Stream(NamedTuple):
    """An event of a scope: mark, number, and from which deployment of the contract on it is valid."""

    mark: str
    number: int
    valid_from: int = 0

    def as_input(self) -> dict[str, str]:
        """Return the event as an execution's input has it; its body says when it is valid."""
        return {
            "eventId": f"{self.mark}-{self.number}",
            "mark": self.mark,
            "groupId": self.mark,
            "sequenceNumber": f"{self.number:040}",
            "body": str(self.valid_from),
        }


@dataclass(frozen=True)
class Scope:
    """What may happen, and how often."""

    name: str
    batches: Sequence[Sequence[Stream]] = ()
    """One after another."""
    beside: Sequence[Sequence[Stream]] = ()
    """Batches of other marks, which another track runs at the same time."""
    held: dict[str, Sequence[Stream]] = field(default_factory=dict)
    """What is held in the beginning, by recipient; it came before the batches."""
    requests: Sequence[dict[str, Any]] = ()
    """Inputs of executions of the redrive machine."""
    clients: Sequence[str] = ("c",)
    zombies: int = 0
    crashes: int = 0
    faults: int = 0
    mends: int = 0
    ticks: int = 0
    fan_out: bool = False
    mentioned: bool = True
    """Every held sequence can be found at the end by its recipient's mention."""
    once: bool = False
    """Nothing happens that would excuse a repeat."""


class State(NamedTuple):
    """Everything at a moment, in numbers."""

    table: int
    queues: int
    level: int
    zombies: int
    crashes: int
    faults: int
    mends: int
    ticks: int
    roots: tuple[int, ...]


class Broken(NamedTuple):
    """A promise that does not hold, and the shortest history to where it does not."""

    what: str
    history: list[str]

    def __str__(self) -> str:
        return "\n".join([self.what, *(f"  {number:2}. {step}" for number, step in enumerate(self.history, 1))])


@dataclass
class Found:
    """What a search went through, and what it found."""

    states: int = 0
    steps: int = 0
    ends: int = 0
    interleavings: int = 0
    broken: Broken | None = None
    complete: bool = True


class Search:
    """A search through a scope, of the real code or of a mutant."""

    def __init__(self, scope: Scope, code: Code | None = None) -> None:
        self._scope = scope
        self._stages = Processes(code or Code(), list(scope.clients), scope.fan_out).stages
        self._tables = Tables()
        self._queues = Numbered()
        self._frames = Numbered()
        self._ready: dict[int, list[tuple[Path, str, str, Any]]] = {}
        self._resumed: dict[tuple[int, Path, str, bool], int] = {}
        self._sends: dict[tuple[int, str, bool], list[Sent]] = {}
        self._sound: dict[tuple[int, int], None] = {}
        self._known_moves: dict[State, tuple[bool, list[tuple[int, State]]]] = {}
        self._labels = Numbered()
        self._much_later = False
        self._done = self._frames.number(("done", "null"))
        self._died = self._frames.number(("died",))

    def run(self, most_states: int = 10**9) -> Found:
        """Go through all states, nearest first; stop at the first in which a promise is broken."""
        with deterministic():
            return self._run(most_states)

    def _run(self, most_states: int) -> Found:
        found = Found()
        first = self._first()
        numbers = {first: 0}
        states = [first]
        came_from, came_by = array("l", [-1]), array("l", [-1])
        successors: list[array[int]] = []
        for position in iter(lambda: len(successors), None):
            if position == len(states) or found.broken:
                break
            if position >= most_states:
                found.complete = False
                break
            state = states[position]
            after = array("l")
            try:
                if not state.roots:
                    found.ends += 1
                    self._check_end(state)
                for label, next_state in self._steps(state):
                    number = numbers.setdefault(next_state, len(states))
                    if number == len(states):
                        states.append(next_state)
                        came_from.append(position)
                        came_by.append(label)
                    after.append(number)
                if state.roots and not after:
                    raise BrokenError("nobody can go on, and not all is done")
            except BrokenError as error:
                found.broken = Broken(str(error), self._history(position, came_from, came_by))
            successors.append(after)
            found.steps += len(after)
        found.states = len(successors)
        if found.complete and not found.broken:
            found.interleavings = _paths(successors)
        return found

    def _history(self, position: int, came_from: "array[int]", came_by: "array[int]") -> list[str]:
        history = []
        while position > 0:
            history.append(self._labels.values[came_by[position]])
            position = came_from[position]
        return history[::-1]

    # ------------------------------------------------------------------------------------------------------------------
    # States
    # ------------------------------------------------------------------------------------------------------------------
    def _first(self) -> State:
        scope = self._scope
        queues = dict.fromkeys([*scope.clients, FAN_OUT], Queue(frozenset(), frozenset()))
        state = State(
            self._tables.empty, self._queue_number(queues), 0, scope.zombies, scope.crashes, scope.faults, scope.mends,
            scope.ticks, (),
        )  # fmt: skip
        for recipient, events in scope.held.items():
            state = state._replace(table=self._with_held(state.table, recipient, events))
        tracks = [[[event.as_input() for event in batch] for batch in track] for track in (scope.batches, scope.beside)]
        starts = [Go("Converter", batches) for batches in tracks if batches]
        starts += [Go("Check Request", dict(request)) for request in scope.requests]
        return state._replace(roots=self._roots(self._settle(start) for start in starts))

    def _with_held(self, table: int, recipient: str, events: Sequence[Stream]) -> int:
        """Return the table with events held, by the way in which anything comes to be held."""
        if recipient == GATE:
            lost: Go = Go("Hold Rest At Gate", self._withheld(events))
        else:
            lost = Go("Park Events", self._refused(recipient, events))
        frame = self._settle(lost)
        while self._frames.values[frame][0] != "done":
            ((path, kind, _, request),) = self._ready_in(frame)
            if kind == "send":
                break
            answer, table = self._tables.call(table, *request)
            frame = self._resume(frame, path, answer)
        return table

    def _withheld(self, events: Sequence[Stream]) -> Any:
        return self._validated(events, "-1")["withheld"]

    def _refused(self, client: str, events: Sequence[Stream]) -> Any:
        sent = round_lost("Fault")
        return {"client": client, "plan": self._validated(events, "9")["plan"], "sent": sent}

    def _validated(self, events: Sequence[Stream], contract: str) -> Any:
        nothing_held = {"recipients": [], "atGate": False}
        batch = {"events": [event.as_input() for event in events], "held": nothing_held}
        validated = self._stages["Validate Events"]({"batch": batch, "released": False}, Port([contract]))
        assert isinstance(validated, Go)
        return validated.data["batch"]

    def _queue_number(self, queues: dict[str, Queue]) -> int:
        return self._queues.number(tuple(sorted(queues.items())))

    def _roots(self, frames: Iterable[int]) -> tuple[int, ...]:
        return tuple(sorted(frame for frame in frames if self._frames.values[frame][0] not in ("done", "died")))

    # ------------------------------------------------------------------------------------------------------------------
    # Steps
    # ------------------------------------------------------------------------------------------------------------------
    def _steps(self, state: State) -> Iterator[tuple[int, State]]:
        moves: list[tuple[int, list[tuple[int, State]]]] = []
        alone = False
        for root in dict.fromkeys(state.roots):
            alone, found = self._moves(state._replace(ticks=0, roots=(root,)))
            moves = [*([] if alone else moves), (root, found)]
            if alone:
                break
        for root, found in moves:
            others = list(state.roots)
            others.remove(root)
            for label, after in found:
                yield label, after._replace(ticks=state.ticks, roots=tuple(sorted([*others, *after.roots])))
        if alone:
            return
        if state.mends:
            yield self._label("the contract is mended"), state._replace(level=state.level + 1, mends=state.mends - 1)
        if state.ticks and all(self._is_between(root) for root in state.roots):
            queues = {name: queue._replace(recent=frozenset()) for name, queue in self._queues.values[state.queues]}
            yield (
                self._label("five minutes pass"),
                state._replace(queues=self._queue_number(queues), ticks=state.ticks - 1),
            )

    def _moves(self, state: State) -> tuple[bool, list[tuple[int, State]]]:
        """Return what the one process of a state can do, and whether its moment makes no difference to others."""
        if state not in self._known_moves:
            (root,) = state.roots
            steps = self._ready_in(root)
            alone = [step for step in steps if self._is_nobodys_business(step, state)][:1]
            moves = [move for step in alone or steps for move in self._answered(state, root, step)]
            self._known_moves[state] = bool(alone), moves
        return self._known_moves[state]

    def _is_nobodys_business(self, step: tuple[Path, str, str, Any], state: State) -> bool:
        """Whether a step neither sees what others do nor is seen by them, so that its moment makes no difference."""
        _, kind, _, request = step
        if kind == "contract":
            return not state.mends
        return kind == "dynamodb" and request[0] == "update_item" and '"ADD events :taken"' in request[1]

    def _is_between(self, root: int) -> bool:
        """Whether a process has nothing in hand: no invocation or execution of it has begun."""
        frame = self._frames.values[root]
        return frame[0] == "waits" and frame[1] in _BETWEEN_INVOCATIONS and not frame[3]

    def _answered(self, state: State, root: int, step: tuple[Path, str, str, Any]) -> Iterator[tuple[int, State]]:
        path, kind, stage, request = step
        if kind == "execute":
            yield from self._orphaned(state, root, path, stage)
            return
        for told, answer, after in self._outcomes(state, kind, request):
            label = f"{stage}: {told}"
            yield self._label(label), self._with(after, root, self._resume(root, path, answer))
            if state.crashes and kind != "contract":
                crashed = after._replace(crashes=state.crashes - 1)
                if stage not in _NOT_IN_A_FUNCTION:
                    again = self._resume(root, path, "again")
                    yield self._label(f"{label}, then it dies, and is invoked again"), self._with(crashed, root, again)
                if stage != "Converter":  # which the stream invokes again, whatever becomes of it
                    dead = self._resume(root, path, "die")
                    yield self._label(f"{label}, then its execution dies"), self._with(crashed, root, dead)

    def _orphaned(self, state: State, root: int, path: Path, stage: str) -> Iterator[tuple[int, State]]:
        """Lose the answer of an execution that is under way: it goes on, and whoever waited does without it."""
        child = self._child(root, path)
        if stage == "Converter" and state.zombies:
            after = self._with(state._replace(zombies=state.zombies - 1), root, self._resume(root, path, "lost"), child)
            yield self._label("the answer of a delivery that is under way is lost"), after
        if stage != "Converter" and state.crashes:
            fewer = state._replace(crashes=state.crashes - 1)
            for mode in ("again", "die"):
                after = self._with(fewer, root, self._resume(root, path, mode), child)
                yield self._label(f"{stage}: it dies ({mode}) while a delivery of it is under way"), after

    def _outcomes(self, state: State, kind: str, request: Any) -> Iterator[tuple[str, str, State]]:
        if kind == "contract":
            yield f"judges by contract {state.level}", str(state.level), state
        elif kind == "dynamodb":
            answer, table = self._tables.call(state.table, *request)
            refused = " (refused)" if '"raises"' in answer else ""
            yield f"{_told(*request)}{refused}", answer, state._replace(table=table)
        else:
            yield from self._sent(state, *request)

    def _sent(self, state: State, name: str, entries: str) -> Iterator[tuple[str, str, State]]:
        queues: dict[str, Queue] = dict(self._queues.values[state.queues])
        faults = bool(state.faults) and name != FAN_OUT
        key = self._queues.number(queues[name]), entries, faults
        if key not in self._sends:
            self._sends[key] = list(send(queues[name], json.loads(entries), faults))
        for sent in self._sends[key]:
            late = sent.overtaken and sent.overtaken - given_up(self._tables.contents[state.table], name)
            if late:
                raise BrokenError(f"{name} gets {sorted(late)} after a later event of that mark")
            if sent.repeated and self._scope.once:
                raise BrokenError(f"{name} gets an event again: {entries}")
            after = state._replace(
                queues=self._queue_number({**queues, name: sent.queue}), faults=state.faults - sent.faults
            )
            yield f"sends {_ids(entries)}: {sent.answer if sent.faults else 'accepted'}", sent.answer, after

    def _with(self, state: State, root: int, *instead: int) -> State:
        roots = list(state.roots)
        roots.remove(root)
        return state._replace(roots=self._roots([*roots, *instead]))

    def _label(self, text: str) -> int:
        return self._labels.number(text)

    # ------------------------------------------------------------------------------------------------------------------
    # Processes
    # ------------------------------------------------------------------------------------------------------------------
    def _settle(self, at: Go, answers: tuple[str, ...] = ()) -> int:
        """Have a process do all that it does without asking; return what it is then."""
        return self._go_on(at.stage, json.dumps(at.data, sort_keys=True), answers)

    def _go_on(self, stage: str, data: str, answers: tuple[str, ...]) -> int:
        try:
            outcome = self._stages[stage](json.loads(data), Port(answers))
        except NextCallError as waiting:
            kind, what = json.loads(waiting.request)
            if kind != "execute":
                return self._frames.number(("waits", stage, data, answers, waiting.request))
            child = self._settle(Go("Validate Events", what))
            return self._frames.number(("calls", stage, data, answers, child))
        if isinstance(outcome, Go):
            return self._settle(outcome)
        if isinstance(outcome, Done):
            return self._frames.number(("done", json.dumps(outcome.result, sort_keys=True)))
        if isinstance(outcome, Died):
            return self._died
        children = tuple(self._settle(child) for child in outcome.children)
        return self._joined(outcome.then.stage, json.dumps(outcome.then.data, sort_keys=True), children)

    def _joined(self, then: str, data: str, children: tuple[int, ...]) -> int:
        if self._died in children:
            return self._died
        frames = [self._frames.values[child] for child in children]
        if not all(frame[0] == "done" for frame in frames):
            return self._frames.number(("forks", then, data, children))
        results = [json.loads(frame[1]) for frame in frames]
        on = json.loads(data)
        return self._settle(Go(then, {**on, "results": results} if then in _WAITS_FOR_RESULTS else on))

    def _ready_in(self, number: int) -> list[tuple[Path, str, str, Any]]:
        """Return where a process waits for what: paths, kinds of request, stages, requests."""
        if number not in self._ready:
            self._ready[number] = list(self._find_ready(self._frames.values[number]))
        return self._ready[number]

    def _find_ready(self, frame: Frame) -> Iterator[tuple[Path, str, str, Any]]:
        if frame[0] == "waits":
            kind, what = json.loads(frame[4])
            request: Any = ()
            if kind == "dynamodb":
                request = what["operation"], json.dumps(what["arguments"], sort_keys=True)
            elif kind == "send":
                request = what["queue"], json.dumps(what["entries"], sort_keys=True)
            yield (), kind, frame[1], request
        elif frame[0] == "calls":
            yield (), "execute", frame[1], ()
            for path, *step in self._ready_in(frame[4]):
                yield (0, *path), *step
        elif frame[0] == "forks":
            for position, child in enumerate(frame[3]):
                for path, *step in self._ready_in(child):
                    yield (position, *path), *step

    def _child(self, number: int, path: Path) -> int:
        frame = self._frames.values[number]
        if not path:
            return int(frame[4])
        return self._child(frame[4] if frame[0] == "calls" else frame[3][path[0]], path[1:])

    def _resume(self, number: int, path: Path, answer: str) -> int:
        """Return a process with an answer at a place where it waits; or else it is invoked `again` there, or dies."""
        key = number, path, answer, self._much_later
        if key not in self._resumed:
            self._resumed[key] = self._resumed_at(self._frames.values[number], path, answer)
        return self._resumed[key]

    def _resumed_at(self, frame: Frame, path: Path, answer: str) -> int:
        if path and frame[0] == "forks":
            children = list(frame[3])
            children[path[0]] = self._resume(children[path[0]], path[1:], answer)
            return self._joined(frame[1], frame[2], tuple(children))
        _, stage, data, answers, *_ = frame
        if path:
            child = self._resume(frame[4], path[1:], answer)
            if child != self._died and self._frames.values[child][0] != "done":
                return self._frames.number(("calls", stage, data, answers, child))
            result = "null" if child == self._died else self._frames.values[child][1]
            return self._go_on(stage, data, (*answers, result))
        if answer == "die":
            return self._died
        if answer == "again":
            return self._go_on(stage, data, ())
        return self._go_on(stage, data, (*answers, "null" if answer == "lost" else answer))

    # ------------------------------------------------------------------------------------------------------------------
    # Ends
    # ------------------------------------------------------------------------------------------------------------------
    def _check_end(self, state: State) -> None:
        """Check what has become of everything, as it is and after all that can move has moved."""
        if (state.table, state.queues) in self._sound:
            return
        contents = self._tables.contents[state.table]
        if self._scope.mentioned and (unseen := without_mention(contents)):
            raise BrokenError(f"sequences that nobody looks for: {unseen}")
        before = -1
        recipients = [{"gate": True}, *({"client": name} for name in self._scope.clients)]
        last = state._replace(level=self._scope.mends, zombies=0, crashes=0, faults=0, mends=0, ticks=0)
        self._much_later = True
        self._known_moves, moves = {}, self._known_moves
        with deterministic(seconds_later=_MUCH_LATER_SECONDS):
            for _ in range(_ROUNDS):
                if before == last.table:
                    break
                before = last.table
                for request in recipients:
                    last = self._alone(last._replace(roots=self._roots([self._settle(Go("Check Request", request))])))
        self._much_later = False
        self._known_moves = moves
        self._check_all_there(last)
        self._sound[state.table, state.queues] = None

    def _alone(self, state: State) -> State:
        while state.roots:
            _, state = next(step for step in self._steps(state))
        return state

    def _check_all_there(self, state: State) -> None:
        contents = self._tables.contents[state.table]
        if remains := left(contents):
            raise BrokenError(f"held for ever: {remains}")
        queues: dict[str, Queue] = dict(self._queues.values[state.queues])
        for name in self._scope.clients:
            lost = set(self._events_of(name)) - queues[name].received - given_up(contents, name)
            if lost:
                raise BrokenError(f"lost for {name}: {sorted(lost)}")

    def _events_of(self, client: str) -> Iterator[Event]:
        for batch in (*self._scope.batches, *self._scope.beside):
            yield from ((event.mark, event.number) for event in batch)
        for recipient, events in self._scope.held.items():
            if recipient in (client, GATE):
                yield from ((event.mark, event.number) for event in events)


@cache
def _ids(entries: str) -> str:
    return ", ".join(entry["MessageDeduplicationId"] for entry in json.loads(entries))


@cache
def _told(operation: str, arguments: str) -> str:
    """Return a call in a few words."""
    asked = json.loads(arguments)
    if operation == "transact_write_items":
        actions = [next(iter(action.items())) for action in asked["TransactItems"]]
        return "writes " + ", ".join(f"{kind} {_place(one.get('Key', one.get('Item')))}" for kind, one in actions)
    if operation == "query":
        return f"reads {next(iter(asked['ExpressionAttributeValues'].values()))['S']}"
    if operation == "batch_get_item":
        (read,) = asked["RequestItems"].values()
        return "reads " + ", ".join(_place(key) for key in read["Keys"])
    return f"{operation} {_place(asked['Key'])}"


def _place(key: Any) -> str:
    return f"{key['pk']['S']}/{key['sk']['S'].lstrip('0')}"


def _paths(successors: list["array[int]"]) -> int:
    """Return how many ways lead from the first state to an end; every one of them does end."""
    incoming = [0] * len(successors)
    for after in successors:
        for number in after:
            incoming[number] += 1
    ways = [0] * len(successors)
    ways[0] = 1
    pending = deque([0])
    gone = total = 0
    while pending:
        number = pending.popleft()
        gone += 1
        total += ways[number] if not successors[number] else 0
        for after_it in successors[number]:
            ways[after_it] += ways[number]
            incoming[after_it] -= 1
            if not incoming[after_it]:
                pending.append(after_it)
    if gone != len(successors):
        raise BrokenError("a history that never ends")
    return total
