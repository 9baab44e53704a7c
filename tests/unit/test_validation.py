"""Unit tier, `validator.validation`: proves what becomes of valid and of rejected events, and that no value leaks.

Which events are valid is the contract's matter; tests/contract proves that.
"""

import json
from typing import Any

import pytest

from mark_event_queue.domain.budget import budget
from mark_event_queue.domain.contract import Contracts, load
from mark_event_queue.domain.held import violations_of
from mark_event_queue.domain.rounds import entries_of, entry_of, plan
from mark_event_queue.validator.validation import summary, validate
from tests.builders import NOTHING_HELD, SCHEMAS, client, event_id, event_input, example, numbers, sequence_number

PERSONAL = "Jane Secret, 01632 960999"


@pytest.fixture(scope="module")
def contract() -> Contracts:
    """The published contract."""
    return load(SCHEMAS.parent)


def _validate(events: list[dict[str, str]], clients: list[Any], contract: Contracts, hold_marks: bool = True) -> Any:
    return validate({"events": events, "held": NOTHING_HELD}, clients, contract, hold_marks)


def _violations(withheld: dict[str, Any]) -> list[dict[str, str]]:
    violations: list[dict[str, str]] = json.loads(violations_of(withheld))
    return violations


def _broken(number: int, **registration_number: Any) -> dict[str, str]:
    body = example()
    body["RegistrationNumber"] |= registration_number
    return event_input(number, body=json.dumps(body))


def test_valid_events_are_planned(contract):
    """Every valid event is in the plan, in order within its mark, and nothing is withheld."""
    answer = _validate([event_input(1, "A"), event_input(2, "B"), event_input(3, "A")], [], contract)

    assert [numbers(wave) for wave in answer["plan"]["waves"]] == [[1, 2], [3]]
    assert answer["withheld"] == []
    assert answer["counts"] == {"valid": 3, "rejected": 0, "behind": 0}


def test_a_body_travels_untouched(contract):
    """A valid event's text is not written anew: its spelling of numbers, its order and its spaces stay."""
    body = json.dumps(example()).replace("299", "299.500000000000000000000000000000001 ")

    answer = _validate([event_input(body=body)], [], contract)

    assert entries_of(answer["plan"])[0]["MessageBody"] == body


def test_a_rejected_event_keeps_all_that_it_is_found_and_ordered_by(contract):
    """The gate gets the entry that a client would have got, and the rule that was broken, with its place."""
    event = _broken(2, Status="SOLD")

    answer = _validate([event_input(1), event], [], contract)

    (rejected,) = answer["withheld"]
    assert {name: value for name, value in rejected.items() if name != "Violations"} == entry_of(event)
    assert _violations(rejected) == [{"path": "/RegistrationNumber/Status", "rule": "enum"}]
    assert answer["counts"] == {"valid": 1, "rejected": 1, "behind": 0}
    assert numbers(entries_of(answer["plan"])) == [1]


def test_what_follows_a_rejected_event_of_its_mark_is_withheld_behind_it(contract):
    """What came before goes on, and so do all other marks; of a follower nothing is broken."""
    events = [event_input(1, "A"), event_input(2, "A", body="{}"), event_input(3, "B"), event_input(4, "A")]

    answer = _validate(events, [], contract)

    assert numbers(entries_of(answer["plan"])) == [1, 3]
    assert numbers(answer["withheld"]) == [2, 4]
    assert answer["withheld"][1] == entry_of(events[3])
    assert answer["counts"] == {"valid": 2, "rejected": 1, "behind": 1}


def test_followers_pass_where_marks_are_not_held(contract):
    """With PassMark the rejected event alone is withheld, and what follows it goes on."""
    events = [event_input(1, "A"), event_input(2, "A", body="{}"), event_input(3, "A")]

    answer = _validate(events, [], contract, hold_marks=False)

    assert numbers(entries_of(answer["plan"])) == [1, 3]
    assert numbers(answer["withheld"]) == [2]
    assert answer["counts"] == {"valid": 2, "rejected": 1, "behind": 0}


def test_a_follower_that_breaks_the_contract_too_says_so(contract):
    """Every withheld event is judged: what becomes the first once those before it are gone is known by its rules."""
    answer = _validate([_broken(1, Status="SOLD"), _broken(2, version=0)], [], contract)

    assert [[violation["rule"] for violation in _violations(entry)] for entry in answer["withheld"]] == [
        ["enum"],
        ["minimum"],
    ]
    assert answer["counts"] == {"valid": 0, "rejected": 2, "behind": 0}


def test_rejected_events_keep_their_order(contract):
    """The gate receives a mark's rejected events in the order in which they were given."""
    answer = _validate([_broken(number, version=0) for number in (3, 1, 2)], [], contract)

    assert [rejected["MessageDeduplicationId"] for rejected in answer["withheld"]] == [*map(event_id, (3, 1, 2))]
    assert answer["plan"] == plan([])


def test_an_unfit_event_is_rejected_for_its_reason(contract):
    """What conversion could not make an event of is rejected whatever its body says."""
    answer = _validate([event_input() | {"unfit": "too large for a batch"}], [], contract)

    (rejected,) = answer["withheld"]
    assert _violations(rejected) == [{"path": "", "rule": "too large for a batch"}]
    assert rejected["Unfit"] == "too large for a batch"


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
    (rejected,) = _validate([_broken(1, **changes)], [], contract)["withheld"]

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

    answer = _validate([event_input(1, body=body), event_input(2, "B")], [], contract)

    assert [_violations(rejected) for rejected in answer["withheld"]] == [[{"path": "", "rule": "unreadable"}]]
    assert answer["counts"] == {"valid": 1, "rejected": 1, "behind": 0}


def test_few_rejected_events_keep_all_their_violations(contract):
    """Where there is room, every broken rule is told, not only the first."""
    (rejected,) = _validate([_broken(1, Status="SOLD", version=0)], [], contract)["withheld"]

    assert [violation["rule"] for violation in _violations(rejected)] == ["enum", "minimum"]


def test_violations_that_leave_no_room_give_way_to_the_first(contract):
    """Many events that break many rules: each keeps one, so that the states of the execution stay within bounds."""
    body = json.dumps({"eventName": "LockEvent", "RegistrationNumber": {"Status": 1, "price": ""}})
    events = [event_input(number, body=body) for number in range(400)]
    clients = [client()]

    answer = _validate(events, clients, contract)

    assert [len(_violations(rejected)) for rejected in answer["withheld"]] == [1] * 400
    assert len(json.dumps(answer)) <= budget(clients)
    (alone,) = _validate(events[:1], clients, contract)["withheld"]
    assert _violations(answer["withheld"][0]) == _violations(alone)[:1]
    assert len(_violations(alone)) > 1


def test_a_log_tells_in_one_line_what_was_withheld_however_much_that_is(contract):
    """How many events, the ten commonest violations with their numbers, and the ids of the first ten events."""
    events = [event_input(number, str(number), body='{"eventName":""}' if number % 3 else "{}") for number in range(30)]
    withheld = _validate(events, [], contract)["withheld"]
    unfit = [entry | {"Unfit": f"reason {number}"} for number, entry in enumerate(withheld[:12])]

    (told,) = summary(withheld)

    assert (told["events"], list(told["violations"].values())) == (30, [20, 10])
    assert {json.loads(violations)[0]["rule"] for violations in told["violations"]} <= {"required", "enum"}
    assert told["first_event_ids"] == [event_id(number) for number in range(10)]
    (various,) = summary(unfit)
    assert (various["events"], len(various["violations"]), len(various["first_event_ids"])) == (12, 10, 10)
    assert summary([]) == []


def test_nothing_in_makes_nothing_out(contract):
    """No events make an empty plan, and nothing is withheld; of whom anything is held goes on as it came."""
    assert _validate([], [], contract) == {
        "plan": plan([]), "withheld": [], "counts": {"valid": 0, "rejected": 0, "behind": 0},
        "forgotten": [], "held": NOTHING_HELD,
    }  # fmt: skip


def test_of_whom_anything_is_held_goes_on_as_it_came(contract):
    """The validator has nothing to say to that; what decides on it finds it beside the plan."""
    held = {"recipients": ["archive", "gate", "/0123"], "atGate": True}

    assert validate({"events": [event_input()], "held": held}, [], contract, hold_marks=True)["held"] == held


def test_the_entry_names_the_event_and_its_place(contract):
    """A client can drop repeats itself: the attributes are event id, sequence number, schema and its version."""
    answer = _validate([event_input(5)], [], contract)

    attributes = entries_of(answer["plan"])[0]["MessageAttributes"]
    assert {name: attribute["StringValue"] for name, attribute in attributes.items()} == {
        "eventId": event_id(5),
        "sequenceNumber": sequence_number(5),
        "schema": "EntitlementCreateEvent/1.0.0",
    }
