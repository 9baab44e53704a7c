"""What people ask of a redrive, checked before anything happens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mark_event_queue.domain.budget import LONGEST_CLIENT_NAME
from mark_event_queue.domain.errors import RedriveRequestError
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.held import GATE, HISTORY, PAUSED
from mark_event_queue.redrive.standing import Standing

_ACTIONS = {"redrive", "release", "discard"}
_TEXTS = ("client", "mark", "action", "eventId", "reason", "by")
_FLAGS = ("gate", "all", "dryRun")

# By which the console joins an execution and the one that started it (Step Functions Developer Guide).
_STARTED_BY = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"

# What stands on record with each event: forty at once are far below what a transaction takes, and a state.
_LONGEST_FOR_THE_RECORD = 1_000
_MOST_CHARACTERS = {
    "client": LONGEST_CLIENT_NAME,
    "eventId": 128,  # SQS API Reference, SendMessage: of a de-duplication id, which is what an event is held by
    "reason": _LONGEST_FOR_THE_RECORD,
    "by": _LONGEST_FOR_THE_RECORD,
}
_MARK_BYTES = 2_048  # DynamoDB Developer Guide, quotas: of a partition key, which a mark is


_CLOSED = {
    PAUSED: "client {0} is paused: what is held for it waits until it is resumed (meq resume {0})",
    HISTORY: "history of client {0} is under way: what is held follows by itself (meq clients shows how far it is)",
}


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

    def demand_open(self, standing: Standing) -> None:
        """Refuse to send a client anything for which there is a reason to hold it.

        Raises:
            RedriveRequestError: there is one; the text says which, and what to do.
        """
        _demand(not (self.needs_queue and standing.closed), _CLOSED.get(standing.closed, "").format(self.recipient))

    def as_state(self) -> dict[str, Any]:
        """Return the request in the shape in which the states of the redrive hand it on."""
        return {
            "recipient": self.recipient,
            "atGate": self.recipient == GATE,
            "groupId": self.group_id,
            "action": self.action,
            "all": self.everything,
            "eventId": self.event_id,
            "sequenceNumber": "",
            "reason": self.reason,
            "by": self.by,
            "dryRun": self.dry_run,
            "discarded": 0,
            "after": "",
            "more": False,
        }


def parse(asked: Mapping[str, Any]) -> RedriveRequest:
    """Return the request that the input of an execution makes.

    Raises:
        RedriveRequestError: it makes none; the text says what is wrong and what to write instead.
    """
    _demand(isinstance(asked, Mapping), 'the input has to be an object: {"client": "<name>"} or {"gate": true}')
    unknown = sorted(set(asked) - {*_TEXTS, *_FLAGS, _STARTED_BY})
    _demand(not unknown, f"unknown fields {unknown}; known are {sorted([*_TEXTS, *_FLAGS])}")
    for name in _TEXTS:
        _demand(isinstance(asked.get(name, ""), str), f'"{name}" has to be a text')
    for name in _FLAGS:
        _demand(isinstance(asked.get(name, False), bool), f'"{name}" has to be true or false')
    for name, most in _MOST_CHARACTERS.items():
        length = len(asked.get(name, ""))
        _demand(length <= most, f'"{name}" has {length:,} characters; it may have {most:,}')
    mark_bytes = len(asked.get("mark", "").encode("utf-8", "surrogatepass"))
    _demand(mark_bytes <= _MARK_BYTES, f'"mark" has {mark_bytes:,} bytes; a mark has at most {_MARK_BYTES:,}')
    _demand(asked.get("mark") != "", '"mark" is empty; leave it out for all marks')
    at_gate = asked.get("gate", False)
    _demand(bool(asked.get("client")) != at_gate, 'say whose events: {"client": "<name>"} or {"gate": true}, not both')
    _demand(asked.get("client") != GATE, 'the gate is no client: {"gate": true}')
    action = asked.get("action") or ("release" if at_gate else "redrive")
    _demand(action in _ACTIONS, f'"action" is one of {", ".join(sorted(_ACTIONS))}')
    _demand(action != "redrive" or not at_gate, "what is held at the gate is released, not redriven")
    _demand(action != "release" or at_gate, "what is held for a client is redriven, not released")
    discarding = action == "discard"
    aimed = "mark" in asked or asked.get("all", False)
    _demand(not discarding or aimed, 'a discard needs the "mark" whose first event it gives up, or "all"')
    _demand(not discarding or bool(asked.get("reason")), 'a discard needs a "reason", for the record')
    _demand(not discarding or bool(asked.get("by")), 'a discard needs to know who asks, "by", for the record')
    _demand(discarding or not asked.get("all"), f'"all" is for a discard; a {action} takes all that is held anyway')
    _demand(discarding or not asked.get("eventId"), f'"eventId" is for a discard; a {action} takes events in order')
    _demand(not (asked.get("all") and asked.get("eventId")), '"eventId" is of one event, "all" of all: leave out one')
    return RedriveRequest(
        recipient=GATE if at_gate else asked["client"],
        group_id=to_group_id(asked["mark"]) if "mark" in asked else "",
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
