"""What a client gets of the past of some marks: which events, in which order, and why the others not."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from mark_event_queue.domain.clients import BEGINNING, Subscription
from mark_event_queue.domain.contract import Contracts, Judgement, Violation
from mark_event_queue.domain.events import Event, convert, to_deduplication_id
from mark_event_queue.domain.history import STREAM_KEEPS, Passed
from mark_event_queue.domain.order import Position, instant_of, position_of, text_of
from mark_event_queue.domain.rounds import Entry
from mark_event_queue.domain.versions import as_pinned, told_by

Item = Mapping[str, Any]

_NUMBER_DIGITS = 40

NOT_PINNED = "pinnedMajor"
"""The rule that an event breaks which is not valid in the major version that its client has pinned."""


class Rules(NamedTuple):
    """By what the past is judged: the contracts of today, the client's wishes, what was given up, and the time."""

    contracts: Contracts
    subscription: Subscription
    run: str
    given_up: Collection[str]
    hold_marks: bool
    now: datetime


@dataclass(slots=True)
class Past:
    """What comes of the past of one mark."""

    group_id: str
    entries: list[Entry] = field(default_factory=list)
    """What is sent, in order; behind the number that each has in the mark."""
    remembered: list[str] = field(default_factory=list)
    """The ids of those that may come once more, and are not wanted then."""
    passed: list[Passed] = field(default_factory=list)
    filtered: int = 0
    left_to_gate: int = 0


def past_of(items: Sequence[Item], at_gate: Collection[str], held: Collection[str], rules: Rules) -> Past:
    """Return what comes of the past of one mark, given all its items.

    `at_gate` are the ids of its events that are held at the gate, `held` of those that are held for the client.
    Where marks are held, what is held at the gate, and all behind it, comes by the release; so does what breaks
    the contract and is so young that it may be on its way there. What is not valid in the major version that the
    client has pinned is passed over for good, unless it is held for the client already: then it and all behind it stay.
    """
    in_order = sorted(items, key=_by_position)
    events = [_event(item) for item in in_order]
    past = Past(events[0].group_id)
    for number, (item, event) in enumerate(zip(in_order, events, strict=True), start=1):
        is_young = _is_young(item, rules.now)
        judgement = _judgement(event, rules.contracts)
        violations = judgement.violations
        if event.event_id in at_gate or (violations and is_young and event.event_id not in rules.given_up):
            if rules.hold_marks:
                past.left_to_gate = len(events) - number + 1
                break
            past.left_to_gate += 1
        elif event.event_id in rules.given_up or not _is_wanted_time(item, rules.subscription.since):
            continue
        elif violations:
            past.passed.append(_passed(item, event, violations))
        elif rules.subscription.filter and not rules.subscription.filter.passes(event.body):
            past.filtered += 1
        else:
            entry = as_pinned(_entry(event, number, rules.run, judgement), rules.subscription.major)
            if entry is None and event.event_id in held:
                break
            if entry is None:
                past.passed.append(_passed(item, event, [Violation("", NOT_PINNED)]))
            else:
                past.entries.append(entry)
            if is_young or event.event_id in held:
                past.remembered.append(event.event_id)
    return past


def _by_position(item: Item) -> tuple[bool, Position | None, str]:
    """Return what sorts by; what does not say where it stands comes last, as its key sorts."""
    position = position_of(item)
    return position is None, position, text_of(item, "createTime") if position is None else ""


def _event(item: Item) -> Event:
    keys = {name: item[name] for name in ("mark", "createTime") if name in item}
    return convert({"dynamodb": {"NewImage": item, "Keys": keys, "SequenceNumber": "0"}})


def _is_young(item: Item, now: datetime) -> bool:
    """Tell whether an event may not have come through the stream yet."""
    instant = instant_of(text_of(item, "createTime"))
    return instant is None or instant.second > now - STREAM_KEEPS


def _is_wanted_time(item: Item, since: str) -> bool:
    instant, first = instant_of(text_of(item, "createTime")), instant_of(since)
    return since in ("", BEGINNING) or first is None or instant is None or instant >= first


def _judgement(event: Event, contracts: Contracts) -> Judgement:
    return Judgement("", (), [Violation("", event.unfit)]) if event.unfit else contracts.judge(event.body)


def _passed(item: Item, event: Event, violations: Iterable[Violation]) -> Passed:
    told = json.dumps([violation._asdict() for violation in violations], separators=(",", ":"))
    return Passed(event.mark, text_of(item, "createTime"), event.event_id, told)


def _entry(event: Event, number: int, run: str, judgement: Judgement) -> Entry:
    """Return the entry of an event of the past.

    Its de-duplication id is of this run: what the queue has had in the last five minutes, it gets again.
    """
    texts = {
        "eventId": event.event_id,
        "sequenceNumber": str(number).zfill(_NUMBER_DIGITS),
        "history": "true",
        "historyId": run,
        **told_by(judgement),
    }
    return {
        "Id": "0",
        "MessageBody": event.body,
        "MessageGroupId": event.group_id,
        "MessageDeduplicationId": to_deduplication_id(f"{run}#{event.event_id}"),
        "MessageAttributes": {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()},
    }
