"""The code with one rule left out each: the checker has to find every one of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.adapters.held_writes import Holding, events_value
from mark_event_queue.domain.rounds import Entry, plan
from mark_event_queue.gate.gate import hold_at_gate
from mark_event_queue.redrive.redrive import redrive_lane
from tests.checker.processes import Code

Asked = Mapping[str, Any]


class _EndsWhateverCame(HeldEventsTable):
    def end(self, recipient: str, group_id: str, version: int) -> bool:
        return super().end(recipient, group_id, self.version(recipient, group_id) if group_id else version)


class _NamesNobodyBefore(HeldEventsTable):
    def hold(self, recipient: str, sequences: Any, reason: str, error: str) -> None:
        written = self._writer.write(Holding(self._table, recipient, reason, error), sequences)
        self._name(recipient, " ADD events :events", events_value(written))


class _NamesAndIsNotComing(HeldEventsTable):
    def hold(self, recipient: str, sequences: Any, reason: str, error: str) -> None:
        self._name(recipient, "", {})
        written = self._writer.write(Holding(self._table, recipient, reason, error), sequences)
        self._name(recipient, " ADD events :events", events_value(written))


class _ForgetsFirst:
    """A queue whose sender takes the events out of the table before it sends them."""

    def __init__(self, recipient: str, store: Any, queue: Any) -> None:
        self._recipient, self._store, self._queue = recipient, store, queue

    def send(self, queue_url: str, wave: Sequence[Entry]) -> Any:
        self._store.forget(self._recipient, wave, {})
        return self._queue.send(queue_url, wave)


def _send_all(client: str, plan: Any, store: Any) -> Any:
    return plan


def _past_what_is_held(request: Asked, store: Any, hold_marks: bool) -> Any:
    passed = hold_at_gate({**request, "withheld": []}, _NothingHeld(store), hold_marks)
    return passed | {"withheld": hold_at_gate({**request, "plan": plan([])}, store, hold_marks)["withheld"]}


class _NothingHeld:
    """A store that says that nothing is held of any sequence."""

    def __init__(self, store: Any) -> None:
        self.mentions, self.hold = store.mentions, store.hold

    def held_from(self, recipient: str, group_ids: Any) -> dict[str, str]:
        return {}

    def hold_behind(self, recipient: str, sequences: Any) -> list[Entry]:
        return []


def _before_their_predecessors(request: Asked, store: Any, hold_marks: bool) -> Any:
    hold_at_gate({**request, "plan": plan([])}, store, hold_marks)
    return hold_at_gate({**request, "withheld": []}, store, hold_marks)


def _asking_no_more(request: Asked, store: Any, hold_marks: bool) -> Any:
    return hold_at_gate(request, store, hold_marks) | {"held": request.get("held")}


def _forget_first(request: Asked, store: Any, queue: Any, has_time: Any) -> Any:
    return redrive_lane(request, store, _ForgetsFirst(request["recipient"], store, queue), has_time)


class Mutant(NamedTuple):
    """The code without a rule, a scope in which that shows, and what is broken there."""

    without: str
    code: Code
    scope: str
    broken: str


_GATE = "a broken event, a mend, a release and a fault"
_OVERTAKEN = "after a later event of that mark"

MUTANTS = [
    Mutant("what is selected is held behind what is held", Code(select=_send_all),
           "a batch, a fault and a crash", _OVERTAKEN),
    Mutant("a sequence ends at the version at which it was empty", Code(table=_EndsWhateverCame),
           "a redrive and live traffic", "events without a sequence"),
    Mutant("the gate holds behind what it holds", Code(hold_at_gate=_past_what_is_held), _GATE, _OVERTAKEN),
    Mutant("an event is forgotten when it is accepted", Code(redrive_lane=_forget_first),
           "a redrive, live traffic, a fault and a crash", "lost for c"),
    Mutant("what is withheld is held when its predecessors are delivered",
           Code(hold_at_gate=_before_their_predecessors), _GATE, _OVERTAKEN),
    Mutant("a recipient is named before its sequences", Code(table=_NamesNobodyBefore),
           "a batch, a fault and a crash", "nobody looks for"),
    Mutant("a mention stays while sequences are coming", Code(table=_NamesAndIsNotComing),
           "... and a redrive", _OVERTAKEN),
    Mutant("the gate asks anew of whom anything is held", Code(hold_at_gate=_asking_no_more), _GATE, _OVERTAKEN),
]  # fmt: skip
