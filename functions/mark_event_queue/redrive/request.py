"""What people ask of a redrive, checked before anything happens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mark_event_queue.domain.errors import RedriveRequestError
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.held import GATE

_ACTIONS = {"redrive", "release", "discard"}
_TEXTS = ("client", "mark", "action", "eventId", "reason", "by")
_FLAGS = ("gate", "all", "dryRun")


@dataclass(frozen=True, slots=True)
class RedriveRequest:
    """A redrive of a client's held events or a release of the gate's, or a discard; of all marks, or of one."""

    recipient: str
    group_id: str
    action: str
    everything: bool
    event_id: str
    reason: str
    by: str
    dry_run: bool

    @property
    def needs_queue(self) -> bool:
        """Whether anything can be left to send to a client's queue."""
        gives_up_all = self.action == "discard" and self.everything
        return not (self.recipient == GATE or self.dry_run or gives_up_all)

    def as_state(self) -> dict[str, Any]:
        """Return the request in the shape in which the states of the redrive hand it on."""
        return {
            "recipient": self.recipient,
            "atGate": self.recipient == GATE,
            "groupId": self.group_id,
            "action": self.action,
            "all": self.everything,
            "eventId": self.event_id,
            "reason": self.reason,
            "by": self.by,
            "dryRun": self.dry_run,
            "discarded": 0,
            "more": False,
        }


def parse(asked: Mapping[str, Any]) -> RedriveRequest:
    """Return the request that the input of an execution makes.

    Raises:
        RedriveRequestError: it makes none; the text says what is wrong and what to write instead.
    """
    _demand(isinstance(asked, Mapping), 'the input has to be an object: {"client": "<name>"} or {"gate": true}')
    unknown = sorted(set(asked) - {*_TEXTS, *_FLAGS})
    _demand(not unknown, f"unknown fields {unknown}; known are {sorted([*_TEXTS, *_FLAGS])}")
    for name in _TEXTS:
        _demand(isinstance(asked.get(name, ""), str), f'"{name}" has to be a text')
    for name in _FLAGS:
        _demand(isinstance(asked.get(name, False), bool), f'"{name}" has to be true or false')
    at_gate = asked.get("gate", False)
    _demand(bool(asked.get("client")) != at_gate, 'say whose events: {"client": "<name>"} or {"gate": true}, not both')
    _demand(asked.get("client") != GATE, 'the gate is no client: {"gate": true}')
    action = asked.get("action") or ("release" if at_gate else "redrive")
    _demand(action in _ACTIONS, f'"action" is one of {", ".join(sorted(_ACTIONS))}')
    _demand(action != "redrive" or not at_gate, "what is held at the gate is released, not redriven")
    _demand(action != "release" or at_gate, "what is held for a client is redriven, not released")
    discarding = action == "discard"
    aimed = bool(asked.get("mark") or asked.get("all"))
    _demand(not discarding or aimed, 'a discard needs the "mark" whose first event it gives up, or "all"')
    _demand(not discarding or bool(asked.get("reason")), 'a discard needs a "reason", for the record')
    _demand(not discarding or bool(asked.get("by")), 'a discard needs to know who asks, "by", for the record')
    _demand(discarding or not asked.get("all"), f'"all" is for a discard; a {action} takes all that is held anyway')
    _demand(discarding or not asked.get("eventId"), f'"eventId" is for a discard; a {action} takes events in order')
    return RedriveRequest(
        recipient=GATE if at_gate else asked["client"],
        group_id=to_group_id(asked["mark"]) if asked.get("mark") else "",
        action=action,
        everything=asked.get("all", False),
        event_id=asked.get("eventId", ""),
        reason=asked.get("reason", ""),
        by=asked.get("by", ""),
        dry_run=asked.get("dryRun", False),
    )


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise RedriveRequestError(otherwise)
