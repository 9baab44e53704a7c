"""What to do about what the console shows: a sentence for each reason and state, in the words of the runbook."""

from mark_event_queue.domain.held import GATE, HISTORY, OTHER_MAJOR, PARKED, PAUSED, PINNED
from meq.held import Held
from meq.obstacles import NO_QUEUE, UNSUBSCRIBED, Obstacle

RESUME = "Resume it when it can take events again: what is held follows, in order."
NO_SUCH_QUEUE = "Its queue does not exist: make it again under the same name, then redrive."
MEND_REGISTRATION = "It gets nothing: have its team mend the registration."
UNREAD = "Nobody reads its queue: have its team mend the consumer. If that takes days, pause it, and resume it then."
DEPTH_NOT_KNOWN = "These credentials may not ask its queue. Delivery is not harmed by that."
SOMETHING_HELD = "See what waits, and why; mend that, then redrive."
GIVE_UP = "It has unsubscribed: nothing can be delivered. Give up what is held for it, or have it subscribe again."

HISTORY_AT = {
    "pending": "Its history has not begun. On AWS it begins by itself; else start it.",
    "running": "Its history is under way: what is held follows by itself.",
    "stopped": "Somebody stopped its history. Start it again when the reason is over: it goes on where it was.",
    "failed": "Its history failed, mostly at its queue: mend that, then start it again; it goes on where it was.",
}
"""By how far a history is."""

_GATE = (
    "Have the producer mended, or the contract if the producer is right; then release. "
    "What is wrong for good is given up by a discard, and what follows it goes on."
)
_REFUSED = "Mend its queue, the queue's policy or its key, or have its team do so; then redrive."
_NOT_LET_IN = "Its queue lets nobody in: have its policy or its key mended, then redrive."
_BY_REASON = {
    PAUSED: "It was resumed, and its queue refused: mend the queue, then redrive.",
    HISTORY: "Its history is over, and this has not followed: mend its queue if that refused, then redrive.",
    PINNED: "It gave its pin up, and nothing started the redrive: redrive.",
}
_PINNED = "It is not valid in the major version that the client has pinned. It waits for another pin, or none."


def about(one: Held, obstacle: Obstacle | None, is_pinned: bool) -> str:
    """Return what to do about a held sequence; what is behind its first event goes with that."""
    if one.recipient == GATE:
        return _GATE
    if obstacle:
        return about_obstacle(obstacle)
    if is_pinned and (one.reason == PINNED or one.error == OTHER_MAJOR):
        return _PINNED
    if one.reason != PARKED:
        return _BY_REASON.get(one.reason, _REFUSED)
    if "QueueDoesNotExist" in one.error or "NonExistentQueue" in one.error:
        return NO_SUCH_QUEUE
    return _NOT_LET_IN if "AccessDenied" in one.error else _REFUSED


def about_obstacle(obstacle: Obstacle) -> str:
    """Return what to do about what keeps everything from a client."""
    by_reason = {PAUSED: f"It is paused. {RESUME}", UNSUBSCRIBED: GIVE_UP, NO_QUEUE: MEND_REGISTRATION}
    return by_reason.get(obstacle.reason) or HISTORY_AT.get(obstacle.progress, "")
