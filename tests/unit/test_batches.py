"""Unit tier, `domain.batches`: proves that packing keeps every event, in order, once, within the budget.

That the budget itself is small enough for every state is proven in test_state_sizes.py.
"""

import json
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mark_event_queue.domain.batches import LIVE, RELEASE, Batch, Timing, cost, input_of, split
from mark_event_queue.domain.budget import STATE_BYTES, budget
from mark_event_queue.domain.events import Event, convert, text_of_event
from tests.builders import NOW, checkpoint, client, image_lacking, item, pack, record, removal, sequence_number

ROOMY = budget([])


def _sized(number: int, size: int) -> dict:
    return record(item(number, unknown={"S": "x" * size}), number)


def _events(batches: list[Batch]) -> list[Event]:
    return [event for batch in batches for event in batch.events]


def _filler_that_costs(target: int) -> int:
    return target - cost(convert(_sized(1, 0)))


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 3_000)), max_size=60),
    st.integers(3_000, 20_000),
)
def test_every_event_is_in_one_batch_in_the_order_of_the_stream(sizes, room):
    """Inserted and replaced items come out once, in order; removed ones (None here) apart from them, in order too."""
    records = [removal(n) if size is None else _sized(n, size) for n, size in enumerate(sizes)]

    batches = list(pack(records, room))

    assert [event.sequence_number for event in _events(batches)] == [
        sequence_number(n) for n, size in enumerate(sizes) if size is not None
    ]
    assert all(bool(batch.events) != bool(batch.forgotten) for batch in batches)
    assert all(sum(map(cost, batch.events)) <= room for batch in batches)
    removed = [n for n, size in enumerate(sizes) if size is None]
    assert sum(len(one.create_times) for batch in batches for one in batch.forgotten) == len(removed)
    firsts = [int(batch.checkpoint) for batch in batches]
    assert firsts == sorted(firsts)


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=60), st.integers(3_000, 20_000))
def test_a_batch_ends_only_where_the_next_event_has_no_room(sizes, room):
    """Packing is greedy: no batch could have taken the event that begins the next one."""
    batches = list(pack([_sized(n, size) for n, size in enumerate(sizes)], room))

    for batch, following in pairwise(batches):
        assert sum(map(cost, batch.events)) + cost(following.events[0]) > room


@given(st.lists(st.integers(0, 1_500), min_size=1, max_size=60), st.integers(3_000, 20_000))
def test_events_are_split_as_they_are_packed(sizes, room):
    """What was held and is released makes the batches that it would have made as it came."""
    records = [_sized(n, size) for n, size in enumerate(sizes)]

    assert list(split(map(convert, records), room)) == list(pack(records, room))


def test_a_batch_is_named_by_its_first_record():
    """The sequence number that the stream is to resume from is that of the batch's first event."""
    (batch,) = pack([record(item(2), 2), record(item(3), 3)], ROOMY)

    assert batch.checkpoint == checkpoint(2)


def test_a_record_without_a_new_image_keeps_its_place():
    """It is no removal: it travels between its neighbours, unfit, for validation to quarantine."""
    (batch,) = pack([record(item(1), 1), image_lacking(2), record(item(3), 3)], ROOMY)

    assert [event.sequence_number for event in batch.events] == [sequence_number(n) for n in (1, 2, 3)]
    assert [bool(event.unfit) for event in batch.events] == [False, True, False]


def test_the_largest_event_that_fits_travels_whole():
    """An event that costs exactly the room there is keeps its body, and is fit."""
    (batch,) = pack([_sized(1, _filler_that_costs(ROOMY))], ROOMY)

    (event,) = batch.events
    assert cost(event) == ROOMY
    assert not event.unfit
    assert len(json.loads(event.body)["unknown"]) == _filler_that_costs(ROOMY)


def test_one_byte_more_travels_without_its_body():
    """An event too large for any batch goes by its table key, says why, and keeps its ids and its place."""
    size = _filler_that_costs(ROOMY) + 1
    whole = convert(_sized(2, size))

    (batch,) = pack([_sized(1, 10), _sized(2, size), _sized(3, 10)], ROOMY)

    small, large, last = batch.events
    assert (small.unfit, last.unfit) == ("", "")
    assert json.loads(large.body) == {"tableKey": {"mark": "AFC 6", "createTime": "2026-03-01T09:30:00Z"}}
    assert "too large" in large.unfit
    assert (large.event_id, large.group_id, large.sequence_number) == (
        whole.event_id,
        whole.group_id,
        whole.sequence_number,
    )


@pytest.mark.parametrize("filler", ['"', "\\", "é", "\x00", "\U0001f600"])
def test_what_grows_when_quoted_is_counted_as_it_grows(filler):
    """The cost is that of the body within JSON, so events full of quotation marks take fewer to a batch."""
    event = convert(record(item(unknown={"S": filler * 1_000})))

    assert cost(event) >= len(json.dumps(event.as_input()))
    assert cost(event) < len(json.dumps(event.as_input())) + 1_000


def test_nothing_to_deliver_makes_no_batch():
    """No records start no execution, nor does a removal that tells no mark: nothing of it could be found."""
    nameless = removal(1)
    nameless["dynamodb"]["Keys"] = {"mark": {"N": "7"}}

    assert not list(pack([], ROOMY))
    assert not list(pack([nameless], ROOMY))


def test_removals_of_a_mark_that_follow_one_another_are_one():
    """The producer forgets a mark in one transaction: one notice, numbered by the first of its removals."""
    batches = list(pack([record(item(1), 1), removal(2), removal(3, "B 1"), removal(4)], ROOMY))

    assert [(len(batch.events), len(batch.forgotten)) for batch in batches] == [(1, 0), (0, 2)]
    first, second = batches[1].forgotten
    assert (first.mark, first.checkpoint, len(first.create_times)) == ("AFC 6", checkpoint(2), 2)
    assert (second.mark, second.checkpoint) == ("B 1", checkpoint(3))
    assert batches[1].checkpoint == checkpoint(2)


def test_what_expired_is_forgotten_and_not_told_of():
    """An event that DynamoDB removed at its time is no mark that was forgotten; what waits of it is deleted, too."""
    expired = removal(1) | {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}

    (batch,) = pack([expired, removal(2)], ROOMY)

    assert [one.tells for one in batch.forgotten] == [False, True]


def test_many_removals_are_several_batches():
    """None is larger than there is room for."""
    batches = list(pack([removal(number, f"M {number}") for number in range(50)], 5_000))

    assert len(batches) > 1
    assert sum(len(batch.forgotten) for batch in batches) == 50
    for batch in batches:
        assert len(json.dumps([one.as_input() for one in batch.forgotten])) <= 5_000


def test_clients_take_from_the_budget_what_they_take_from_a_state():
    """More clients leave the events less room, at least as many bytes as the clients themselves."""
    clients = [client(f"client-{n}") for n in range(40)]

    assert budget(clients) + len(json.dumps(clients)) <= budget([]) < STATE_BYTES


# ----------------------------------------------------------------------------------------------------------------------
# What an execution is given
# ----------------------------------------------------------------------------------------------------------------------
CLIENTS = [client("archive"), client("billing")]


@pytest.mark.parametrize("timing", [LIVE, RELEASE])
def test_the_input_says_until_when_stores_and_clients_may_take_their_time(timing: Timing):
    """Each deadline is a fixed time after the start, in the RFC 3339 form that a Choice can compare."""
    (batch,) = pack([record()], ROOMY)

    given = json.loads(input_of(batch, CLIENTS, NOW, timing))

    assert given["deadline"].endswith("Z")
    assert datetime.fromisoformat(given["deadline"]) == NOW + timedelta(seconds=timing.delivery_seconds)
    assert datetime.fromisoformat(given["storesDeadline"]) == NOW + timedelta(seconds=timing.stores_seconds)
    assert timing.stores_seconds < timing.delivery_seconds


def test_the_input_says_whether_its_events_come_from_the_gate():
    """What is released is not held again while it is still held; everything live is."""
    (batch,) = pack([record()], ROOMY)

    given = [json.loads(input_of(batch, CLIENTS, NOW, timing)) for timing in (LIVE, RELEASE)]

    assert [one["released"] for one in given] == [False, True]
    assert given[0]["batch"] == given[1]["batch"]
    assert given[0]["batch"]["events"] == [event.as_input() for event in batch.events]
    assert given[0]["clients"] == given[1]["clients"] == CLIENTS


def test_the_input_says_of_whom_anything_is_held_as_far_as_it_concerns_the_batch():
    """The gate, its clients, and their histories that are over; whoever has gone would only take the events' room."""
    (batch,) = pack([record()], ROOMY)
    clients = [client("archive"), client("billing") | {"selects": "/0123"}]
    mentions = ["archive", "gone", "gate", "/0123", "/4567"]

    given = [json.loads(input_of(batch, clients, NOW, LIVE, known))["batch"]["held"] for known in (mentions, ["gone"])]

    assert given == [
        {"recipients": ["archive", "gate", "/0123"], "atGate": True},
        {"recipients": [], "atGate": False},
    ]


def test_the_input_is_as_small_as_json_can_be():
    """No space between the tokens: the bytes belong to the events."""
    (batch,) = pack([record()], ROOMY)

    text = input_of(batch, CLIENTS, NOW, LIVE)

    assert text == json.dumps(json.loads(text), separators=(",", ":"))
    assert text.isascii()


@given(
    st.text(max_size=60),
    st.text(min_size=1, max_size=30),
    st.text(max_size=30),
    st.text('"\\ax', max_size=20),
    st.booleans(),
)
def test_an_event_as_text_is_the_json_of_its_input(text, mark, identity, reason, late):
    """Whatever its texts are made of: quotation marks, backslashes, control characters, anything beyond ASCII."""
    event = convert(record(item(1, mark, eventId={"S": identity}, unknown={"S": text})) | {"late": late})

    for one in (event, event._replace(unfit=reason)):
        assert text_of_event(one) == json.dumps(one.as_input(), separators=(",", ":"))
