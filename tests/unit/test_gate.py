"""Unit tier, `gate.gate`: proves what is held at the gate, when, and what goes on without it.

The store is a fake in memory; test_held_events.py holds the real one to the same behaviour.
"""

import json
from typing import Any

import pytest

from mark_event_queue.domain.contract import load
from mark_event_queue.domain.errors import HeldEventsUnavailableError
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.held import CONTRACT_BROKEN, GATE, PARKED, QUARANTINED
from mark_event_queue.domain.rounds import entries_of, plan
from mark_event_queue.gate.gate import hold_at_gate
from mark_event_queue.validator.validation import validate
from tests.builders import NOTHING_HELD, SCHEMAS, entries, event_input, numbers
from tests.fakes import HeldEventsInMemory

CONTRACT = load(SCHEMAS.parent)
A, B, C = (to_group_id(mark) for mark in "ABC")


def _validated(marks: str, *broken: int, start: int = 1, hold_marks: bool = True) -> dict[str, Any]:
    """Return what the validator makes of one event per mark named, those with these numbers broken."""
    events = [
        event_input(number, mark, body="{}" if number in broken else None) for number, mark in enumerate(marks, start)
    ]
    return validate({"events": events, "held": NOTHING_HELD}, [], CONTRACT, hold_marks)


def _held(store: HeldEventsInMemory) -> dict[str, list[int]]:
    return {group_id: numbers(held) for group_id, held in store.stored(GATE).items()}


def _going(answer: dict[str, Any]) -> list[int]:
    return sorted(numbers(entries_of(answer["plan"])))


def _holding(marks: str) -> HeldEventsInMemory:
    """Return a store that holds the first event of each mark named, which is broken."""
    store = HeldEventsInMemory()
    hold_at_gate(_validated(marks, *range(1, len(marks) + 1)), store, hold_marks=True)
    return store


def test_a_rejected_event_and_its_followers_are_held_and_all_other_marks_go_on():
    """What is held says why, and of its first event which rules it breaks."""
    store = HeldEventsInMemory()

    answer = hold_at_gate(_validated("ABAC", 1), store, hold_marks=True)

    assert _held(store) == {A: [1, 3]}
    assert _going(answer) == [2, 4]
    assert (answer["withheld"], answer["counts"]) == ([], {"valid": 2, "rejected": 1, "behind": 1})
    sequence = store.sequence(GATE, A)
    assert sequence is not None
    assert (sequence.reason, sequence.error, sequence.events) == (QUARANTINED, CONTRACT_BROKEN, 2)
    assert {violation["rule"] for violation in json.loads(sequence.violations)} == {"required"}


def test_what_follows_in_later_batches_is_held_behind():
    """However sound: the mark waits until it is released or discarded, and no other mark does."""
    store = _holding("A")

    answer = hold_at_gate(_validated("BAA", start=2), store, hold_marks=True)

    assert _held(store) == {A: [1, 3, 4]}
    assert _going(answer) == [2]
    assert answer["counts"] == {"valid": 1, "rejected": 0, "behind": 2}


def test_a_mark_with_earlier_events_in_the_batch_is_held_when_they_are_delivered():
    """Its broken event and what follows are handed back for the second look, where nothing goes ahead of them."""
    store = HeldEventsInMemory()

    answer = hold_at_gate(_validated("AABA", 2), store, hold_marks=True)

    assert (_held(store), _going(answer), numbers(answer["withheld"])) == ({}, [1, 3], [2, 4])
    second = hold_at_gate(answer | {"plan": plan([])}, store, hold_marks=True)
    assert (_held(store), second["plan"], second["withheld"]) == ({A: [2, 4]}, plan([]), [])
    assert second["counts"] == answer["counts"] == {"valid": 2, "rejected": 1, "behind": 1}


def test_a_broken_event_behind_a_held_mark_is_held_at_once():
    """What is before it in the batch is held too, so nothing has to be delivered first."""
    store = _holding("A")

    answer = hold_at_gate(_validated("AAB", 3, start=2), store, hold_marks=True)

    assert (_held(store), _going(answer), answer["withheld"]) == ({A: [1, 2, 3]}, [4], [])


def test_a_mark_released_meanwhile_goes_on_and_what_is_broken_of_it_waits_for_that():
    """The sequence ends between look and append: its sound event is sent, the broken one is held after that."""
    store = _holding("A")

    def release(operation: str) -> None:
        if operation == "hold_behind":
            store.held[GATE, A].clear()
            store.heads.pop((GATE, A), None)

    store.before = release
    answer = hold_at_gate(_validated("AA", 3, start=2), store, hold_marks=True)

    assert (_held(store), _going(answer), numbers(answer["withheld"])) == ({}, [2], [3])


def test_what_goes_on_is_planned_anew():
    """Two waves of which little is left go on as one: there are as few calls as for so few events."""
    store = _holding("ABCDEFGHIJKLMN")

    validated = _validated("ABCDEFGHIJKLMNOP", start=20)
    assert len(validated["plan"]["waves"]) == 2

    answer = hold_at_gate(validated, store, hold_marks=True)

    (wave,) = answer["plan"]["waves"]
    assert (numbers(wave), answer["plan"]["parked"]) == ([34, 35], 0)


def test_followers_pass_where_marks_are_not_held():
    """With PassMark exactly what is rejected is held, at once, and nobody is asked what else is."""
    store = _holding("A")
    store.asked.clear()

    answer = hold_at_gate(_validated("ABBB", 4, start=2, hold_marks=False), store, hold_marks=False)

    assert _held(store) == {A: [1], B: [4]}
    assert (_going(answer), answer["withheld"]) == ([2, 3, 5], [])
    assert answer["counts"] == {"valid": 3, "rejected": 1, "behind": 0}
    assert store.asked == []


def test_a_batch_that_comes_again_is_held_once():
    """An execution that failed later brings the same events: what is held stays, in order, and counts once."""
    store = HeldEventsInMemory()
    batch = _validated("ABAC", 1, 2)

    answers = [hold_at_gate(batch, store, hold_marks=True) for _ in range(2)]

    assert answers[0] == answers[1]
    assert _held(store) == {A: [1, 3], B: [2]}
    assert [recipient.events for recipient in store.recipients()] == [3]


def test_a_batch_all_broken_is_held_in_one_go():
    """The gate is named before and after all of it, and asked once, not mark by mark."""
    operations: list[str] = []
    store = HeldEventsInMemory(operations.append)

    answer = hold_at_gate(_validated("ABCABC", *range(1, 7)), store, hold_marks=True)

    assert operations == ["held_from", "name", "hold", "hold", "hold", "name"]
    assert (answer["plan"], answer["counts"]) == (plan([]), {"valid": 0, "rejected": 6, "behind": 0})


def test_a_store_that_fails_fails_the_gate():
    """Nothing goes on before what is held is safe."""
    store = HeldEventsInMemory()

    def fail(operation: str) -> None:
        if operation == "hold":
            raise HeldEventsUnavailableError("throttled")

    store.before = fail
    with pytest.raises(HeldEventsUnavailableError):
        hold_at_gate(_validated("A", 1), store, hold_marks=True)


def test_of_whom_anything_is_held_is_asked_once_it_is_known_what_goes_on():
    """A client for whom events are parked while the gate asks is in the answer; nobody is if nothing goes on."""
    store = HeldEventsInMemory()

    def park(operation: str) -> None:
        if operation == "held_from":
            store.before = lambda _: None
            store.hold("archive", [entries(["A"])], PARKED, "Sqs.SqsException")

    store.before = park

    assert hold_at_gate(_validated("A", start=2), store, hold_marks=True)["held"] == {"recipients": ["archive"]}
    assert hold_at_gate(_validated("B", 3, start=3), store, hold_marks=True)["held"] == {"recipients": []}


def test_the_pin_that_a_batch_satisfies_is_satisfied_by_what_is_left_of_it():
    """Whoever has pinned that major pays for no selection because a mark is held at the gate."""
    store = HeldEventsInMemory()
    validated = _validated("AB", 1)
    validated["held"] = {"recipients": ["gate", "major 1"], "atGate": True}

    assert "major 1" in hold_at_gate(validated, store, hold_marks=True)["held"]["recipients"]
