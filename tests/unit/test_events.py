"""Unit tier, `domain.events`: proves that every record becomes an event that SQS and the batch can carry.

It cannot prove that SQS has no rule for ids beside the documented ones; the deployed stack shows that.
"""

import json
from string import ascii_letters, digits, punctuation
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mark_event_queue.domain.events import (
    carries_event,
    convert,
    lacks_image,
    to_deduplication_id,
    to_group_id,
    without_body,
)
from tests.builders import checkpoint, event_id, image_lacking, item, record, removal, sequence_number

SQS_IDENTIFIER = frozenset(ascii_letters + digits + punctuation)

_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["S", "N", "B", "M", "L", "SS", "NULL", "x"]), inner, max_size=2)
        | st.dictionaries(st.sampled_from(["mark", "createTime", "eventId", "x", "\ud800"]), inner, max_size=4)
    ),
    max_leaves=15,
)
_ATTRIBUTE_LIKE = st.dictionaries(st.sampled_from(["S", "N", "M", "L"]), _JSON, max_size=1)
_ITEM_LIKE = st.dictionaries(st.sampled_from(["mark", "createTime", "eventId", "price"]), _ATTRIBUTE_LIKE | _JSON)
_RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "dynamodb": _JSON
        | st.fixed_dictionaries(
            {}, optional={"NewImage": _ITEM_LIKE | _JSON, "Keys": _ITEM_LIKE | _JSON, "SequenceNumber": _JSON}
        ),
        "eventName": _JSON,
    },
)

# Marks that meet the escape, its results, and the length at which a hash takes over.
_MARKS = st.one_of(
    st.text(alphabet=st.characters(), min_size=1, max_size=12),
    st.text(alphabet="% 25A0:sha", min_size=1, max_size=8),
    st.text(alphabet="A %\u00e9", min_size=30, max_size=140),
)


def _is_identifier(text: str) -> bool:
    return 0 < len(text) <= 128 and SQS_IDENTIFIER.issuperset(text)


@given(_RECORDS)
def test_no_record_fails_conversion(junk):
    """Whatever a record holds, it becomes an event with ids that SQS takes and a body that is ASCII JSON."""
    event = convert(junk)

    assert _is_identifier(event.group_id)
    assert _is_identifier(event.event_id)
    assert event.body.isascii()
    assert isinstance(json.loads(event.body), dict)
    assert carries_event(junk) >= lacks_image(junk)


@given(_RECORDS)
def test_no_record_fails_losing_its_body(junk):
    """An event of any record can be cut down to its table key, whatever that is."""
    event = convert(junk)
    cut = without_body(event, junk, "too large")

    assert list(json.loads(cut.body)) == ["tableKey"]
    assert (cut.event_id, cut.group_id, cut.unfit) == (event.event_id, event.group_id, "too large")


def test_an_event_carries_what_the_table_says():
    """An ordinary record becomes an event with its id, mark, group, place in the stream, and exact JSON."""
    event = convert(record(item(7, "AFC 6"), 7))

    assert event.as_input() == {
        "eventId": event_id(7),
        "mark": "AFC 6",
        "groupId": "AFC%206",
        "sequenceNumber": sequence_number(7),
        "body": (
            f'{{"eventId":"{event_id(7)}","eventName":"LockEvent","createTime":"2026-03-01T09:30:00Z","mark":"AFC 6",'
            '"RegistrationNumber":{"mark":"AFC 6","Status":"MARK_ASSIGNED","eventTime":"2026-03-01T09:30:00Z",'
            '"price":299,"version":1}}'
        ),
    }


@pytest.mark.parametrize("kind", ["INSERT", "MODIFY"])
def test_inserted_and_replaced_items_are_events(kind):
    """A replaced item is an event like a new one."""
    assert carries_event(record(kind=kind))
    assert not lacks_image(record(kind=kind))


_EXPIRED = removal() | {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}


@pytest.mark.parametrize("removed", [removal(), _EXPIRED], ids=["forgotten", "expired"])
def test_a_removed_item_is_no_event(removed):
    """Whoever removed it, there is nothing to deliver and nothing wrong with the stream."""
    assert not carries_event(removed)
    assert not lacks_image(removed)


@pytest.mark.parametrize("kind", ["INSERT", "MODIFY"])
@pytest.mark.parametrize("view", ["KEYS_ONLY", "OLD_IMAGE"])
def test_an_event_that_the_stream_tells_without_its_image_is_unfit(view, kind):
    """It goes by its table key, in its mark's order, and the reason names the view that leaves images out."""
    lacking = image_lacking(3, view=view, kind=kind)

    event = convert(lacking)

    assert lacks_image(lacking)
    assert json.loads(event.body) == {"tableKey": {"mark": "AFC 6", "createTime": "2026-03-01T09:30:00Z"}}
    assert f"the stream's view is {view}" in event.unfit
    assert (event.event_id, event.group_id, event.sequence_number) == (checkpoint(3), "AFC%206", sequence_number(3))


@pytest.mark.parametrize("view", [None, "NEW_IMAGE", "Jane Secret", ["KEYS_ONLY"]])
def test_a_view_that_does_not_explain_the_missing_image_is_not_named(view):
    """The reason says what the stream's view has to be, and repeats nothing that it does not know."""
    lacking = image_lacking()
    lacking["dynamodb"]["StreamViewType"] = view

    assert convert(lacking).unfit == "no new image: the stream's view has to be NEW_IMAGE or NEW_AND_OLD_IMAGES"


@pytest.mark.parametrize("junk", [{}, {"dynamodb": None}, {"dynamodb": {"NewImage": {}}}, {"eventName": "UPSERT"}])
def test_only_a_removal_is_skipped(junk):
    """What a record is not known to be must not make it vanish: it is an event, and an unfit one."""
    assert carries_event(junk)
    assert lacks_image(junk)
    assert convert(junk).unfit


@given(st.lists(st.integers(0, 10**40 - 1).map(str), min_size=2, max_size=2, unique=True))
@example(["9" + "0" * 21, "1" + "0" * 22])
def test_sequence_numbers_compare_as_texts_as_they_do_as_numbers(checkpoints):
    """AWS's have 21 to 40 digits; a client that compares texts keeps the later event."""
    records = [record() for _ in checkpoints]
    for one, checkpoint_ in zip(records, checkpoints, strict=True):
        one["dynamodb"]["SequenceNumber"] = checkpoint_

    carried = [convert(one).sequence_number for one in records]

    assert [len(number) for number in carried] == [40, 40]
    assert (carried[0] < carried[1]) == (int(checkpoints[0]) < int(checkpoints[1]))


@pytest.mark.parametrize("attribute", [None, {"S": ""}, {"N": "7"}])
def test_an_event_without_an_id_is_unfit(attribute):
    """No text for an eventId: the event keeps its body, says why it is unfit, and goes by its sequence number."""
    event = convert(record(item(3, eventId=attribute), 3))

    assert event.event_id == checkpoint(3)
    assert event.unfit
    assert json.loads(event.body)["mark"] == "AFC 6"


def test_an_item_that_is_no_json_travels_by_its_key():
    """A malformed attribute leaves the table key as body and a reason without the value."""
    event = convert(record(item(holder={"N": "Jane Secret"})))

    assert json.loads(event.body) == {"tableKey": {"mark": "AFC 6", "createTime": "2026-03-01T09:30:00Z"}}
    assert "/holder is not a number" in event.unfit
    assert "Jane" not in event.unfit


def test_an_item_without_a_bottom_travels_by_its_key():
    """Nesting beyond any writer makes an unfit event and not a failure."""
    nested: dict[str, Any] = {"NULL": True}
    for _ in range(5_000):
        nested = {"L": [nested]}

    event = convert(record(item(unknown=nested)))

    assert event.unfit
    assert "tableKey" in event.body


def test_keys_that_cannot_be_read_are_called_so():
    """Where not even the keys make sense the body says that instead."""
    event = convert(record(item(unknown={}), keys={"mark": {"N": "x"}}))

    assert json.loads(event.body) == {"tableKey": "unreadable"}


def test_the_reason_is_short_printable_ascii():
    """However long and odd an attribute's name, the reason stays small and carries no control characters."""
    event = convert(record(item(**{'"\\\x00\ud800é' * 500: {"N": "x"}})))

    assert 0 < len(event.unfit) <= 250
    assert event.unfit.isascii()
    assert event.unfit.isprintable()


def test_the_key_decides_the_group_not_the_image():
    """The mark is the partition key: what an image calls itself changes no order."""
    event = convert(record(item(mark="FAKE 1"), keys=record()["dynamodb"]["Keys"]))

    assert (event.mark, event.group_id) == ("AFC 6", "AFC%206")


def test_records_without_a_mark_share_a_group_by_their_keys():
    """Without a mark the keys name the group, so that unfit events of one key stay in order."""
    first, again, other = (
        convert({"dynamodb": {"NewImage": {"a": {"S": "b"}}, "Keys": keys}})
        for keys in ({"id": {"S": "1"}}, {"id": {"S": "1"}}, {"id": {"S": "2"}})
    )

    assert first.group_id == again.group_id != other.group_id


@given(_MARKS)
def test_group_ids_are_what_sqs_allows(mark):
    """Any mark makes a group id of letters, digits and punctuation, at most 128 of them."""
    assert _is_identifier(to_group_id(mark))


@given(_MARKS, _MARKS)
@example("A B", "A%20B")
@example("A%B", "A%25B")
@example("%", "%25")
@example("é", "%C3%A9")
@example("\u00e9", "e\u0301")
@example("a" * 129, "a" * 130)
@example("a" * 128, "a" * 129)
@example(" " * 42, " " * 43)
@example("abc", "ABC")
def test_two_marks_never_share_a_group(one, other):
    """Different marks have different group ids."""
    assume(one != other)
    assert to_group_id(one) != to_group_id(other)


@given(_MARKS)
@example(" " * 200)
@example("%sha256:" + "0" * 64)
def test_a_mark_made_of_a_group_id_does_not_hit_it(mark):
    """A mark crafted to be what another mark becomes ("A%20B", "%sha256:…") lands elsewhere."""
    crafted = to_group_id(mark)
    assume(crafted != mark)
    assert to_group_id(crafted) != crafted


@pytest.mark.parametrize("mark", ["AFC6", "A-1", "a.b/c"])
def test_a_mark_that_sqs_allows_is_its_own_group(mark):
    """Nothing is escaped without need."""
    assert to_group_id(mark) == mark


@given(st.uuids())
def test_a_uuid_stays_the_deduplication_id(uuid):
    """The producer's event id is the de-duplication id, unchanged."""
    assert to_deduplication_id(str(uuid)) == str(uuid)


@given(_MARKS, _MARKS)
def test_two_event_ids_never_share_a_deduplication_id(one, other):
    """Whatever stands for an id, SQS takes what it becomes, and drops no other event for it."""
    assume(one != other)
    assert _is_identifier(to_deduplication_id(one))
    assert to_deduplication_id(one) != to_deduplication_id(other)
