"""What waits, for whom and since when, in numbers; no payloads."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from mark_event_queue.domain.held import GATE, Recipient


class HeldEvents(Protocol):
    """The store of what waits, as a survey needs it."""

    def recipients(self) -> list[Recipient]:
        """Return of whom anything may be held, and how many events."""

    def oldest(self, recipient: str) -> str:
        """Return since when the oldest sequence of a recipient is held, nothing if none is."""


class Held(NamedTuple):
    """What is held for one recipient."""

    recipient: str
    events: int
    oldest_seconds: int


class Survey(NamedTuple):
    """What is held at the gate, for each client, and for all clients together."""

    gate: Held
    clients: list[Held]

    @property
    def for_clients(self) -> Held:
        """What is held for all clients together."""
        oldest = max((held.oldest_seconds for held in self.clients), default=0)
        return Held("", sum(held.events for held in self.clients), oldest)


def survey(store: HeldEvents, now: datetime) -> Survey:
    """Return what is held at the moment, by one read and one more for each recipient."""
    found = {held.recipient: held for held in _held(store, now)}
    gate = found.pop(GATE, Held(GATE, 0, 0))
    return Survey(gate, list(found.values()))


def _held(store: HeldEvents, now: datetime) -> Iterable[Held]:
    for recipient in store.recipients():
        since = store.oldest(recipient.name)
        oldest = datetime.fromisoformat(since).astimezone(UTC) if since else now
        # The sum is kept beside the events, so after a crash it may be off; but what is held is never none.
        events = max(1, recipient.events) if since else 0
        yield Held(recipient.name, events, int((now - oldest).total_seconds()))
