"""What waits, for whom and since when, and where nobody is at it, in numbers; no payloads."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.held import GATE, Recipient
from mark_event_queue.domain.history import HistoryState, Progress


class HeldEvents(Protocol):
    """The store of what waits, as a survey needs it."""

    def recipients(self) -> list[Recipient]:
        """Return of whom anything may be held, how many events, and when some last left."""

    def oldest(self, recipient: str, pinned: bool = False) -> str:
        """Return since when the oldest sequence of a recipient is held; `pinned`: of those that wait for its pin."""


class Histories(Protocol):
    """The store of the clients' histories."""

    def state(self, client: str) -> HistoryState:
        """Return what is known of a client's history."""

    def attended(self, client: str, run: str) -> str:
        """Return when an invocation was last at a run of it, nothing if none has been."""


class Held(NamedTuple):
    """What is held for one recipient: events; for how many seconds; for how many of them without progress.

    Without progress is nought, too, for what somebody means to wait, as for a paused client.
    """

    recipient: str
    events: int
    oldest_seconds: int
    idle_seconds: int


class Survey(NamedTuple):
    """What is held at the gate, and for each client; for how many seconds a history has been without progress."""

    gate: Held
    clients: list[Held]
    histories_idle_seconds: int

    @property
    def for_clients(self) -> Held:
        """What is held for all clients together."""
        oldest = max((held.oldest_seconds for held in self.clients), default=0)
        idle = max((held.idle_seconds for held in self.clients), default=0)
        return Held("", sum(held.events for held in self.clients), oldest, idle)


def survey(held: HeldEvents, histories: Histories, subscriptions: Mapping[str, Subscription], now: datetime) -> Survey:
    """Return what is held at the moment: one read, two for each recipient, and as many for each history."""
    under_way = dict(_under_way(subscriptions, histories))
    found = {one.recipient: one for one in _held(held, subscriptions, under_way, now)}
    gate = found.pop(GATE, Held(GATE, 0, 0, 0))
    return Survey(gate, list(found.values()), max((_seconds(since, now) for since in under_way.values()), default=0))


def _under_way(subscriptions: Mapping[str, Subscription], histories: Histories) -> Iterable[tuple[str, str]]:
    """Yield the clients that do not have all their history yet, and since when nobody has been at it.

    That is nothing where somebody means it to wait.
    """
    for client, subscription in subscriptions.items():
        if not subscription.history:
            continue
        state = histories.state(client)
        if state.is_done(subscription.history):
            continue
        begun = state.name == subscription.history
        if subscription.paused or (begun and state.progress == Progress.STOPPED):
            yield client, ""
        else:
            attended = max(state.moved, histories.attended(client, state.run)) if begun else ""
            yield client, max(_changed(subscription), attended)


def _held(
    held: HeldEvents, subscriptions: Mapping[str, Subscription], under_way: Mapping[str, str], now: datetime
) -> Iterable[Held]:
    for recipient in held.recipients():
        name = recipient.name
        since = held.oldest(name)
        since_pinned = held.oldest(name, pinned=True) if name != GATE else ""
        oldest = _earlier(since, since_pinned)
        subscription = subscriptions.get(name)
        # What a pin holds comes by itself when the client changes that; without a pin it should have come.
        idle = since if subscription and subscription.major else oldest
        if idle and subscription:
            # Whoever resumed the client, or changed it otherwise, was at it then.
            attended = "" if subscription.paused else under_way.get(name, _changed(subscription))
            idle = max(idle, attended) if attended else ""
        # The sum is kept beside the events, so after a crash it may be off; but what is held is never none.
        events = max(1, recipient.events) if oldest else 0
        yield Held(name, events, _seconds(oldest, now), _seconds(max(idle, recipient.progress) if idle else "", now))


def _changed(subscription: Subscription) -> str:
    return f"{subscription.changed.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _earlier(one: str, other: str) -> str:
    return min(filter(None, (one, other)), default="")


def _seconds(since: str, now: datetime) -> int:
    return max(0, int((now - datetime.fromisoformat(since)).total_seconds())) if since else 0
