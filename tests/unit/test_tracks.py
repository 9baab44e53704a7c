"""Unit tier, `domain.tracks`: proves that no two batches side by side share a mark, and that marks keep their order.

That batches of one track run one after another, and tracks side by side, is proven in test_conversion.py.
"""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mark_event_queue.domain.batches import Batch, Place, carry, cost
from mark_event_queue.domain.budget import budget
from mark_event_queue.domain.rounds import entry_of, plan
from mark_event_queue.domain.tracks import Track, spread
from tests.builders import client, item, record, removal

_CLIENTS = [client(name) for name in ("archive", "billing", "insurer")]
_ROOM = budget(_CLIENTS)

# Few marks and many, events of which some do not fit together, and removals.
_RECORDS = st.lists(
    st.tuples(st.integers(0, 25), st.sampled_from(["event", "event", "event", "removal"]), st.integers(0, 3_000)),
    max_size=80,
)


def _record(number: int, mark: str, size: int = 0, kind: str = "event") -> dict:
    if kind == "removal":
        return removal(number, mark)
    return record(item(number, mark, unknown={"S": "x" * size}), number)


def _places(batch: Batch, records: list[dict]) -> list[Place]:
    carried = {one.position: one for one in carry(records, _ROOM)}
    return [carried[position].place for position in batch.positions]


def _spread(records: list[dict], room: int = _ROOM, tracks: int = 8) -> list[Track]:
    return spread(list(carry(records, room)), room, tracks)


def _batches(tracks: list[Track]) -> list[Batch]:
    return [turn.batch for track in tracks for turn in track]


@given(_RECORDS, st.integers(3_500, 20_000), st.integers(1, 9))
def test_every_record_is_in_one_batch_and_every_mark_in_one_track(shapes, room, tracks):
    """Whatever comes: nothing is lost or doubled, and what happens to a mark happens in one track, in order."""
    records = [_record(number, f"M {mark}", size, kind) for number, (mark, kind, size) in enumerate(shapes)]

    found = _spread(records, room, tracks)

    assert sorted(chain.from_iterable(batch.positions for batch in _batches(found))) == list(range(len(records)))
    assert len(found) <= tracks
    track_of: dict[str, int] = {}
    for number, track in enumerate(found):
        in_order: dict[str, list[int]] = {}
        for turn in track:
            for (group_id, _), position in zip(_places(turn.batch, records), turn.batch.positions, strict=True):
                assert track_of.setdefault(group_id, number) == number
                in_order.setdefault(group_id, []).append(position)
        assert all(positions == sorted(positions) for positions in in_order.values())


@given(_RECORDS, st.integers(3_500, 20_000), st.integers(1, 9))
def test_a_batch_that_shares_a_mark_with_an_earlier_one_of_its_track_says_so(shapes, room, tracks):
    """Whoever runs it has to ask anew of whom anything is held: the earlier one may have parked events."""
    records = [_record(number, f"M {mark}", size, kind) for number, (mark, kind, size) in enumerate(shapes)]

    for track in _spread(records, room, tracks):
        seen: set[str] = set()
        for turn in track:
            marks = {group_id for group_id, _ in _places(turn.batch, records)}
            assert turn.follows or not seen & marks
            seen |= marks


@given(_RECORDS, st.integers(3_500, 20_000))
def test_no_batch_is_above_its_bytes_or_mixes_events_and_removals(shapes, room):
    """What was held before a mark was forgotten is an execution of its own, and no state can grow too large."""
    records = [_record(number, f"M {mark}", size, kind) for number, (mark, kind, size) in enumerate(shapes)]

    for batch in _batches(_spread(records, room)):
        assert bool(batch.events) != bool(batch.forgotten)
        assert sum(map(cost, batch.events)) <= room


@given(_RECORDS, st.integers(3_500, 20_000), st.integers(1, 9))
def test_the_track_with_the_first_record_begins_with_it(shapes, room, tracks):
    """Every track tries its first batch, so the shard moves on by its first record whenever that can be delivered."""
    records = [_record(number, f"M {mark}", size, kind) for number, (mark, kind, size) in enumerate(shapes)]

    found = _spread(records, room, tracks)

    assert not records or 0 in {track[0].batch.positions[0] for track in found}


def test_what_fits_one_batch_is_one_batch():
    """Side by side is for what one execution cannot carry: a batch costs three calls, whatever it carries."""
    (track,) = _spread([_record(number, f"M {number}") for number in range(100)])

    assert [turn.batch.size for turn in track] == [100]


@pytest.mark.parametrize("events_per_mark", [1, 2, 5])
def test_a_thousand_events_make_hardly_more_calls_than_waves_of_ten(events_per_mark):
    """A start and a validation for each batch, one read for all, are not more than a twentieth above the floor."""
    records = [_record(number, f"M {number % (1_000 // events_per_mark)}", 400) for number in range(1_000)]

    batches = _batches(_spread(records))

    waves = sum(len(plan(entry_of(event.as_input()) for event in batch.events)["waves"]) for batch in batches)
    calls = 1 + 2 * len(batches) + waves * (len(_CLIENTS) + 1)
    assert calls <= 1.05 * 100 * (len(_CLIENTS) + 1)


def test_the_longest_work_is_spread_evenly():
    """Two marks of many events are in two tracks, and what is short is in the others."""
    marks = ["HOT 1"] * 300 + ["HOT 2"] * 300 + [f"M {number}" for number in range(300)]
    records = [_record(number, mark, 400) for number, mark in enumerate(marks)]

    tracks = _spread(records, tracks=3)

    of_marks = [{group_id for turn in track for group_id, _ in _places(turn.batch, records)} for track in tracks]
    assert [("HOT%201" in marks, "HOT%202" in marks) for marks in of_marks].count((True, True)) == 0
    assert len(tracks) == 3


def test_nothing_makes_no_track():
    """No records start no execution, nor does a removal that tells no mark: nothing of it could be found."""
    nameless = removal(1)
    nameless["dynamodb"]["Keys"] = {"mark": {"N": "7"}}

    assert _spread([nameless]) == []
