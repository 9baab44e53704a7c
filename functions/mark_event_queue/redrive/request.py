"""What people ask of a redrive, checked before anything happens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mark_event_queue.domain.errors import RedriveRequestError
from mark_event_queue.domain.events import to_group_id

_ACTIONS = ("redrive", "discard")
_KNOWN = {"client", "mark", "action", "all", "eventId", "reason", "by", "dryRun"}


@dataclass(frozen=True, slots=True)
class RedriveRequest:
    """A redrive of a client's parked events, all of them or one mark's, or a discard of one mark's."""

    client: str
    group_id: str
    action: str
    everything: bool
    event_id: str
    reason: str
    by: str
    dry_run: bool

    @property
    def sends(self) -> bool:
        """Whether anything can be left to send, which needs the client's queue."""
        return not self.dry_run and not (self.action == "discard" and self.everything)

    def as_state(self) -> dict[str, Any]:
        """Return the request in the shape in which the states of the redrive hand it on."""
        return {
            "client": self.client,
            "groupId": self.group_id,
            "action": self.action,
            "all": self.everything,
            "eventId": self.event_id,
            "reason": self.reason,
            "by": self.by,
            "dryRun": self.dry_run,
        }


def parse(asked: Mapping[str, Any]) -> RedriveRequest:
    """Return the request that the input of an execution makes.

    Raises:
        RedriveRequestError: it makes none; the text says what is wrong and what to write instead.
    """
    _demand(isinstance(asked, Mapping), 'the input has to be an object: {"client": "<name>"}')
    unknown = sorted(set(asked) - _KNOWN)
    _demand(not unknown, f"unknown fields {unknown}; known are {sorted(_KNOWN)}")
    for name in ("client", "mark", "action", "eventId", "reason", "by"):
        _demand(isinstance(asked.get(name, ""), str), f'"{name}" has to be a text')
    for name in ("all", "dryRun"):
        _demand(isinstance(asked.get(name, False), bool), f'"{name}" has to be true or false')
    action = asked.get("action", "redrive")
    _demand(bool(asked.get("client")), 'say whose events: {"client": "<name>"}')
    _demand(action in _ACTIONS, f'"action" is one of {", ".join(_ACTIONS)}')
    discarding = action == "discard"
    aimed = bool(asked.get("mark") or asked.get("all"))
    _demand(not discarding or aimed, 'a discard needs the "mark" whose first event it gives up, or "all"')
    _demand(not discarding or bool(asked.get("reason")), 'a discard needs a "reason", for the record')
    _demand(not discarding or bool(asked.get("by")), 'a discard needs to know who asks, "by", for the record')
    _demand(discarding or not asked.get("all"), '"all" is for a discard; a redrive takes all that is parked anyway')
    _demand(discarding or not asked.get("eventId"), '"eventId" is for a discard; a redrive takes events in order')
    return RedriveRequest(
        client=asked["client"],
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
