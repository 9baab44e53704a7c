"""What the gate does with a batch, apart from storing."""

from collections.abc import Mapping
from typing import Any, Protocol

from mark_event_queue.domain.held import CONTRACT_BROKEN, GATE, QUARANTINED
from mark_event_queue.domain.holding import HeldEvents, hold_followers
from mark_event_queue.domain.rounds import entries_of, plan, sequences_of
from mark_event_queue.domain.versions import pins_in


class HeldAtGate(HeldEvents, Protocol):
    """The store of what waits, as the gate needs it."""

    def mentions(self) -> list[str]:
        """Return of whom anything may be held, and, among them, the names of histories that are over."""


def hold_at_gate(request: Mapping[str, Any], store: HeldAtGate, hold_marks: bool) -> dict[str, Any]:
    """Hold what the validator withheld, and the events that belong behind what is held at the gate.

    `request` is `{plan, withheld, counts}`, and so is the answer: the plan of what can go on, and what
    was withheld of marks that have earlier events in it. Those earlier ones have to be delivered
    first: if their followers were held now, they could be released before them. Unless marks are
    held, followers pass, and nothing has to wait for anything.

    The answer's `held` is `{recipients}`, of whom anything is held, for what goes on. It is read anew:
    a release may have parked a mark's earlier events since the batch asked, and ended the mark here. The pin that all
    of the plan satisfied is satisfied by what is left of it.
    """
    going, withheld, counts = request["plan"], request["withheld"], request["counts"]
    behind = 0
    marks: set[str] = set()
    if hold_marks:
        selected = hold_followers(GATE, going, store)
        behind = selected["parked"]
        left = entries_of(selected)
        going, marks = plan(left), {entry["MessageGroupId"] for entry in left}
    holding = [entry for entry in withheld if entry["MessageGroupId"] not in marks]
    if holding:
        store.hold(GATE, sequences_of(holding), QUARANTINED, CONTRACT_BROKEN)
    return {
        "plan": going,
        "withheld": [entry for entry in withheld if entry["MessageGroupId"] in marks],
        "held": {"recipients": [*store.mentions(), *_pins(request)] if going["waves"] else []},
        "counts": counts | {"valid": counts["valid"] - behind, "behind": counts["behind"] + behind},
    }


def _pins(request: Mapping[str, Any]) -> list[str]:
    return pins_in(request["held"]["recipients"]) if "held" in request else []
