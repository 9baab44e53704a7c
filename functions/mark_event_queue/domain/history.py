"""What is known of a client's history: whether it is under way, and for how long its events are remembered."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.held import HISTORY, PAUSED

# The stream keeps a record for 24 hours (DynamoDB Developer Guide); clocks may differ by as much as the rest.
REMEMBERED = timedelta(hours=26)


class Progress(StrEnum):
    """How far a history has come."""

    RUNNING = "running"
    STOPPED = "stopped"
    DONE = "done"


class HistoryState(NamedTuple):
    """A client's history as the table knows it; without a run there has been none yet."""

    name: str = ""
    """Which history it is, see `domain.clients.history_of`."""
    run: str = ""
    """Which run of it: `historyId` of its messages."""
    progress: str = ""
    remembered_until: str = ""
    """Until when (UTC) what it brought has to be looked for among what comes; empty before its end."""

    def is_done(self, wanted: str) -> bool:
        """Tell whether the history that the registration wants has been delivered."""
        return self.progress == Progress.DONE and self.name == wanted

    def remembers(self, now: datetime) -> bool:
        """Tell whether what it brought may still come, or be held."""
        return bool(self.run) and (not self.remembered_until or f"{now:%Y-%m-%dT%H:%M:%SZ}" < self.remembered_until)


def reason_to_hold(subscription: Subscription, history: HistoryState) -> str:
    """Return why nothing may go to a client at the moment, whatever is held for it or comes; nothing if it may."""
    if subscription.paused:
        return PAUSED
    return HISTORY if subscription.history and not history.is_done(subscription.history) else ""
