"""Why nothing can be sent to a client at the moment, and what to do about it: said before a redrive starts in vain."""

from collections.abc import Collection
from dataclasses import dataclass

from mark_event_queue.domain.held import HISTORY, PAUSED
from mark_event_queue.domain.history import Progress
from meq.clients import Registration, registrations, with_histories
from meq.stack import Stack
from meq.text import safe

UNSUBSCRIBED, NO_QUEUE = "unsubscribed", "no queue"


@dataclass(frozen=True)
class Obstacle:
    """A reason to send a client nothing: `paused`, `history`, `unsubscribed` or `no queue`, and what to do."""

    reason: str
    text: str
    progress: str = ""
    """Of a history: how far it is."""


def obstacles(
    stack: Stack, names: Collection[str], found: Collection[Registration] | None = None
) -> dict[str, Obstacle]:
    """Return by name which of these clients can be sent nothing; `found` are the registrations, if they are at hand."""
    known = registrations(stack) if found is None else found
    by_name = {one.name: one for one in with_histories(stack, [one for one in known if one.name in names])}
    told = {name: _obstacle(name, by_name.get(name)) for name in names}
    return {name: one for name, one in told.items() if one}


def _obstacle(name: str, registered: Registration | None) -> Obstacle | None:
    whose = safe(name)
    if registered is None:
        return Obstacle(
            UNSUBSCRIBED,
            f"{whose} has unsubscribed: there is no queue to deliver to. To give up what is held for it:\n"
            f"meq discard {whose} --all --reason …",
        )
    if registered.problem:
        return Obstacle(NO_QUEUE, f"The registration of {whose} {registered.problem}: there is no queue to deliver to.")
    if registered.paused:
        return Obstacle(
            PAUSED, f"{whose} is paused: what is held for it waits until it is resumed.\nResume it: meq resume {whose}"
        )
    if registered.history and registered.history.progress != Progress.DONE:
        far = registered.history.progress
        return Obstacle(
            HISTORY,
            f"The history of {whose} is {far}: what is held for it follows by itself when that is done.\n"
            f"How far it is: meq clients. To begin it, or go on with it: meq history {whose}",
            far,
        )
    return None
