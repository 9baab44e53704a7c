"""Unit tier, `validator.validation`: proves what becomes of valid and of rejected events, and that no value leaks.

Which events are valid is the contract's matter; tests/contract proves that.
"""

import json
from typing import Any

import pytest

from mark_event_queue.domain.budget import budget
from mark_event_queue.domain.contract import Contract, load
from mark_event_queue.domain.lanes import entries_of
from mark_event_queue.validator.validation import validate
from tests.builders import SCHEMAS, client, event_id, event_input, example, numbers, sequence_number

PERSONAL = "Jane Secret, 01632 960999"


@pytest.fixture(scope="module")
def contract() -> Contract:
    """The published contract."""
    return load(SCHEMAS)


def _violations(rejected: dict[str, str]) -> list[dict[str, str]]:
    violations: list[dict[str, str]] = json.loads(rejected["Violations"])
    return violations


def _broken(number: int, **registration_number: Any) -> dict[str, str]:
    body = example()
    body["RegistrationNumber"] |= registration_number
    return event_input(number, body=json.dumps(body))


def test_valid_events_travel_in_lanes(contract):
    """Every valid event is in the lanes, in order within its mark, and nothing is rejected."""
    answer = validate([event_input(1, "A"), event_input(2, "B"), event_input(3, "A")], [], contract)

    (lane,) = answer["lanes"]
    assert [numbers(wave) for wave in lane["waves"]] == [[1, 2], [3]]
    assert answer["rejected"] == []
    assert answer["counts"] == {"valid": 3, "rejected": 0}


def test_a_body_travels_untouched(contract):
    """A valid event's text is not written anew: its spelling of numbers, its order and its spaces stay."""
    body = json.dumps(example()).replace("299", "299.500000000000000000000000000000001 ")

    (lane,) = validate([event_input(body=body)], [], contract)["lanes"]

    assert entries_of(lane)[0]["MessageBody"] == body


def test_a_rejected_event_keeps_all_that_it_is_found_and_ordered_by(contract):
    """Quarantine gets body, group and de-duplication id as they were, and the rule that was broken, with its place."""
    event = _broken(2, Status="SOLD")

    answer = validate([event_input(1), event], [], contract)

    (rejected,) = answer["rejected"]
    assert rejected["MessageBody"] == event["body"]
    assert rejected["MessageGroupId"] == event["groupId"]
    assert rejected["MessageDeduplicationId"] == event_id(2)
    assert _violations(rejected) == [{"path": "/RegistrationNumber/Status", "rule": "enum"}]
    assert answer["counts"] == {"valid": 1, "rejected": 1}
    assert [numbers(entries_of(lane)) for lane in answer["lanes"]] == [[1]]


def test_rejected_events_keep_their_order(contract):
    """The quarantine receives a mark's rejected events in the order of the stream."""
    answer = validate([_broken(number, version=0) for number in (3, 1, 2)], [], contract)

    assert [rejected["MessageDeduplicationId"] for rejected in answer["rejected"]] == [*map(event_id, (3, 1, 2))]
    assert answer["lanes"] == []


def test_an_unfit_event_is_rejected_for_its_reason(contract):
    """What conversion could not make an event of is rejected whatever its body says."""
    answer = validate([event_input() | {"unfit": "too large for a batch"}], [], contract)

    (rejected,) = answer["rejected"]
    assert _violations(rejected) == [{"path": "", "rule": "too large for a batch"}]


@pytest.mark.parametrize(
    "changes",
    [
        {"price": PERSONAL},
        {"entitlement": PERSONAL},
        {
            "entitlement": {
                "telephoneNo": [PERSONAL],
                "address": {"addLine1": {PERSONAL: PERSONAL}, "postcode": [PERSONAL]},
            }
        },
        {"eventTime": PERSONAL, "lockTime": PERSONAL, "Status": PERSONAL},
        {"version": {PERSONAL: PERSONAL}, PERSONAL: PERSONAL},
    ],
)
def test_violations_hold_no_value(contract, changes):
    """Places and rules only: what broke a rule may be somebody's name, and violations end in logs."""
    (rejected,) = validate([_broken(1, **changes)], [], contract)["rejected"]

    assert _violations(rejected)
    assert all(part not in rejected["Violations"] for part in ("Jane", "Secret", "01632"))


@pytest.mark.parametrize(
    "value",
    ['"\\ud800"', "1" * 5_000, "1E9999999999999999999", "NaN", "-Infinity", "[" * 100_000 + "]" * 100_000],
    ids=["lone surrogate", "5,000 digits", "exponent beyond any", "no number", "infinite", "100,000 deep"],
)
def test_an_event_that_no_reader_can_read_is_rejected_alone(contract, value):
    """JSON beyond what readers agree on costs the event, and not the batch that it is in."""
    body = json.dumps(example()).replace('"price": 299', f'"price": {value}')

    answer = validate([event_input(1, body=body), event_input(2)], [], contract)

    assert [_violations(rejected) for rejected in answer["rejected"]] == [[{"path": "", "rule": "unreadable"}]]
    assert answer["counts"] == {"valid": 1, "rejected": 1}


def test_few_rejected_events_keep_all_their_violations(contract):
    """Where there is room, every broken rule is told, not only the first."""
    (rejected,) = validate([_broken(1, Status="SOLD", version=0)], [], contract)["rejected"]

    assert [violation["rule"] for violation in _violations(rejected)] == ["enum", "minimum"]


def test_violations_that_leave_no_room_give_way_to_the_first(contract):
    """Many events that break many rules: each keeps one, so that the states of the execution stay within bounds."""
    body = json.dumps({"eventName": "LockEvent", "RegistrationNumber": {"Status": 1, "price": ""}})
    events = [event_input(number, body=body) for number in range(400)]
    clients = [client()]

    answer = validate(events, clients, contract)

    assert [len(_violations(rejected)) for rejected in answer["rejected"]] == [1] * 400
    assert len(json.dumps(answer)) <= budget(clients)
    (alone,) = validate(events[:1], clients, contract)["rejected"]
    assert _violations(answer["rejected"][0]) == _violations(alone)[:1]
    assert len(_violations(alone)) > 1


def test_nothing_in_makes_nothing_out(contract):
    """No events make no lanes and no rejections."""
    assert validate([], [], contract) == {"lanes": [], "rejected": [], "counts": {"valid": 0, "rejected": 0}}


def test_the_entry_names_the_event_and_its_place(contract):
    """A client can drop repeats itself: the entry's attributes are the event id and the sequence number."""
    (lane,) = validate([event_input(5)], [], contract)["lanes"]

    attributes = entries_of(lane)[0]["MessageAttributes"]
    assert {name: attribute["StringValue"] for name, attribute in attributes.items()} == {
        "eventId": event_id(5),
        "sequenceNumber": sequence_number(5),
    }
