"""Why a client got an event, or did not, as far as table, registration and the producer's table tell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mark_event_queue.adapters import clients as parameters
from mark_event_queue.adapters.event_table import as_in_stream
from mark_event_queue.domain.clients import BEGINNING, Subscription, admit, history_of
from mark_event_queue.domain.events import convert, to_deduplication_id
from mark_event_queue.domain.held import GATE
from mark_event_queue.domain.history import Progress
from mark_event_queue.domain.order import instant_of, text_of
from meq.clients import demand_known
from meq.errors import OperatorError
from meq.held import HeldEvents
from meq.histories import Histories
from meq.lateness import EventTable
from meq.stack import Stack
from meq.table import Violation
from meq.text import safe

HELD, QUARANTINED, DISCARDED, PASSED_OVER = "held", "quarantined", "discarded", "passedOver"
FILTERED, BEFORE, AWAITS_HISTORY = "filtered", "beforeItsTime", "awaitsHistory"
DELIVERED, NEVER_SEEN, NOT_SERVED = "delivered", "neverSeen", "notServed"

_Item = Mapping[str, Any]


@dataclass(frozen=True)
class Explanation:
    """What is known of one event for one client."""

    client: str
    event_id: str
    mark: str | None
    answer: str
    detail: str
    since: str | None = None
    violations: list[Violation] = field(default_factory=list)


class _Why:
    def __init__(self, stack: Stack, client: str) -> None:
        found = parameters.registrations(stack.client("ssm"), stack.output("ClientsPath"))
        demand_known(client, {one.name for one in found})
        admission = admit(found)
        self._client = client
        self._problem = admission.problem(client)
        self._subscription: Subscription | None = admission.subscriptions.get(client)
        self._held, self._histories = HeldEvents(stack), Histories(stack)
        self._given_up = {of: list(self._held.discarded(of)) for of in (client, GATE)}
        self._passed = {one.event_id: one for one in self._histories.passed(client)}

    def of(self, event_id: str, mark: str | None, item: _Item | None) -> Explanation:
        """Return the first answer that applies."""
        id_ = to_deduplication_id(event_id)
        for answer in (self._waits, self._given, self._judged):
            if found := answer(id_, mark, item):
                return found
        return self._told(id_, mark, DELIVERED, "delivered, by all that is known: nothing speaks against it")

    def _waits(self, event_id: str, mark: str | None, _item: _Item | None) -> Explanation | None:
        for recipient in (self._client, GATE) if mark else ():
            held = self._held.found(recipient, mark or "", event_id)
            if held and recipient == GATE:
                rules, why = held.violations, "it breaks the contract" if held.violations else "an earlier one does"
                return self._told(
                    event_id, mark, QUARANTINED, f"held at the gate: {why}", since=held.held_at, violations=rules
                )
            if held:
                why = f"held for {safe(self._client)}: {held.reason}{f', {held.error}' if held.error else ''}"
                return self._told(event_id, mark, HELD, why, since=held.held_at)
        return None

    def _given(self, event_id: str, mark: str | None, item: _Item | None) -> Explanation | None:
        for recipient, discards in self._given_up.items():
            for one in discards:
                if one["eventId"] == event_id:
                    whose = "for everybody" if recipient == GATE else f"for {safe(self._client)}"
                    told = f"given up {whose} by {safe(one['discardedBy'])}: {safe(one['reason'])}"
                    return self._told(event_id, one["mark"], DISCARDED, told, since=one["discardedAt"])
        if event_id in self._passed:
            passed = self._passed[event_id]
            told = "history passed it over, since it is not valid"
            return self._told(event_id, passed.mark, PASSED_OVER, told, violations=passed.violations)
        if item is None:
            nowhere = "and is held nowhere" if mark else "and whether it is held is known with --mark only"
            return self._told(event_id, mark, NEVER_SEEN, f"it is not in the producer's table, {nowhere}")
        return None

    def _judged(self, event_id: str, mark: str | None, item: _Item | None) -> Explanation | None:
        subscription = self._subscription
        if subscription is None:
            return self._told(event_id, mark, NOT_SERVED, f"the registration of {safe(self._client)} {self._problem}")
        event = convert({"dynamodb": {"NewImage": as_in_stream(item), "Keys": {}, "SequenceNumber": "0"}})
        if subscription.filter and (broken := subscription.filter.violations(event.body)):
            rules = [Violation(one.path, one.rule) for one in broken]
            return self._told(
                event_id, mark, FILTERED, "the client's filter, as it is now, leaves it out", violations=rules
            )
        return self._timed(event_id, mark, text_of(item, "createTime"), subscription)

    def _timed(self, event_id: str, mark: str | None, at: str, subscription: Subscription) -> Explanation | None:
        since, instant = subscription.since, instant_of(at)
        registered = instant_of(f"{subscription.changed:%Y-%m-%dT%H:%M:%SZ}")
        if instant is None or registered is None or instant >= registered:
            return None
        first = instant_of(since)
        if not since or (since != BEGINNING and first and instant < first):
            told = (
                f"it is from {at}, before the registration's last change: before the client's time, or delivered then"
            )
            return self._told(event_id, mark, BEFORE, told)
        far = self._histories.progress(self._client, history_of(self._client, since))
        if far and far.progress != Progress.DONE:
            return self._told(event_id, mark, AWAITS_HISTORY, f"the client's history is {far.progress}: meq clients")
        return None

    def _told(self, event_id: str, mark: str | None, answer: str, detail: str, **more: Any) -> Explanation:
        return Explanation(self._client, event_id, mark, answer, detail, **more)


def explain(
    stack: Stack, client: str, event_id: str | None, mark: str | None, tell: Callable[[str], None] = lambda _: None
) -> list[Explanation]:
    """Say of an event, or of every event of a mark, why a client did or did not get it.

    Raises:
        OperatorError: there is no such client, or the producer's table cannot be read.
    """
    why, table = _Why(stack, client), EventTable(stack)
    if table.problem:
        raise OperatorError(f"The producer's table cannot be read: {table.problem}")
    if mark is not None:
        items = [item for item in table.of_mark(mark) if event_id in (None, text_of(item, "eventId"))]
    else:
        tell("looking through the whole of the producer's table; with --mark it is quick")
        items = list(table.of_event(event_id or ""))
    if not items and event_id:
        return [why.of(event_id, mark, None)]
    return [why.of(text_of(item, "eventId"), text_of(item, "mark") or mark, item) for item in items]
