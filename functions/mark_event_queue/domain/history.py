"""What is known of a client's history: whether it is under way, and for how long its events are remembered."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.held import HISTORY, PAUSED

# The stream keeps a record for 24 hours (DynamoDB Developer Guide); clocks may differ by as much as the rest.
STREAM_KEEPS = timedelta(hours=26)

REMEMBERED = timedelta(days=7)
"""For how long it is remembered which events history brought: held events wait longer than those in the stream."""

COUNTS = ("marks", "sent", "filtered", "passedOver", "leftToGate")
"""What is counted of a history, as the table and the machine name it: marks, and what became of their events."""


class Progress(StrEnum):
    """How far a history has come."""

    RUNNING = "running"
    STOPPED = "stopped"
    """By somebody, who may go on with it."""
    FAILED = "failed"
    """The queue has refused for too long, or a part could not be read."""
    DONE = "done"


class HistoryState(NamedTuple):
    """A client's history as the table knows it; without a run there has been none yet."""

    name: str = ""
    """Which history it is, see `domain.clients.history_of`."""
    run: str = ""
    """Which run of it: `historyId` of its messages."""
    progress: str = ""
    ended: str = ""
    """When it was done (UTC)."""
    segments: int = 0
    """In how many segments this run reads the producer's table."""
    moved: str = ""
    """When its progress last changed (UTC)."""

    def is_done(self, wanted: str) -> bool:
        """Tell whether the history that the registration wants has been delivered."""
        return self.progress == Progress.DONE and self.name == wanted

    def may_come_again(self, now: datetime) -> bool:
        """Tell whether what it brought may still come through the stream."""
        return self._younger(now - STREAM_KEEPS)

    def may_be_held(self, now: datetime) -> bool:
        """Tell whether what it brought may be held, too."""
        return self._younger(now - REMEMBERED)

    def _younger(self, then: datetime) -> bool:
        return bool(self.run) and (self.progress != Progress.DONE or f"{then:%Y-%m-%dT%H:%M:%SZ}" < self.ended)


def reason_to_hold(subscription: Subscription, history: HistoryState) -> str:
    """Return why nothing may go to a client at the moment, whatever is held for it or comes; nothing if it may."""
    if subscription.paused:
        return PAUSED
    return HISTORY if subscription.history and not history.is_done(subscription.history) else ""


class Segment(NamedTuple):
    """How far a segment of the producer's table has been read, and what came of it."""

    after: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    """The key of the last item of the last mark that is done with; nothing at the start."""
    in_hand: dict[str, int] = {}  # noqa: RUF012
    """Of marks that are not done with, by group: how many of their events have been sent."""
    done: bool = False
    counts: tuple[int, ...] = (0,) * len(COUNTS)
    """Numbers in the order of `COUNTS`."""


class Passed(NamedTuple):
    """An event of the past that history does not bring, by the contract or the client's pin: which, and which rules.

    The rules are JSON text of `{path, rule}`.
    """

    mark: str
    create_time: str
    event_id: str
    violations: str
