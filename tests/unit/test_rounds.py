"""Unit tier, `domain.rounds`: proves that no plan and no sequence of refusals lets a mark overtake itself.

It cannot prove that the state machine walks a plan as the replay here does; tests/statemachine does that.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mark_event_queue.domain.errors import MalformedPlanError
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.rounds import Entry, Plan, entries_of, entry_of, part, plan, sequences_of, without
from tests.builders import entries, event_id, event_input, numbers, planned, sequence_number

NOTHING: Plan = {"waves": [], "rounds": [], "now": [], "cursor": 0, "last": -1, "parked": 0}

# Between them: one mark with many events, many marks with one, and waves that are just full.
_MARKS = st.one_of(
    st.lists(st.sampled_from("ABC"), max_size=40),
    st.lists(st.integers(0, 35).map(str), max_size=80),
    st.permutations([str(number) for number in range(30)]),
)


def _groups(of_entries: list[Entry]) -> list[str]:
    return [entry["MessageGroupId"] for entry in of_entries]


def _by_group(of_entries: list[Entry]) -> dict[str, list[int]]:
    return {sequence[0]["MessageGroupId"]: numbers(sequence) for sequence in sequences_of(of_entries)}


def _rounds(of: Plan) -> list[list[Entry]]:
    """Return the entries of each round, from the first on."""
    return [[entry for place in round_ for entry in of["waves"][place]] for round_ in of["rounds"]]


def _next_round(of: Plan) -> Plan:
    """Return the plan as the state machine goes on with it behind a round that was accepted."""
    cursor = of["cursor"] + 1
    return of | {"cursor": cursor, "now": of["rounds"][cursor] if cursor <= of["last"] else []}


def _assert_well_made(of: Plan) -> None:
    """Every plan, whatever it was made from: rounds and waves, Ids and places are what the state machine relies on."""
    assert of.keys() == NOTHING.keys()
    assert [place for round_ in of["rounds"] for place in round_] == list(range(len(of["waves"])))
    assert all(of["rounds"])
    assert (of["cursor"], of["last"]) == (0, len(of["rounds"]) - 1)
    assert of["now"] == (of["rounds"][0] if of["rounds"] else [])
    for number, wave in enumerate(of["waves"]):
        assert [entry["Id"] for entry in wave] == [f"{number}-{place}" for place in range(len(wave))]
        assert 1 <= len(wave) <= 10


def test_an_entry_is_what_send_message_batch_takes():
    """An entry carries the body untouched, group, de-duplication id, and both attributes a client needs."""
    event = event_input(4, "AFC 6", body='{"price":299.50}')

    assert entry_of(event) == {
        "Id": "0",
        "MessageBody": '{"price":299.50}',
        "MessageGroupId": "AFC%206",
        "MessageDeduplicationId": event_id(4),
        "MessageAttributes": {
            "eventId": {"DataType": "String", "StringValue": event_id(4)},
            "sequenceNumber": {"DataType": "String", "StringValue": sequence_number(4)},
        },
    }


@given(_MARKS)
def test_no_wave_holds_two_events_of_a_mark_or_more_than_ten(marks):
    """One call never carries two events of one group, nor more than SQS takes, nor nothing."""
    for wave in planned(marks)["waves"]:
        assert 1 <= len(wave) <= 10
        assert len(set(_groups(wave))) == len(wave)


@given(_MARKS)
def test_no_two_waves_that_leave_side_by_side_hold_events_of_a_mark(marks):
    """What leaves at the same time may arrive in any order: a round has one event of a mark at most."""
    for round_ in _rounds(planned(marks)):
        assert len(set(_groups(round_))) == len(round_)


@given(_MARKS)
def test_a_marks_nth_event_is_in_the_nth_round(marks):
    """Each event of a group leaves a round behind the one before it; nothing is lost or doubled."""
    found: dict[tuple[str, int], list[int]] = {}
    for place, round_ in enumerate(_rounds(planned(marks))):
        for entry in round_:
            found.setdefault((entry["MessageGroupId"], place), []).extend(numbers([entry]))

    assert found == {
        (group_id, place): [number]
        for group_id, in_order in _by_group(entries(marks)).items()
        for place, number in enumerate(in_order)
    }


@given(_MARKS)
def test_calls_are_as_few_as_waves_of_ten_allow(marks):
    """A round has a call for every ten marks that have so many events, and there are no more rounds than events."""
    lengths = [len(sequence) for sequence in sequences_of(entries(marks))]
    longest = max(lengths, default=0)

    calls = [len(round_) for round_ in planned(marks)["rounds"]]

    assert calls == [-(-sum(length >= events for length in lengths) // 10) for events in range(1, longest + 1)]


@given(_MARKS)
def test_an_id_is_the_wave_and_the_place_in_it(marks):
    """An Id that SQS names in `Failed` finds its entry in the plan as a whole, whichever wave it was in."""
    of = planned(marks)

    _assert_well_made(of)
    found = [of["waves"][int(wave)][int(place)] for wave, place in (e["Id"].split("-") for e in entries_of(of))]
    assert found == entries_of(of)


def test_a_hundred_events_of_a_hundred_marks_are_ten_calls_side_by_side():
    """The ordinary batch takes the time of one call."""
    of = planned([str(number) for number in range(100)])

    assert (of["rounds"], of["now"], of["last"]) == ([list(range(10))], list(range(10)), 0)
    assert [len(wave) for wave in of["waves"]] == [10] * 10


def test_no_events_make_no_rounds():
    """A batch of which nothing is valid has nothing to send."""
    assert plan([]) == NOTHING
    assert entries_of(plan([])) == []


def test_a_plan_begins_with_what_was_parked_before():
    """What is planned anew goes on counting."""
    assert plan([], parked=7) == NOTHING | {"parked": 7}


def test_a_round_without_time_parks_itself_and_all_followers():
    """When nothing of a round may leave, every group of it waits with all its later events."""
    parked, rest = part(planned(["A", "A", "A", "B", "B", "C"]), None)

    assert numbers(parked) == [1, 4, 6, 2, 5, 3]
    assert rest == NOTHING | {"parked": 6}


def test_a_failed_call_parks_its_wave_and_its_followers_alone():
    """The other waves of the round were accepted: they are not parked, and their groups' later events go on."""
    marks = [*(f"{number:02}" for number in range(12)), "00", "11", "11"]
    of = planned(marks)
    assert [len(wave) for wave in of["waves"]] == [10, 2, 2, 1]

    parked, rest = part(of, [entry["Id"] for entry in of["waves"][1]])

    assert numbers(parked) == [11, 12, 14, 15]
    assert [numbers(wave) for wave in rest["waves"]] == [[13]]
    assert rest["parked"] == 4
    _assert_well_made(rest)


def test_a_refused_entry_parks_its_followers_alone():
    """The accepted entries of a wave are not parked, and their groups' later events go on in order."""
    parked, rest = part(planned(["A", "A", "A", "B", "B", "C"]), ["0-1"])

    assert numbers(parked) == [4, 5]
    assert [numbers(wave) for wave in rest["waves"]] == [[2], [3]]
    assert (rest["cursor"], rest["last"], rest["parked"]) == (0, 1, 2)
    assert (rest["rounds"], rest["now"]) == ([[0], [1]], [0])


def test_parting_looks_only_at_what_is_still_to_send():
    """Rounds before the cursor were accepted: they are neither parked nor sent again."""
    second = _next_round(planned(["A", "A", "A", "B", "B"]))
    assert [entry["Id"] for entry in entries_of(second)] == ["1-0", "1-1", "2-0"]

    parked, rest = part(second | {"parked": 3}, ["1-1"])

    assert numbers(parked) == [5]
    assert [numbers(wave) for wave in rest["waves"]] == [[3]]
    assert rest["parked"] == 4


def test_nothing_refused_parks_nothing():
    """An empty list of refusals is not a round without time: the round went, the next one is to go."""
    parked, rest = part(planned(["A", "A", "B"]), [])

    assert parked == []
    assert [numbers(wave) for wave in rest["waves"]] == [[2]]


@given(_MARKS, st.data())
def test_every_event_is_delivered_or_parked_and_no_mark_overtakes_itself(marks, data):
    """Whatever is refused, each event ends in one place: of each mark a prefix is delivered, the rest parked."""
    delivered: list[Entry] = []
    parked: list[Entry] = []
    of = planned(marks)
    while of["cursor"] <= of["last"]:
        assert of["now"] == of["rounds"][of["cursor"]]
        round_ = [entry for place in of["now"] for entry in of["waves"][place]]
        ids = [entry["Id"] for entry in round_]
        refused = data.draw(st.none() | st.lists(st.sampled_from(ids), unique=True))
        if refused is not None:
            delivered += [entry for entry in round_ if entry["Id"] not in refused]
        if refused == []:
            of = _next_round(of)
        else:
            parting = part(of, refused)
            parked += parting.parked
            of = parting.plan
            _assert_well_made(of)
        assert of["parked"] == len(parked)

    assert sorted(numbers(delivered + parked)) == list(range(1, len(marks) + 1))
    sent, held = _by_group(delivered), _by_group(parked)
    for group, in_order in _by_group(entries(marks)).items():
        assert sent.get(group, []) + held.get(group, []) == in_order


@given(_MARKS, st.data())
def test_a_plan_without_held_events_keeps_the_rest_in_order(marks, data):
    """What was parked behind leaves the plan and is counted; of each mark the rest keeps its order, planned anew."""
    of = planned(marks) | {"parked": 5}
    all_entries = entries_of(of)
    drawn = st.sampled_from(all_entries) if all_entries else st.nothing()
    held = data.draw(st.lists(drawn, unique_by=lambda entry: numbers([entry])[0]))

    rest = without(of, held)

    held_numbers = set(numbers(held))
    kept = [entry for entry in entries(marks) if numbers([entry])[0] not in held_numbers]
    assert _by_group(entries_of(rest)) == _by_group(kept)
    assert rest["parked"] == 5 + len(held)
    assert rest["rounds"] == plan(kept)["rounds"]
    _assert_well_made(rest)


def test_a_plan_without_held_events_looks_only_at_what_is_still_to_send():
    """What was sent is neither held nor sent again, nor counted."""
    second = _next_round(planned(["A", "A", "A", "B", "B"]))

    rest = without(second, entries(["A", "A", "A", "B", "B"])[3:])

    assert [numbers(wave) for wave in rest["waves"]] == [[2], [3]]
    assert rest["parked"] == 1


def test_an_event_id_that_is_used_twice_holds_back_only_the_event_that_is_parked():
    """Two marks whose events share an id, by a producer's mistake, are still two events."""
    twins = [entry | {"MessageDeduplicationId": event_id(1)} for entry in entries(["A", "B"])]

    rest = without(plan(twins), twins[:1])

    assert _groups(entries_of(rest)) == [to_group_id("B")]
    assert rest["parked"] == 1


@pytest.mark.parametrize(
    "malformed",
    [
        {},
        [],
        None,
        {"waves": []},
        {"waves": [], "rounds": []},
        {"waves": [], "cursor": 0},
        {"rounds": [], "cursor": 0},
        {"waves": [], "rounds": None, "cursor": 0},
        {"waves": [], "rounds": [], "cursor": "0"},
        {"waves": [], "rounds": [[0]], "cursor": 0},
        {"waves": None, "rounds": [[0]], "cursor": 0},
        {"waves": [None], "rounds": [[0]], "cursor": 0},
        {"waves": [[]], "rounds": [0], "cursor": 0},
        {"waves": [[]], "rounds": [["0"]], "cursor": 0},
    ],
)
def test_what_is_not_a_plan_is_refused(malformed):
    """A defect of the definition shows itself as such, and not as a plan with nothing in it."""
    for look in (entries_of, lambda of: part(of, None), lambda of: part(of, []), lambda of: without(of, [])):
        with pytest.raises(MalformedPlanError):
            look(malformed)
