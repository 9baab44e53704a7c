"""What the selection does with a client's plan, apart from storing."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any, NamedTuple, Protocol

from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.held import PAUSED, PINNED, notice_of
from mark_event_queue.domain.history import HistoryState, reason_to_hold
from mark_event_queue.domain.holding import HeldEvents, hold_followers
from mark_event_queue.domain.rounds import Entry, Plan, entries_of, plan, sequences_of, without
from mark_event_queue.domain.versions import as_pinned


class HeldWhile(HeldEvents, Protocol):
    """The store of what waits, as the selection needs it."""

    def hold_while(
        self, recipient: str, sequences: Iterable[Sequence[Entry]], reason: str, still: Callable[[], bool]
    ) -> bool:
        """Hold sequences of entries if that is still wanted once the recipient is named; tell whether it was."""


class Histories(Protocol):
    """The store of the clients' histories."""

    def state(self, client: str) -> HistoryState:
        """Return what is known of a client's history."""

    def brought(self, client: str, entries: Sequence[Entry]) -> set[str]:
        """Return the event ids of those entries that history brought, as far as they are remembered."""

    def settle(self, client: str, history: HistoryState) -> None:
        """Note that a history needs no selection any more, unless another run of it has begun."""


class Subscriptions(Protocol):
    """The registrations."""

    def subscription(self, name: str, fresh: bool = False) -> Subscription | None:
        """Return what a client's registration says, nothing if it is not served; `fresh`: at this moment."""


class Selected(NamedTuple):
    """The plan of what goes to a client, and how many events it gets no more, or does not want."""

    plan: Plan
    filtered: int = 0
    had: int = 0


def select(
    request: Mapping[str, Any], subscriptions: Subscriptions, store: HeldWhile, histories: Histories, now: datetime
) -> Selected:
    """Decide what goes to a client now; hold what waits.

    `request` is `{client, plan}`. What history brought is left out, and what the client's filter does not let
    pass. While the client is paused, or its history under way, all the rest is held; otherwise what belongs behind
    held events is held behind them, and so is what is not valid in the major version that the client has pinned. A
    client that has unsubscribed meanwhile gets nothing.
    """
    name, plan = request["client"], request["plan"]
    # Whoever gave the batch may have read the registrations after this function did: only a fresh look tells who left.
    subscription = subscriptions.subscription(name) or subscriptions.subscription(name, fresh=True)
    if subscription is None:
        return Selected(without(plan, entries_of(plan)))
    history = histories.state(name)
    had = _brought(name, plan, histories) if history.may_come_again(now) else []
    unwanted = [entry for entry in entries_of(plan) if entry not in had and not _wants(subscription, entry)]
    plan = _left_out(plan, [*had, *unwanted])
    left, counts = entries_of(plan), {"filtered": len(unwanted), "had": len(had)}
    reason = reason_to_hold(subscription, history)

    def still() -> bool:
        now_said = subscriptions.subscription(name, fresh=reason == PAUSED)
        return bool(now_said and reason_to_hold(now_said, histories.state(name)))

    if reason and left and store.hold_while(name, sequences_of(left), reason, still):
        return Selected(without(plan, left), **counts)
    if subscription.history and not reason and not history.may_come_again(now):
        histories.settle(name, history)
    plan = hold_followers(name, plan, store) if left else plan
    return Selected(_pinned(subscription, plan, subscriptions, store) if subscription.major else plan, **counts)


def _pinned(subscription: Subscription, plan_: Plan, subscriptions: Subscriptions, store: HeldWhile) -> Plan:
    """Return the plan of what is valid in the pinned major version; hold the rest, and what follows it in its mark."""
    name, major = subscription.name, subscription.major
    going: list[Entry] = []
    waiting: list[list[Entry]] = []
    for sequence in sequences_of(entries_of(plan_)):
        fitting: list[Entry] = []
        for entry in takewhile(bool, (as_pinned(entry, major) for entry in sequence)):
            fitting += [entry] if entry else []
        going += fitting
        waiting += [sequence[len(fitting) :]] if len(fitting) < len(sequence) else []

    def still() -> bool:
        now_said = subscriptions.subscription(name, fresh=True)
        return bool(now_said and now_said.major == major)

    if waiting and not store.hold_while(name, waiting, PINNED, still):
        now_said = subscriptions.subscription(name)
        return _pinned(now_said, plan_, subscriptions, store) if now_said and now_said.major else plan_
    return plan(going, plan_["parked"] + sum(map(len, waiting)))


def _wants(subscription: Subscription, entry: Entry) -> bool:
    """Tell whether an entry is for the client: a notice for those who asked, an event if its filter lets it pass."""
    if notice := notice_of(entry):
        return notice in subscription.notices
    return subscription.filter is None or subscription.filter.passes(entry["MessageBody"])


def _brought(name: str, plan: Plan, histories: Histories) -> list[Entry]:
    entries = entries_of(plan)
    ids = histories.brought(name, entries)
    return [entry for entry in entries if entry["MessageDeduplicationId"] in ids]


def _left_out(plan: Plan, entries: Collection[Entry]) -> Plan:
    """Return the plan without entries that are for nobody to wait for: they do not count as parked."""
    return without(plan, entries) | {"parked": plan["parked"]}
