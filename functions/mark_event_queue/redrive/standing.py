"""How a recipient stands: whether it may be sent anything, and what its history has brought it already."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.history import HistoryState, reason_to_hold
from mark_event_queue.domain.rounds import Entry


class Subscriptions(Protocol):
    """The registrations."""

    def subscription(self, name: str, fresh: bool = False) -> Subscription | None:
        """Return what a client's registration says, nothing if it is not served; `fresh`: at this moment."""


class Histories(Protocol):
    """The store of the clients' histories."""

    def state(self, client: str) -> HistoryState:
        """Return what is known of a client's history."""

    def brought(self, client: str, entries: Sequence[Entry]) -> set[str]:
        """Return the event ids of those entries that history brought, as far as they are remembered."""


def nothing_brought(_recipient: str, _entries: Sequence[Entry]) -> set[str]:
    """Say of a recipient without a history what that brought."""
    return set()


class Standing(NamedTuple):
    """Why nothing may be sent at the moment, if so; what the recipient has by its history; what it has pinned."""

    closed: str = ""
    brought: Callable[[str, Sequence[Entry]], set[str]] = nothing_brought
    major: int = 0


OPEN = Standing()


def standing_of(recipient: str, subscriptions: Subscriptions, histories: Histories, now: datetime) -> Standing:
    """Return how a recipient stands at this moment; the gate is always open."""
    subscription = subscriptions.subscription(recipient, fresh=True)
    history = histories.state(recipient)
    closed = reason_to_hold(subscription, history) if subscription else ""
    brought = histories.brought if history.may_be_held(now) else nothing_brought
    return Standing(closed, brought, subscription.major if subscription else 0)
