"""Unit tier, `domain.lanes`: proves that no plan and no sequence of refusals lets a mark overtake itself.

It cannot prove that the state machine walks lanes as the replay here does; tests/statemachine does that.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mark_event_queue.domain.errors import MalformedLaneError
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.lanes import Entry, Lane, entries_of, entry_of, part, plan, sequences_of, without
from tests.builders import entries, event_id, event_input, lanes, numbers, sequence_number

# Between them: one mark with many events, many marks with one, and lanes that are just full.
_MARKS = st.one_of(
    st.lists(st.sampled_from("ABC"), max_size=40),
    st.lists(st.integers(0, 35).map(str), max_size=80),
    st.permutations([str(number) for number in range(30)]),
)


def _groups(of_entries: list[Entry]) -> list[str]:
    return [entry["MessageGroupId"] for entry in of_entries]


def _all_waves(of_lanes: list[Lane]) -> list[list[Entry]]:
    return [wave for lane in of_lanes for wave in lane["waves"]]


def _by_group(of_entries: list[Entry]) -> dict[str, list[int]]:
    return {sequence[0]["MessageGroupId"]: numbers(sequence) for sequence in sequences_of(of_entries)}


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
    for wave in _all_waves(lanes(marks)):
        assert 1 <= len(wave) <= 10
        assert len(set(_groups(wave))) == len(wave)


@given(_MARKS)
def test_a_mark_is_in_one_lane_in_the_order_of_the_stream(marks):
    """All events of a group are in one lane, one wave after another, in order; nothing is lost or doubled."""
    planned = lanes(marks)

    found = [group for lane in planned for group in _by_group(entries_of(lane)).items()]
    assert sorted(found) == sorted(_by_group(entries(marks)).items())


@given(_MARKS)
def test_calls_are_the_sum_of_the_longest_marks(marks):
    """Ten groups share a lane, similar ones together, so the calls are as few as lanes of ten allow."""
    lengths = sorted((len(sequence) for sequence in sequences_of(entries(marks))), reverse=True)

    planned = lanes(marks)

    assert [lane["last"] + 1 for lane in planned] == lengths[::10]
    assert all(lane["last"] == len(lane["waves"]) - 1 for lane in planned)


@given(_MARKS)
def test_an_id_is_the_position_in_its_wave(marks):
    """An Id that SQS names in `Failed` finds its entry by position."""
    for wave in _all_waves(lanes(marks)):
        assert [entry["Id"] for entry in wave] == [str(position) for position in range(len(wave))]


def test_a_hundred_events_of_a_hundred_marks_are_ten_calls_side_by_side():
    """The ordinary batch takes the time of one call."""
    planned = lanes([str(number) for number in range(100)])

    assert [(lane["last"], len(lane["waves"][0])) for lane in planned] == [(0, 10)] * 10


def test_no_events_make_no_lanes():
    """A batch of which nothing is valid has nothing to send."""
    assert plan([]) == []


def test_a_failed_call_parks_its_wave_and_all_followers():
    """When the whole call failed, every group of the wave waits with all its later events; others go on."""
    (lane,) = lanes(["A", "A", "A", "B", "B", "C"])

    parked, rest = part(lane)

    assert numbers(parked) == [1, 4, 6, 2, 5, 3]
    assert rest == {"waves": [], "cursor": 0, "last": -1, "parked": 6}


def test_a_refused_entry_parks_its_followers_alone():
    """The accepted entries of a wave are not parked, and their groups' later events go on in order."""
    (lane,) = lanes(["A", "A", "A", "B", "B", "C"])

    parked, rest = part(lane, ["1"])

    assert numbers(parked) == [4, 5]
    assert [numbers(wave) for wave in rest["waves"]] == [[2], [3]]
    assert (rest["cursor"], rest["last"], rest["parked"]) == (0, 1, 2)


def test_parting_looks_only_at_what_is_still_to_send():
    """Waves before the cursor were accepted: they are neither parked nor sent again."""
    (lane,) = lanes(["A", "A", "A", "B", "B"])

    parked, rest = part(lane | {"cursor": 1, "parked": 3}, ["1"])

    assert numbers(parked) == [5]
    assert [numbers(wave) for wave in rest["waves"]] == [[3]]
    assert rest["parked"] == 4


def test_nothing_refused_parks_nothing():
    """An empty list of refusals is not a failed call: the wave went, the next one is to go."""
    (lane,) = lanes(["A", "A", "B"])

    parked, rest = part(lane, [])

    assert parked == []
    assert [numbers(wave) for wave in rest["waves"]] == [[2]]


@given(_MARKS, st.data())
def test_every_event_is_delivered_or_parked_and_no_mark_overtakes_itself(marks, data):
    """Whatever is refused, each event ends in one place: of each mark a prefix is delivered, the rest parked."""
    delivered: list[Entry] = []
    parked: list[Entry] = []
    for planned in lanes(marks):
        lane = planned
        parked_before = len(parked)
        while lane["cursor"] <= lane["last"]:
            wave = lane["waves"][lane["cursor"]]
            ids = [entry["Id"] for entry in wave]
            refused = data.draw(st.none() | st.lists(st.sampled_from(ids), unique=True))
            if refused is not None:
                delivered += [entry for entry in wave if entry["Id"] not in refused]
            if refused == []:
                lane = lane | {"cursor": lane["cursor"] + 1}
            else:
                parting = part(lane, refused)
                parked += parting.parked
                lane = parting.lane
        assert lane["parked"] == len(parked) - parked_before

    assert sorted(numbers(delivered + parked)) == list(range(1, len(marks) + 1))
    sent, held = _by_group(delivered), _by_group(parked)
    for group, in_order in _by_group(entries(marks)).items():
        assert sent.get(group, []) + held.get(group, []) == in_order


@given(_MARKS, st.data())
def test_a_lane_without_held_events_keeps_the_rest_in_order(marks, data):
    """What was parked behind leaves the lane and is counted; the rest keeps its order and gets new Ids."""
    for lane in lanes(marks):
        all_entries = entries_of(lane)
        held = data.draw(st.lists(st.sampled_from(all_entries), unique_by=lambda entry: numbers([entry])[0]))

        rest = without(lane, held)

        held_numbers = set(numbers(held))
        assert numbers(entries_of(rest)) == [n for n in numbers(all_entries) if n not in held_numbers]
        assert rest["parked"] == len(held)
        assert rest["last"] == len(rest["waves"]) - 1
        assert all([e["Id"] for e in wave] == [str(n) for n in range(len(wave))] for wave in rest["waves"])


def test_an_event_id_that_is_used_twice_holds_back_only_the_event_that_is_parked():
    """Two marks whose events share an id, by a producer's mistake, are still two events."""
    twins = [entry | {"MessageDeduplicationId": event_id(1)} for entry in entries(["A", "B"])]
    (lane,) = plan(twins)

    rest = without(lane, twins[:1])

    assert _groups(entries_of(rest)) == [to_group_id("B")]
    assert rest["parked"] == 1


@pytest.mark.parametrize("lane", [{}, {"waves": []}, {"waves": None, "cursor": 0}, {"waves": [], "cursor": "0"}])
def test_what_is_not_a_lane_is_refused(lane):
    """A defect of the definition shows itself as such, and not as a lane with nothing in it."""
    with pytest.raises(MalformedLaneError):
        entries_of(lane)
