"""Unit tier, the attribute `late`: proves that it goes with an event of a replay wherever that goes, and with no other.

The table is one in memory. That `meq replay` marks the right records is for test_replay.
"""

import pytest

from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.domain.events import convert
from mark_event_queue.domain.held import CONTRACT_BROKEN, GATE, PARKED, QUARANTINED
from mark_event_queue.domain.rounds import Entry, entry_of
from mark_event_queue.release.release import release_lane
from tests.builders import record
from tests.dynamodb_in_memory import DynamoDBInMemory

TABLE = "held-events"
SAID = {"DataType": "String", "StringValue": "true"}


def _entry(late: bool) -> Entry:
    return entry_of(convert(record() | ({"late": True} if late else {})).as_input())


@pytest.mark.parametrize(("late", "said"), [(True, SAID), (False, None)])
def test_a_message_says_that_it_is_late_or_nothing(late, said):
    """From the record, over the execution's input, to what SQS is handed; only a replay's records say it."""
    assert _entry(late)["MessageAttributes"].get("late") == said


@pytest.mark.parametrize("word", ["true", 1, None, {"BOOL": True}])
def test_only_a_replay_can_make_a_record_late(word):
    """Whatever else stands there is passed over."""
    assert not convert(record() | {"late": word}).late


@pytest.mark.parametrize(("late", "said"), [(True, SAID), (False, None)])
def test_what_is_held_keeps_it(late, said):
    """A client gets the same message from a redrive as it would have got at once."""
    table = HeldEventsTable(TABLE, DynamoDBInMemory())
    entry = _entry(late)
    table.hold("Police", [[entry]], PARKED, "Sqs.AccessDenied")

    assert table.events("Police", entry["MessageGroupId"], 1) == [entry]
    assert entry["MessageAttributes"].get("late") == said


@pytest.mark.parametrize("late", [True, False])
def test_what_is_released_keeps_it(late):
    """The event that goes through the pipeline anew is the one that was held."""
    released = []

    class Pipeline:
        room = 200_000

        def put_through(self, events):
            released.extend(events)
            return []

    table = HeldEventsTable(TABLE, DynamoDBInMemory())
    entry = _entry(late)
    table.hold(GATE, [[entry | {"Unfit": "no reason"}]], QUARANTINED, CONTRACT_BROKEN)
    release_lane({"groupIds": [entry["MessageGroupId"]]}, table, Pipeline(), hold_marks=True, has_time=lambda: True)

    assert [event.late for event in released] == [late]
    assert entry_of(released[0].as_input()) == entry
