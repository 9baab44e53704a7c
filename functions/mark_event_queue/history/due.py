"""What is due for a client whose history is asked for, or whose registration changed."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.errors import HistoryRequestError
from mark_event_queue.domain.held import OTHER_MAJOR, PAUSED, PINNED
from mark_event_queue.domain.history import HistoryState, Progress, reason_to_hold
from mark_event_queue.history.ports import HeldEvents, Stores
from mark_event_queue.history.request import HistoryRequest

_CLOCKS_DIFFER = timedelta(seconds=15)

# How often the machine comes back to a queue that refuses, before the history counts as stopped.
PATIENCE = 40


class Moment(NamedTuple):
    """When it is asked: the time, a name for a run that begins now, for how long a converter may not know a client."""

    now: datetime
    new_run: str
    cache_seconds: int


def check(asked: HistoryRequest, subscription: Subscription | None, stores: Stores, moment: Moment) -> dict[str, Any]:
    """Return what is due, `{due, client, …}`: `history`, `redrive`, `describe` or `nothing`.

    `waitSeconds` of a history is how long the read has to wait: until every converter knows of the client, or, where
    the client was being delivered to, until what was in flight then has ended.

    Raises:
        HistoryRequestError: what is asked for cannot be done.
    """
    state = stores.histories.state(asked.client)
    if asked.changed and (not subscription or not subscription.history):
        if state.run and not subscription:
            stores.histories.end(asked.client, state.name)
        return _due_without_history(asked, subscription, stores)
    if subscription is None:
        raise HistoryRequestError(f"client {asked.client!r} is not served: it is not registered, or makes no sense")
    if asked.stop:
        if state.progress != Progress.RUNNING:
            raise HistoryRequestError(f"no history of client {asked.client} is under way: there is nothing to stop")
        stores.histories.move(asked.client, state.run, Progress.STOPPED)
        return _due("nothing", asked)
    if asked.changed and subscription.paused:
        return _due("nothing", asked)
    _demand_possible(asked, subscription, state)
    if asked.mark:
        return _due("mark", asked) | {
            "mark": asked.mark,
            "queueUrl": subscription.queue_url,
            "run": moment.new_run,
            "waitSeconds": asked.settle_seconds,
            "inHand": 0,
            "patience": PATIENCE,
        }
    history = subscription.history
    if asked.changed and state.is_done(history):
        return _due_without_history(asked, subscription, stores)
    under_way = (Progress.RUNNING, Progress.STOPPED, Progress.FAILED)
    goes_on = state.name == history and state.progress in under_way and not asked.again
    run = state.run if goes_on else moment.new_run
    settled = subscription.changed + timedelta(seconds=moment.cache_seconds) + _CLOCKS_DIFFER
    wait = max(0, int((settled - moment.now).total_seconds()) + 1)
    if asked.again or state.is_done(history):
        wait = max(wait, asked.settle_seconds)
    return _due("describe" if asked.dry_run else "history", asked) | {
        "queueUrl": subscription.queue_url,
        "history": history,
        "run": run,
        "goesOn": goes_on,
        "waitSeconds": 0 if goes_on and state.progress != Progress.RUNNING else wait,
        # Another number of segments has other marks in each, and how far they are would be of no use.
        "segments": list(range(state.segments if goes_on else asked.segments)),
        "eventsPerSecond": asked.events_per_second,
        "patience": PATIENCE,
    }


def _due(due: str, asked: HistoryRequest) -> dict[str, Any]:
    return {"due": due, "client": asked.client}


def _due_without_history(asked: HistoryRequest, subscription: Subscription | None, stores: Stores) -> dict[str, Any]:
    """Return that a redrive is due if the client was resumed, or may take another major, else that nothing is."""
    goes_on = subscription is not None and not subscription.paused and _waits_for_a_change(asked.client, stores.held)
    return _due("redrive" if goes_on else "nothing", asked)


def _waits_for_a_change(client: str, held: HeldEvents) -> bool:
    after = ""
    while page := held.sequences(client, after, 100):
        if any(one.reason in (PAUSED, PINNED) or one.error == OTHER_MAJOR for one in page):
            return True
        after = page[-1].group_id
    return False


def _demand_possible(asked: HistoryRequest, subscription: Subscription, state: HistoryState) -> None:
    name = asked.client
    if subscription.paused:
        raise HistoryRequestError(f"client {name} is paused: resume it first (meq resume {name})")
    if reason_to_hold(subscription, state) and asked.mark:
        raise HistoryRequestError(f"history of client {name} is under way, that of this mark with it")
    if not (subscription.history or asked.mark):
        raise HistoryRequestError(
            f'client {name} asked for no history: its registration needs "from": "beginning", or an instant'
        )
    if state.is_done(subscription.history) and not (asked.again or asked.dry_run or asked.changed or asked.mark):
        raise HistoryRequestError(
            f"client {name} has had its history; all of it once more, as after the loss of its store: again"
        )
