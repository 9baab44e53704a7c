"""Unit tier, majors side by side: proves what a client that has pinned one gets, what waits, and in which order.

The store of what waits is a fake in memory, true to the table; that the machine asks for a selection only where
it has to is proven in tests/statemachine, the whole way in tests/e2e/test_contract_change.py.
"""

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mark_event_queue.domain.clients import ALWAYS, Subscription
from mark_event_queue.domain.contract import Contracts, load
from mark_event_queue.domain.held import OTHER_MAJOR, PARKED, PINNED
from mark_event_queue.domain.rounds import Entry, entries_of, entry_of, plan, told
from mark_event_queue.domain.versions import as_pinned, pin_of
from mark_event_queue.history.past import Past, Rules, past_of
from mark_event_queue.redrive.redrive import redrive_lane
from mark_event_queue.redrive.standing import Standing, standing_of
from mark_event_queue.selection.selection import Selected, select
from mark_event_queue.validator.validation import validate
from tests.builders import (
    SCHEMAS,
    add_second_major,
    client,
    event_id,
    event_input,
    example,
    item,
    numbers,
    registration_number,
)
from tests.fakes import HeldEventsInMemory, HistoriesFake, QueueInMemory, SubscriptionsFake

NAME = "archive"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAIN = Subscription(NAME, "MarkFanOutClientArchive.fifo", NOW)
ON_1, ON_2 = replace(PLAIN, major=1), replace(PLAIN, major=2)
FIRST, SECOND, BOTH = ("1.0.0",), ("2.0.0",), ("1.0.0", "2.0.0")


@pytest.fixture(scope="module")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Contracts:
    """The published major version and one that knows one more status, and demands a price."""
    folder: Path = tmp_path_factory.mktemp("schemas")
    (folder / "v1").mkdir()
    for path in SCHEMAS.iterdir():
        (folder / "v1" / path.name).write_bytes(path.read_bytes())
    add_second_major(folder)
    return load(folder)


def _entry(number: int, mark: str, versions: tuple[str, ...]) -> Entry:
    label = {"schema": f"LockEvent/{versions[0]}"} if versions else {}
    several = {"schemaVersions": " ".join(versions)} if len(versions) > 1 else {}
    return entry_of(event_input(number, mark, body="{}") | label | several)


def _select(entries: list[Entry], subscription: Subscription, store: HeldEventsInMemory) -> Selected:
    said = SubscriptionsFake({NAME: subscription})
    return select({"client": NAME, "plan": plan(entries)}, said, store, HistoriesFake(), NOW)


def _sent(selected: Selected) -> list[tuple[int, str]]:
    entries = entries_of(selected.plan)
    return [(number, told(entry, "schema")) for number, entry in zip(numbers(entries), entries, strict=True)]


def _is_of(entry: Entry, major: int) -> bool:
    return not major or told(entry, "schema").startswith(f"LockEvent/{major}.")


def _held(store: HeldEventsInMemory) -> dict[str, list[int]]:
    return {group_id: numbers(held) for group_id, held in store.stored(NAME).items()}


def _redrive(
    store: HeldEventsInMemory, queue: QueueInMemory, subscription: Subscription, contracts: Contracts | None = None
) -> dict[str, Any]:
    said = SubscriptionsFake({NAME: subscription})
    standing = standing_of(NAME, said, HistoriesFake(), NOW, (lambda: contracts) if contracts else None)
    group_ids = [sequence.group_id for sequence in store.sequences(NAME, "", 100)]
    request = {"recipient": NAME, "queueUrl": "q", "groupIds": group_ids}
    return redrive_lane(request, store, queue, lambda: True, standing)


@pytest.mark.parametrize(
    ("versions", "major", "label"),
    [
        (FIRST, 0, "LockEvent/1.0.0"),
        (FIRST, 1, "LockEvent/1.0.0"),
        (FIRST, 2, None),
        (SECOND, 1, None),
        (SECOND, 2, "LockEvent/2.0.0"),
        (BOTH, 0, "LockEvent/1.0.0"),
        (BOTH, 1, "LockEvent/1.0.0"),
        (BOTH, 2, "LockEvent/2.0.0"),
        (BOTH, 3, None),
        ((), 1, ""),  # held before there were versions
        ((), 2, None),
    ],
)
def test_a_pinned_client_is_told_its_own_version_or_gets_nothing(versions, major, label):
    """Whoever has pinned none is told the oldest that the event is valid in."""
    entry = as_pinned(_entry(1, "A", versions), major)

    assert (entry and told(entry, "schema")) == label


def test_an_event_that_is_not_valid_in_the_pinned_major_waits_with_what_follows_it():
    """Earlier events of its mark go, and so do other marks."""
    store = HeldEventsInMemory()
    entries = [_entry(1, "A", FIRST), _entry(2, "A", SECOND), _entry(3, "A", FIRST), _entry(4, "B", BOTH)]

    selected = _select(entries, ON_1, store)

    assert sorted(_sent(selected)) == [(1, "LockEvent/1.0.0"), (4, "LockEvent/1.0.0")]
    assert selected.plan["parked"] == 2
    assert _held(store) == {"A": [2, 3]}
    assert store.sequences(NAME, "", 1)[0].reason == PINNED


def test_later_events_of_the_mark_wait_behind_it():
    """Also those of later batches that are valid in the pinned major: the order of the mark comes first."""
    store = HeldEventsInMemory()
    _select([_entry(1, "A", SECOND)], ON_1, store)

    assert _sent(_select([_entry(2, "A", FIRST), _entry(3, "B", FIRST)], ON_1, store)) == [(3, "LockEvent/1.0.0")]
    assert _held(store) == {"A": [1, 2]}


def test_a_client_unpinned_meanwhile_is_not_held_up():
    """Whether it has pinned is asked anew once the hold is announced: what is held nobody would redrive."""
    store = HeldEventsInMemory()
    said = SubscriptionsFake({NAME: ON_1})
    store.before = lambda operation: said.said.update({NAME: PLAIN})

    selected = select({"client": NAME, "plan": plan([_entry(1, "A", SECOND)])}, said, store, HistoriesFake(), NOW)

    assert _sent(selected) == [(1, "LockEvent/2.0.0")]
    assert _held(store) == {}


@pytest.mark.parametrize(
    ("changed", "sent", "held"),
    [(ON_2, [(1, "LockEvent/2.0.0"), (3, "LockEvent/2.0.0")], {"B": [2]}), (None, [(1, ""), (2, ""), (3, "")], {})],
)
def test_a_pin_changed_meanwhile_counts_as_it_is_now(changed, sent, held):
    """What the client takes now goes, with its label, and the rest waits; who has left is no matter any more."""
    store = HeldEventsInMemory()
    said = SubscriptionsFake({NAME: ON_1})
    first = [_entry(1, "A", SECOND), _entry(2, "B", FIRST), _entry(3, "C", BOTH)]
    store.before = lambda operation: said.said.update({NAME: changed})

    selected = select({"client": NAME, "plan": plan(first)}, said, store, HistoriesFake(), NOW)

    got = sorted(_sent(selected))
    assert [number for number, _ in got] == [number for number, _ in sent]
    if changed:
        assert got == sent
    assert _held(store) == held


def test_what_was_held_before_the_major_was_deployed_is_judged_anew(contracts):
    """Its label cannot tell of a version that there was not: an event that is valid in it goes, with that version."""
    store, queue = HeldEventsInMemory(), QueueInMemory()
    for number, status in enumerate(["MARK_ASSIGNED", "SOLD"], start=1):
        body = _event(number, Status=status)["body"]
        entry = entry_of(event_input(number, f"M{number}", body=body) | {"schema": "EntitlementCreateEvent/1.0.0"})
        store.hold(NAME, [[entry]], PARKED, "Fault")

    answer = _redrive(store, queue, ON_2, contracts)

    assert [told(entry, "schema") for entry in queue.received] == ["EntitlementCreateEvent/2.0.0"]
    assert answer["stopped"] == [{"groupId": "M2", "error": OTHER_MAJOR}]


def test_a_redrive_leaves_what_the_client_still_does_not_take():
    """It is told why, and what follows stays behind it; events that it takes go with its version."""
    store, queue = HeldEventsInMemory(), QueueInMemory()
    held = [[_entry(1, "A", BOTH), _entry(2, "A", FIRST), _entry(3, "A", BOTH)], [_entry(4, "B", SECOND)]]
    store.hold(NAME, held, PARKED, "Fault")

    answer = _redrive(store, queue, ON_2)

    assert answer["stopped"] == [{"groupId": "A", "error": OTHER_MAJOR}]
    assert sorted(numbers(queue.received)) == [1, 4]
    assert {told(entry, "schema") for entry in queue.received} == {"LockEvent/2.0.0"}
    assert _held(store) == {"A": [2, 3]}
    assert store.sequence(NAME, "A") is not None
    assert store.sequences(NAME, "", 1)[0].error == OTHER_MAJOR


def test_the_gate_has_pinned_nothing():
    """A release is not asked what a client takes."""
    assert standing_of("gate", SubscriptionsFake({"gate": None}), HistoriesFake(), NOW) == Standing()


@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from([FIRST, SECOND, BOTH])), max_size=12),
    st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=4),
    st.integers(1, 4),
)
def test_whatever_is_pinned_when_every_event_comes_once_and_in_order(events, pins, batch_size):
    """Batches under changing pins, each followed by a redrive; in the end none is pinned, and nothing is left."""
    store, queue = HeldEventsInMemory(), QueueInMemory()
    entries = [_entry(number, *event) for number, event in enumerate(events, start=1)]
    batches = [entries[start : start + batch_size] for start in range(0, len(entries), batch_size)]
    for number, batch in enumerate(batches):
        subscription = replace(PLAIN, major=pins[number % len(pins)])
        for wave in _select(batch, subscription, store).plan["waves"]:
            assert all(_is_of(entry, subscription.major) for entry in wave)
            queue.send("q", wave)
        if number % 2:
            _redrive(store, queue, subscription)
    _redrive(store, queue, PLAIN)

    assert _held(store) == {}
    for mark in "AB":
        got = numbers([entry for entry in queue.received if entry["MessageGroupId"] == mark])
        assert got == [number for number, (of, _) in enumerate(events, start=1) if of == mark]


# ----------------------------------------------------------------------------------------------------------------------
# What the validator and the input of an execution say of it
# ----------------------------------------------------------------------------------------------------------------------
def _event(number: int, **changes: Any) -> dict[str, str]:
    event = example() | {"mark": "A"}
    event["RegistrationNumber"] |= changes
    return event_input(number, "A", body=json.dumps(event))


def _validated(events: list[dict[str, str]], clients: list[dict[str, str]], contracts: Contracts) -> dict[str, Any]:
    batch = {"events": events, "held": {"recipients": ["gate"], "atGate": True}}
    return validate(batch, clients, contracts, hold_marks=True)


def test_a_message_tells_the_schema_and_its_versions(contracts):
    """`schema` is the oldest one; `schemaVersions` is there only where there are several."""
    answer = _validated([_event(1), _event(2, Status="MARK_LEASED")], [], contracts)

    both, second = entries_of(answer["plan"])
    assert (told(both, "schema"), told(both, "schemaVersions")) == ("EntitlementCreateEvent/1.0.0", "1.0.0 2.0.0")
    assert told(second, "schema") == "EntitlementCreateEvent/2.0.0"
    assert "schemaVersions" not in second["MessageAttributes"]


@pytest.mark.parametrize(
    ("statuses", "settled"),
    [
        (["MARK_ASSIGNED", "MARK_AVAILABLE"], ["major 1"]),
        (["MARK_LEASED"], ["major 2"]),
        (["MARK_ASSIGNED", "MARK_LEASED"], []),
    ],
)
def test_a_batch_says_whose_pin_it_satisfies_as_it_is(contracts, statuses, settled):
    """A client that has pinned another major pays for a selection, and nobody else does."""
    clients = [client("one") | {"selects": pin_of(1)}, client("two") | {"selects": pin_of(2)}, client("any")]
    events = [_event(number, Status=status) for number, status in enumerate(statuses, start=1)]

    assert _validated(events, clients, contracts)["held"] == {"recipients": ["gate", *settled], "atGate": True}


def test_where_nobody_has_pinned_anything_nothing_is_said(contracts):
    """The states of ordinary executions hold no word of it."""
    assert _validated([_event(1)], [client("any")], contracts)["held"]["recipients"] == ["gate"]


@pytest.mark.parametrize(
    ("subscription", "selects"),
    [
        (ON_2, "major 2"),
        (replace(ON_2, paused=True), ALWAYS),
        (replace(ON_2, since="beginning"), ALWAYS),
        (PLAIN, ""),
    ],
)
def test_the_input_tells_what_a_client_has_pinned(subscription, selects):
    """A history beside it has every batch looked at: one text cannot say both."""
    assert subscription.as_client()["selects"] == selects


# ----------------------------------------------------------------------------------------------------------------------
# History
# ----------------------------------------------------------------------------------------------------------------------
def _past(
    subscription: Subscription,
    contracts: Contracts,
    at: datetime = NOW - timedelta(days=30),
    held: Collection[str] = (),
) -> Past:
    instant = {"S": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
    states = [
        registration_number(version={"N": str(number)}, eventTime=instant, Status={"S": status}, price=price)
        for number, (status, price) in enumerate(
            [("MARK_ASSIGNED", None), ("MARK_ASSIGNED", {"N": "1"}), ("MARK_LEASED", {"N": "1"})], start=1
        )
    ]
    items = [
        item(number, createTime=instant, RegistrationNumber={"M": state}) for number, state in enumerate(states, 1)
    ]
    return past_of(items, (), held, Rules(contracts, subscription, "run", (), True, NOW))


def test_history_passes_over_what_is_not_valid_in_the_pinned_major(contracts):
    """It is listed with the reason, and the rest comes, each with the client's version."""
    past = _past(replace(ON_2, since="beginning"), contracts)

    assert [told(entry, "schema") for entry in past.entries] == ["LockEvent/2.0.0"] * 2
    (passed,) = past.passed
    assert json.loads(passed.violations) == [{"path": "", "rule": "pinnedMajor"}]


def test_history_leaves_what_is_held_already(contracts):
    """It waits for another pin, and what follows it in its mark is held behind it."""
    past = _past(replace(ON_1, since="beginning"), contracts, held={event_id(3)})

    assert (len(past.entries), past.passed, past.remembered) == (2, [], [])


def test_what_history_passed_over_does_not_come_by_the_stream_either(contracts):
    """What is so young that it may come once more is remembered as what was brought is: nothing overtakes."""
    past = _past(replace(ON_1, since="beginning"), contracts, at=NOW - timedelta(hours=1))

    assert (len(past.entries), len(past.passed), len(past.remembered)) == (2, 1, 3)
