"""Unit tier, `parking.parking`: proves the rule "while a sequence is held, its further events are held behind".

The store is a fake in memory; test_held_events.py holds the real one to the same behaviour.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.held import PARKED
from mark_event_queue.domain.holding import hold_followers
from mark_event_queue.domain.rounds import Plan, entries_of, plan
from mark_event_queue.parking.parking import errors_by_id, park
from tests.builders import numbers, planned, refused_alone, round_lost
from tests.fakes import HeldEventsInMemory

A, B, C = (to_group_id(mark) for mark in "ABC")
NO_TIME = round_lost("DeliveryDeadlinePassed")

# Three waves of ten marks each, then one more event of every third mark.
_THIRTY = [f"M{number:02}" for number in range(30)]
_EVERY_THIRD = _THIRTY[::3]


def _stored(store: HeldEventsInMemory, client: str = "archive") -> dict[str, list[int]]:
    return {group_id: numbers(held) for group_id, held in store.stored(client).items()}


def _errors(store: HeldEventsInMemory) -> dict[str, str]:
    return {sequence.group_id: sequence.error for sequence in store.sequences("archive", "", 100)}


def _to_send(of: Plan) -> list[int]:
    return numbers(entries_of(of))


def _sent(of: Plan, lost: Mapping[int, str] | None = None, refused: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what the state machine tells of a round: errors of its waves, by their places, and of single entries."""
    lost, refused = lost or {}, refused or {}
    return {
        "refused": list(refused),
        "lost": [[entry["Id"] for entry in of["waves"][place]] for place in lost],
        "errors": list(lost.values()),
        "resent": {"refused": list(refused), "errors": list(refused.values())},
    }


def _request(of: Plan, sent: Mapping[str, Any], client: str = "archive") -> dict[str, Any]:
    return {"client": client, "plan": of, "sent": sent}


def _parked(store: HeldEventsInMemory, mark: str, client: str = "archive") -> None:
    of = planned([mark])
    park(_request(of, _sent(of, lost={0: "Sqs.SqsException"}), client), store)


def _ending(store: HeldEventsInMemory, group_id: str, writes: int) -> Callable[[str], None]:
    """Let a redrive empty and end the sequence after this many further writes to it."""
    left = iter([*[False] * writes, True])

    def redrive(operation: str) -> None:
        if operation == "hold_behind" and next(left, False):
            store.held["archive", group_id].clear()
            del store.heads["archive", group_id]

    return redrive


# ----------------------------------------------------------------------------------------------------------------------
# What a round could not deliver
# ----------------------------------------------------------------------------------------------------------------------
def test_a_failed_call_parks_each_sequence_in_order():
    """The marks of a lost wave are parked with all that follows, each as a sequence of its own with the error."""
    store = HeldEventsInMemory()
    of = planned(["A", "B", "A", "C", "A"])

    rest = park(_request(of, _sent(of, lost={0: "Sqs.QueueDoesNotExist"})), store)

    assert _stored(store) == {A: [1, 3, 5], B: [2], C: [4]}
    why = {(sequence.reason, sequence.error) for sequence in store.sequences("archive", "", 10)}
    assert why == {(PARKED, "Sqs.QueueDoesNotExist")}
    assert (rest["last"], rest["parked"]) == (-1, 5)


def test_a_round_without_time_is_parked_whole():
    """Null for `lost` parks every mark that is left, with what it follows, by the one error that there is."""
    store = HeldEventsInMemory()
    of = planned(["A", "B", "A", "C", "A"])

    rest = park(_request(of, NO_TIME), store)

    assert _stored(store) == {A: [1, 3, 5], B: [2], C: [4]}
    assert set(_errors(store).values()) == {"DeliveryDeadlinePassed"}
    assert rest == plan([], parked=5)


def test_a_later_round_without_time_parks_nothing_that_was_sent():
    """What the rounds before it brought has arrived; the count goes on from theirs."""
    store = HeldEventsInMemory()
    of = planned(["A", "B", "A", "C", "A"])

    rest = park(_request(of | {"cursor": 1, "now": of["rounds"][1], "parked": 2}, NO_TIME), store)

    assert _stored(store) == {A: [3, 5]}
    assert rest == plan([], parked=4)


def test_refused_events_are_parked_with_their_followers_alone():
    """The other marks of the wave were accepted: they are not parked, and their next events go on."""
    store = HeldEventsInMemory()
    of = planned(["A", "B", "A", "B", "C"])

    rest = park(_request(of, _sent(of, refused={"0-1": "Sqs.InvalidContents"})), store)

    assert _stored(store) == {B: [2, 4]}
    assert _to_send(rest) == [3]


def test_what_was_accepted_alone_is_not_parked():
    """Refused with its wave, it was delivered in a call of its own: it is not held, and neither is what follows."""
    store = HeldEventsInMemory()
    sent = refused_alone("Sqs.SqsException", "0-1") | {"refused": ["0-0", "0-1"]}

    rest = park(_request(planned(["A", "B", "A", "B"]), sent), store)

    assert _stored(store) == {B: [2, 4]}
    assert _to_send(rest) == [3]


def test_a_lost_wave_holds_up_no_other_wave_of_its_round():
    """The marks of the waves that arrived go on with their next events."""
    store = HeldEventsInMemory()
    of = planned([*_THIRTY, *_EVERY_THIRD])

    rest = park(_request(of, _sent(of, lost={1: "Sqs.SqsException"})), store)

    followers = {"M12": [35], "M15": [36], "M18": [37]}
    assert _stored(store) == {f"M{place}": [place + 1, *followers.get(f"M{place}", [])] for place in range(10, 20)}
    assert _to_send(rest) == [31 + place for place, mark in enumerate(_EVERY_THIRD) if mark not in _THIRTY[10:20]]
    assert rest["parked"] == 13


def test_waves_that_were_lost_for_different_reasons_are_held_with_their_own():
    """Whoever looks at a mark finds what refused it, and not what refused its neighbours."""
    store = HeldEventsInMemory()
    of = planned([*_THIRTY, *_EVERY_THIRD])

    park(_request(of, _sent(of, lost={0: "States.Timeout", 2: "Sqs.KmsDisabledException"})), store)

    assert _errors(store) == dict.fromkeys(_THIRTY[:10], "States.Timeout") | dict.fromkeys(
        _THIRTY[20:], "Sqs.KmsDisabledException"
    )
    assert _stored(store)["M00"] == [1, 31]
    assert _stored(store)["M27"] == [28, 40]


def test_single_events_that_were_refused_for_different_reasons_are_held_with_their_own():
    """One wave, three reasons: also those that follow are held with what refused the first of their mark."""
    store = HeldEventsInMemory()
    of = planned(["A", "B", "C", "D", "A", "C", "A"])
    refused = {"0-0": "Sqs.InvalidMessageContents", "0-1": "States.Timeout", "0-2": "Sqs.SqsException"}

    rest = park(_request(of, _sent(of, refused=refused)), store)

    assert _errors(store) == dict(zip((A, B, C), refused.values(), strict=True))
    assert _stored(store) == {A: [1, 5, 7], B: [2], C: [3, 6]}
    assert rest == plan([], parked=6)


def test_a_lost_wave_and_refused_events_of_another_meet_in_one_round():
    """Each sequence is held once, with the error of its own first entry; what was accepted goes on."""
    store = HeldEventsInMemory()
    of = planned([*_THIRTY, *_EVERY_THIRD])
    sent = _sent(of, lost={1: "States.Timeout"}, refused={"0-3": "Sqs.SqsException", "2-9": "Sqs.UnsupportedOperation"})

    rest = park(_request(of, sent), store)

    assert _errors(store) == dict.fromkeys(_THIRTY[10:20], "States.Timeout") | {
        "M03": "Sqs.SqsException",
        "M29": "Sqs.UnsupportedOperation",
    }
    assert _stored(store)["M03"] == [4, 32]
    assert (rest["parked"], len(_to_send(rest))) == (16, 6)


def test_an_error_of_a_later_round_is_that_of_the_event_that_it_refused():
    """An Id names the wave in the plan as a whole: what it means does not depend on the round."""
    store = HeldEventsInMemory()
    of = planned(["A", "B", "C", "A", "B", "B"])
    second = of | {"cursor": 1, "now": of["rounds"][1]}

    rest = park(_request(second, _sent(second, refused={"1-0": "States.Timeout", "1-1": "Sqs.SqsException"})), store)

    assert _errors(store) == {A: "States.Timeout", B: "Sqs.SqsException"}
    assert _stored(store) == {A: [4], B: [5, 6]}
    assert rest == plan([], parked=3)


@given(st.data())
def test_whatever_a_round_did_not_bring_is_held_with_its_own_error(data):
    """Any waves lost and any single events refused, each by an error of its own: no mark is told another's."""
    marks = data.draw(st.lists(st.sampled_from(_THIRTY), min_size=1, max_size=60))
    store, of = HeldEventsInMemory(), planned(marks)
    errors = st.sampled_from(["States.Timeout", "Sqs.SqsException", "Sqs.KmsDisabledException"])
    lost = data.draw(st.dictionaries(st.sampled_from(of["now"]), errors))
    entry_by_id = {entry["Id"]: entry for place in of["now"] if place not in lost for entry in of["waves"][place]}
    ids = st.sampled_from(sorted(entry_by_id)) if entry_by_id else st.nothing()
    refused = data.draw(st.dictionaries(ids, errors))

    rest = park(_request(of, _sent(of, lost, refused)), store)

    own = {entry["MessageGroupId"]: error for place, error in lost.items() for entry in of["waves"][place]}
    own |= {entry_by_id[id_]["MessageGroupId"]: error for id_, error in refused.items()}
    assert _errors(store) == own
    in_order: dict[str, list[int]] = {}
    for number, mark in enumerate(marks, start=1):
        in_order.setdefault(mark, []).append(number)
    assert _stored(store) == {mark: in_order[mark] for mark in own}
    assert sorted(_to_send(rest)) == sorted(
        number for mark, numbers_ in in_order.items() if mark not in own for number in numbers_[1:]
    )
    assert rest["parked"] == sum(len(in_order[mark]) for mark in own)


def test_a_round_is_parked_in_one_go():
    """However many marks are parked for one reason, the client is named once before their events and once after."""
    operations: list[str] = []
    store = HeldEventsInMemory(operations.append)
    of = planned(["A", "B", "A", "C"])

    park(_request(of, _sent(of, lost={0: "Sqs.SqsException"})), store)

    assert operations == ["name", "hold", "hold", "hold", "name"]


def test_waves_that_were_lost_for_one_reason_are_parked_in_one_go():
    """It takes as many goes as there are reasons, whichever waves they are of."""
    operations: list[str] = []
    store = HeldEventsInMemory(operations.append)
    of = planned(_THIRTY)

    park(_request(of, _sent(of, lost=dict.fromkeys(range(3), "Sqs.SqsException"))), store)

    assert operations == ["name", *["hold"] * 30, "name"]


@pytest.mark.parametrize(
    "sent",
    [
        {"lost": [["0-0"], ["0-1"]], "errors": ["Fault"], "resent": {"refused": [], "errors": []}},
        {"lost": [], "errors": [], "resent": {"refused": ["0-0"], "errors": ["Fault", "Fault"]}},
    ],
)
def test_errors_that_do_not_match_what_they_are_of_are_refused(sent: dict[str, Any]):
    """A defect of the definition shows itself as such, and not as a reason that somebody else's events have."""
    store = HeldEventsInMemory()

    with pytest.raises(ValueError, match="zip"):
        park(_request(planned(["A", "B"]), sent), store)
    assert _stored(store) == {}


def test_a_round_without_time_has_no_errors_by_event():
    """None stands for all of it: an empty mapping would stand for nothing."""
    assert errors_by_id(NO_TIME) is None
    assert errors_by_id(_sent(planned(["A"]))) == {}


# ----------------------------------------------------------------------------------------------------------------------
# What follows
# ----------------------------------------------------------------------------------------------------------------------
def test_an_event_from_before_the_first_held_one_is_not_held_up():
    """It has been dealt with, or is late anyway: behind the others it would come later still."""
    store = HeldEventsInMemory()
    store.hold("archive", [planned(["A", "A", "A"])["waves"][2]], PARKED, "Sqs.SqsException")

    selected = hold_followers("archive", planned(["A", "A", "A", "A"]), store)

    assert _to_send(selected) == [1, 2]
    assert _stored(store) == {A: [3, 4]}


def test_where_the_first_held_event_is_not_known_all_are_held():
    """A sequence from which events are being taken does not say which is its first: none may pass it."""
    store = HeldEventsInMemory()
    _parked(store, "A")
    store.heads["archive", A].first = None

    selected = hold_followers("archive", planned(["A", "A"]), store)

    assert (_to_send(selected), selected["parked"]) == ([], 2)
    assert store.heads["archive", A].first is None


def test_events_behind_a_parked_sequence_are_held_and_the_rest_goes_on():
    """Of the plan, exactly the parked sequence's events are taken out, and stored behind it in order."""
    store = HeldEventsInMemory()
    _parked(store, "A")

    selected = hold_followers("archive", planned(["B", "A", "A", "C"]), store)

    assert _stored(store) == {A: [1, 2, 3]}
    assert _to_send(selected) == [1, 4]
    assert selected["parked"] == 2


def test_a_client_is_held_back_for_its_own_sequences_alone():
    """What is parked for one client parks nothing of another's."""
    store = HeldEventsInMemory()
    _parked(store, "A", client="failing")

    selected = hold_followers("archive", planned(["A", "B"]), store)

    assert _to_send(selected) == [1, 2]
    assert _stored(store) == {}


def test_all_waves_are_asked_for_in_one_go():
    """However many waves and rounds, the store is asked once, for each group once."""
    store = HeldEventsInMemory()
    marks = [str(number) for number in range(25)]
    of = planned(marks + marks)
    assert [len(round_) for round_ in of["rounds"]] == [3, 3]

    selected = hold_followers("archive", of, store)

    assert [sorted(asked) for asked in store.asked] == [sorted(map(to_group_id, marks))]
    assert selected == of


def test_a_sequence_that_ends_before_the_append_is_sent():
    """A redrive that empties the sequence between check and append leaves its events in the plan."""
    store = HeldEventsInMemory()
    _parked(store, "A")
    store.before = _ending(store, A, 0)

    selected = hold_followers("archive", planned(["A", "B", "A"]), store)

    assert _to_send(selected) == [1, 2, 3]
    assert selected["parked"] == 0


def test_a_sequence_that_ends_during_the_append_sends_only_what_came_too_late():
    """What was appended the redrive delivers; what found the sequence ended follows in the plan."""
    store = HeldEventsInMemory(events_per_write=2)
    _parked(store, "A")
    store.before = _ending(store, A, 1)

    selected = hold_followers("archive", planned(["A", "A", "A", "B"]), store)

    assert _to_send(selected) == [4, 3]
    assert selected["parked"] == 2


def test_a_batch_that_is_all_held_leaves_a_plan_with_nothing_to_send():
    """A plan that was emptied has no rounds, and says how many events it held back."""
    store = HeldEventsInMemory()
    _parked(store, "A")

    selected = hold_followers("archive", planned(["A", "A"]), store)

    assert selected == {"waves": [], "rounds": [], "now": [], "cursor": 0, "last": -1, "parked": 2}
