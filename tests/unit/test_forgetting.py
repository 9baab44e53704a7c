"""Unit tier, forgetting: proves what is deleted of a mark that the producer removed, what stays, and who is told.

The tables are the real adapters over a table in memory. That removals come through a stream is for tests/e2e.
"""

import json
from datetime import UTC, datetime
from typing import Any

from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.adapters.histories import HistoriesTable
from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.contract import load
from mark_event_queue.domain.events import convert
from mark_event_queue.domain.forgetting import forgotten_by
from mark_event_queue.domain.held import CONTRACT_BROKEN, GATE, PARKED, PAUSED, QUARANTINED
from mark_event_queue.domain.history import Passed
from mark_event_queue.domain.rounds import Entry, entries_of, entry_of, plan
from mark_event_queue.forgetting.forgetting import forget_marks
from mark_event_queue.redrive.redrive import redrive_lane
from mark_event_queue.selection.selection import select
from mark_event_queue.validator.validation import validate
from tests.builders import NOTHING_HELD, SCHEMAS, image_lacking, item, record, removal
from tests.dynamodb_in_memory import DynamoDBInMemory
from tests.fakes import HistoriesFake, QueueInMemory, SubscriptionsFake

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAME = "archive"
ASKED = Subscription(NAME, "MarkFanOutClientArchive.fifo", NOW, notices=frozenset({"forgotten"}))


class Tables:
    """The table of what waits, by both of its adapters."""

    def __init__(self) -> None:
        self.dynamodb = DynamoDBInMemory()
        self.held, self.histories = HeldEventsTable("held", self.dynamodb), HistoriesTable("held", self.dynamodb)

    def forget(self, *numbers: int, mark: str = "AFC 6") -> tuple[int, int]:
        """Forget the events of these numbers."""
        removed = [forgotten_by(removal(number, mark)) for number in numbers]
        times = [time for one in removed for time in one.create_times]
        request = {"forgotten": [{"groupId": removed[0].group_id, "createTimes": times}]}
        return forget_marks(request, self.held, self.histories)


def _entries(*numbers: int, mark: str = "AFC 6") -> list[Entry]:
    return [entry_of(convert(record(item(number, mark), number)).as_input()) for number in numbers]


def _notice(number: int = 9) -> Entry:
    forgotten = forgotten_by(removal(number)).as_input()
    (notice,) = entries_of(_validated(forgotten)["plan"])
    return notice


def _validated(forgotten: dict[str, Any]) -> dict[str, Any]:
    """Return what the validator makes of a batch of one removal."""
    batch = {"events": [], "forgotten": [forgotten], "held": NOTHING_HELD}
    return validate(batch, [], load(SCHEMAS.parent), hold_marks=True)


def test_what_waits_of_a_forgotten_mark_is_deleted_everywhere():
    """Parked, paused and quarantined, at the gate and for every client: nothing is left, and nobody is mentioned."""
    tables = Tables()
    tables.held.hold(NAME, [_entries(1, 2)], PARKED, "Fault")
    tables.held.hold("billing", [_entries(1)], PAUSED, "")
    tables.held.hold(GATE, [_entries(3)], QUARANTINED, CONTRACT_BROKEN)

    counts = tables.forget(1, 2, 3)

    assert counts == (1, 4)
    assert tables.dynamodb.contents() == {}


def test_other_marks_and_the_mark_that_begins_anew_stay():
    """Only the events that were removed are deleted; what is left knows which is its first, and goes on."""
    tables = Tables()
    anew = item(5, createTime={"S": "2026-03-02T09:30:00Z"})
    later = entry_of(convert(record(anew, 5)).as_input())
    tables.held.hold(NAME, [[*_entries(1), later], _entries(2, mark="B 1")], PARKED, "Fault")

    tables.forget(1)

    left = {sequence.mark: sequence for sequence in tables.held.sequences(NAME, "", 9)}
    assert {mark: one.events for mark, one in left.items()} == {"AFC 6": 1, "B 1": 1}
    assert left["AFC 6"].first_event_id == later["MessageDeduplicationId"]
    assert [recipient.events for recipient in tables.held.recipients()] == [2]


def test_an_event_that_is_held_by_its_key_alone_is_found():
    """Of a stream without images the table key is all there is, and says which event it was."""
    tables = Tables()
    tables.held.hold(GATE, [[entry_of(convert(image_lacking(1)).as_input())]], QUARANTINED, CONTRACT_BROKEN)

    assert tables.forget(1) == (1, 1)


def test_what_histories_know_of_the_mark_is_forgotten():
    """What they brought and what they passed over; of other marks they know as before."""
    tables = Tables()
    tables.histories.begin(NAME, "/x", "run1", 1)
    tables.histories.remember(NAME, [("AFC%206", "e1"), ("B%201", "e2")])
    passed = [Passed(mark, "2025-01-01T00:00:00Z", "e", "[]") for mark in ("AFC 6", "B 1")]
    tables.histories.list_passed(NAME, passed)

    tables.forget(1)

    assert "AFC" not in json.dumps(list(tables.dynamodb.contents().values()))
    assert len(tables.dynamodb.contents()) == 3


def test_an_event_held_while_it_is_forgotten_is_not_lost():
    """What a delivery appends between the look and the end keeps its sequence."""
    tables = Tables()
    tables.held.hold(NAME, [_entries(1)], PARKED, "Fault")
    appended = iter([True])

    def append(operation: str, arguments: object) -> None:
        if operation == "transact_write_items" and next(appended, False):
            tables.held.hold_behind(NAME, [_entries(7)])

    tables.dynamodb.before = append
    tables.forget(1)

    (sequence,) = tables.held.sequences(NAME, "", 9)
    assert (sequence.events, len(tables.held.events(NAME, sequence.group_id, 9))) == (1, 1)


def test_forgetting_twice_does_no_harm():
    """A batch that comes again finds nothing left to do."""
    tables = Tables()
    tables.held.hold(NAME, [_entries(1)], PARKED, "Fault")

    assert [tables.forget(1), tables.forget(1)] == [(1, 1), (1, 0)]


def test_a_notice_is_no_event_and_says_so():
    """Body, attributes and group: a consumer tells it from an event by its attribute."""
    notice = _notice()

    assert json.loads(notice["MessageBody"]) == {"notice": "forgotten", "mark": "AFC 6"}
    assert notice["MessageAttributes"].keys() == {"notice", "sequenceNumber", "schema"}
    assert notice["MessageGroupId"] == _entries(1)[0]["MessageGroupId"]


def test_what_expired_makes_no_notice():
    """It is forgotten, and nobody is told."""
    told = forgotten_by(removal(1)).as_input() | {"tells": False}

    answer = _validated(told)

    assert (answer["plan"], len(answer["forgotten"])) == (plan([]), 1)


def test_a_notice_waits_behind_what_is_held_and_comes_in_its_turn():
    """Of a paused client it is held like an event, and told as what it is when it goes."""
    tables, queue = Tables(), QueueInMemory()
    said = SubscriptionsFake({NAME: ASKED})
    tables.held.hold(NAME, [_entries(1)], PARKED, "Fault")
    selected = select({"client": NAME, "plan": plan([_notice()])}, said, tables.held, HistoriesFake(), NOW)
    assert selected.plan["parked"] == 1

    request = {"recipient": NAME, "queueUrl": "q", "groupIds": [_notice()["MessageGroupId"]]}
    redrive_lane(request, tables.held, queue, lambda: True)

    assert [set(entry["MessageAttributes"]) for entry in queue.received] == [
        {"eventId", "sequenceNumber"},
        {"notice", "sequenceNumber", "schema"},
    ]


def test_only_who_asked_gets_a_notice():
    """Another client, held for as it may be, never sees one."""
    said = SubscriptionsFake({NAME: Subscription(NAME, "q", NOW)})

    selected = select({"client": NAME, "plan": plan([_notice()])}, said, Tables().held, HistoriesFake(), NOW)

    assert entries_of(selected.plan) == []
