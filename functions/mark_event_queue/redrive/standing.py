"""How a recipient stands: whether it may be sent anything, and what its history has brought it already."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.forgetting import NOTICE
from mark_event_queue.domain.held import notice_of
from mark_event_queue.domain.history import HistoryState, reason_to_hold
from mark_event_queue.domain.rounds import Entry
from mark_event_queue.domain.versions import as_pinned, judged_anew

if TYPE_CHECKING:
    from mark_event_queue.domain.contract import Contracts


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
    contracts: Callable[[], "Contracts"] | None = None

    def wanted(self, entry: Entry) -> Entry | None:
        """Return an entry as the recipient gets it; None: it is not valid in the major version that it has pinned.

        What was held before a major version was deployed does not tell of it: it is judged anew.
        """
        wanted = as_pinned(entry, self.major)
        if wanted or self.contracts is None:
            return wanted
        contracts = self.contracts()
        judgement = contracts.judge_notice(NOTICE) if notice_of(entry) else contracts.judge(entry["MessageBody"])
        return as_pinned(judged_anew(entry, judgement), self.major)


OPEN = Standing()


@cache
def deployed(folder: Path) -> "Contracts":
    """Return the contracts in a folder, which are loaded when they are needed first."""
    from mark_event_queue.domain.contract import load  # noqa: PLC0415 (hardly any redrive needs the library)

    return load(folder)


def standing_of(
    recipient: str,
    subscriptions: Subscriptions,
    histories: Histories,
    now: datetime,
    contracts: Callable[[], "Contracts"] | None = None,
) -> Standing:
    """Return how a recipient stands at this moment; the gate is always open."""
    subscription = subscriptions.subscription(recipient, fresh=True)
    history = histories.state(recipient)
    closed = reason_to_hold(subscription, history) if subscription else ""
    brought = histories.brought if history.may_be_held(now) else nothing_brought
    return Standing(closed, brought, subscription.major if subscription else 0, contracts)
