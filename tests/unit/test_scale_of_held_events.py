"""Unit tier, what waits, at scale: proves that calls grow with what they touch, not with all that is there.

A hundred thousand events over five thousand marks are held for one client, in a table in memory that counts its calls.
How long a call takes cannot be proven here, and how large an answer may be only by the pages.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain, repeat
from typing import Any

import pytest

from mark_event_queue.adapters.held_events import RECIPIENTS, HeldEventsTable
from mark_event_queue.domain.events import Event
from mark_event_queue.domain.held import GATE
from mark_event_queue.domain.holding import hold_followers
from mark_event_queue.domain.rounds import Entry, entry_of, plan
from mark_event_queue.parking.parking import park
from mark_event_queue.redrive.redrive import (
    SEQUENCES_PER_TURN,
    TURNS_PER_EXECUTION,
    conclude,
    describe,
    discard,
    list_lanes,
    redrive_lane,
)
from mark_event_queue.redrive.request import parse
from mark_event_queue.release.release import release_lane
from mark_event_queue.survey.survey import Survey, survey
from tests.dynamodb_in_memory import DynamoDBInMemory
from tests.fakes import HistoriesFake

pytestmark = pytest.mark.slow  # a hundred thousand events, one by one

MARKS, EVENTS_PER_MARK = 5_000, 20
NO_TOTALS = {"sequences": 0, "delivered": 0, "stoppedSequences": 0, "errors": []}


class CountedTable:
    """A table of what waits, and the calls that it got."""

    def __init__(self, marks: int, recipient: str = "archive") -> None:
        self.dynamodb = DynamoDBInMemory()
        self.table = HeldEventsTable("held", self.dynamodb)
        self.table.hold(recipient, [_of(0, range(EVENTS_PER_MARK))], "parked", "Fault")
        one = self.dynamodb.contents()
        mention = one.pop((RECIPIENTS, recipient))
        for mark in range(1, marks):  # as holding each would have left it
            for item in one.values():
                like_it = {name: _of_mark(value, mark) for name, value in item.items()}
                self.dynamodb.put(like_it["pk"]["S"], like_it["sk"]["S"], like_it)
        events = {"N": str(marks * EVENTS_PER_MARK)}
        self.dynamodb.put(RECIPIENTS, recipient, mention | {"events": events})

    def calls_of(self, act: Callable[[HeldEventsTable], Any]) -> Counter[str]:
        """Return the calls that something takes."""
        self.dynamodb.calls.clear()
        act(self.table)
        return Counter(self.dynamodb.calls)


@pytest.fixture(scope="module")
def few() -> CountedTable:
    """A hundred marks held."""
    return CountedTable(100)


@pytest.fixture(scope="module")
def many() -> CountedTable:
    """Five thousand marks held."""
    return CountedTable(MARKS)


def _of_mark(value: dict[str, str], mark: int) -> dict[str, str]:
    return {kind: text.replace("M0000", f"M{mark:04}") for kind, text in value.items()}


def _of(mark: int, numbers: Sequence[int]) -> list[Entry]:
    group_id = f"M{mark:04}"
    return [
        entry_of(
            {"eventId": f"{group_id}-{number}", "groupId": group_id, "sequenceNumber": f"{number:040}", "body": "{}"}
        )
        for number in numbers
    ]


def _batch(number: int) -> list[Entry]:
    """Return an event each of a hundred marks."""
    return [entry for mark in range(100) for entry in _of(mark, [number])]


def _select(number: int) -> Callable[[HeldEventsTable], Any]:
    return lambda table: hold_followers("archive", plan(_batch(number)), table)


def _park(number: int) -> Callable[[HeldEventsTable], Any]:
    def act(table: HeldEventsTable) -> None:
        lost = plan(_batch(number))
        ids = [[entry["Id"] for entry in wave] for wave in lost["waves"]]
        sent = {"lost": ids, "errors": ["Fault"] * len(ids), "resent": {"refused": [], "errors": []}}
        park({"client": "archive", "plan": lost, "sent": sent}, table)

    return act


def test_parking_costs_what_the_batch_has(few: CountedTable, many: CountedTable):
    """A hundred events of a hundred marks: transactions of fifty of them each and two notes, however much is held."""
    calls = many.calls_of(_park(1_000))

    assert calls == few.calls_of(_park(1_000)) == {"transact_write_items": 2, "update_item": 2}


def test_selecting_costs_what_the_batch_has(few: CountedTable, many: CountedTable):
    """One read of the batch's sequences, transactions of fifty of them each, and a note."""
    calls = many.calls_of(_select(2_000))

    assert calls == few.calls_of(_select(2_000)) == {"batch_get_item": 1, "transact_write_items": 2, "update_item": 1}


def test_the_list_is_read_page_by_page(many: CountedTable):
    """Whoever looks at what is held reads as many calls as pages, and knows counts, times and firsts by them."""
    seen: list[Any] = []

    def look(table: HeldEventsTable) -> None:
        while page := table.sequences("archive", seen[-1].group_id if seen else "", 500):
            seen.extend(page)

    assert many.calls_of(look) == {"query": MARKS // 500 + 1}
    assert len({sequence.group_id for sequence in seen}) == MARKS
    assert all(sequence.events >= EVENTS_PER_MARK and sequence.since for sequence in seen)


def test_the_survey_reads_three_items(few: CountedTable, many: CountedTable):
    """Every five minutes: of whom anything is held and how much, and since when, what waits for a pin apart."""

    def surveyed(table: HeldEventsTable) -> None:
        found.append(survey(table, HistoriesFake(), {}, datetime.now(UTC)))

    found: list[Survey] = []
    assert many.calls_of(surveyed) == few.calls_of(surveyed) == {"query": 3}
    (held,) = found[0].clients
    assert held.events >= MARKS * EVENTS_PER_MARK


def test_a_dry_run_reads_so_many_pages_and_no_more(few: CountedTable, many: CountedTable):
    """It tells of five thousand sequences by fifty pages, and by one look more whether there are further ones."""
    asked = parse({"client": "archive", "dryRun": True}).as_state()

    assert many.calls_of(lambda table: describe(asked, table)) == {"query": MARKS // SEQUENCES_PER_TURN + 1}
    assert few.calls_of(lambda table: describe(asked, table)) == {"query": 2}


class Queue:
    """A queue that takes everything, and remembers how far each mark is."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}
        self.events = 0

    def send(self, queue_url: str, wave: Sequence[Entry]) -> dict[str, str]:
        """Take a wave, each event of which has to come behind its predecessors."""
        for entry in wave:
            number = int(entry["MessageAttributes"]["sequenceNumber"]["StringValue"])
            assert self.last.get(entry["MessageGroupId"], -1) < number
            self.last[entry["MessageGroupId"]] = number
            self.events += 1
        return {}


def _redrive(table: HeldEventsTable, queue: Queue) -> int:
    """Redrive all that is held, as the redrive machine does; return how many executions that took."""
    page: dict[str, Any] = {"after": "", "listed": False, "turn": 0}
    totals: dict[str, Any] = NO_TOTALS
    lanes: list[dict[str, Any]] = []
    executions = 1
    while True:
        request = {"recipient": "archive", "groupId": "", "page": page, "totals": totals, "lanes": lanes}
        listed = list_lanes(request, table)
        if listed["page"]["pause"]:
            executions += 1
            page = {**page, "turn": 0}
            continue
        page, totals = listed["page"], listed["totals"]
        if not page["lanes"]:
            break
        lanes = [
            redrive_lane({"recipient": "archive", "queueUrl": "q", "groupIds": group_ids}, table, queue, lambda: True)
            for group_ids in page["lanes"]
        ]
    concluded = conclude({"request": {"recipient": "archive", "discarded": 0}, "totals": totals}, table)
    assert concluded["nothingHeld"]
    assert concluded["delivered"] == queue.events
    return executions


def test_a_redrive_of_any_size_gets_through(many: CountedTable):
    """It continues itself when its turns are used up, delivers everything in order, and leaves nothing.

    Its calls are those of the waves it sends, ten events each: one to take them out, and the sequences' own, two to
    look at each whenever it has no events at hand, and one to end it.
    """
    queue = Queue()
    held = sum(pk.startswith("SEQUENCE#") for pk, _ in many.dynamodb.contents())
    executions: list[int] = []

    calls = many.calls_of(lambda table: executions.append(_redrive(table, queue)))

    assert queue.events == held >= MARKS * EVENTS_PER_MARK
    assert executions == [-(-MARKS // 100 // TURNS_PER_EXECUTION)]
    assert executions[0] > 1
    assert many.dynamodb.contents() == {}
    looks = MARKS * (1 + EVENTS_PER_MARK // 10) + 100
    assert calls["get_item"] <= looks + 1
    assert calls["query"] <= looks + MARKS // 100 + 5
    assert calls["transact_write_items"] <= MARKS // 10 * EVENTS_PER_MARK + 100
    assert calls["delete_item"] == MARKS + 1
    assert calls["update_item"] == MARKS // 10


def test_a_discard_of_any_size_gets_through():
    """Each invocation goes on where the last one stopped: two looks at each mark, and a transaction of its events.

    What follows ends the emptied sequences. Only the records of what was given up stay.
    """
    held = CountedTable(MARKS)
    asked = {"client": "archive", "action": "discard", "all": True, "reason": "no use", "by": "jo"}
    request = parse(asked).as_state()
    invocations: list[int] = []

    def discard_all(table: HeldEventsTable) -> None:
        nonlocal request
        while request["more"] or not invocations:
            rounds = chain(repeat(True, 1_000), repeat(False))
            request = discard(request, table, partial(next, rounds))
            invocations.append(request["discarded"])
            assert len(invocations) <= 2 * MARKS // 1_000 + 1

    calls = held.calls_of(discard_all)

    assert (request["discarded"], len(invocations)) == (MARKS * EVENTS_PER_MARK, 2 * MARKS // 1_000)
    assert calls.keys() == {"query", "transact_write_items", "update_item"}
    assert calls["query"] <= 2 * MARKS + MARKS // SEQUENCES_PER_TURN + 2 * len(invocations) + 1
    assert calls["transact_write_items"] == MARKS
    assert calls["update_item"] == len(invocations)
    assert [recipient.events for recipient in held.table.recipients()] == [0]
    _redrive(held.table, Queue())
    assert {pk for pk, _ in held.dynamodb.contents()} == {"DISCARDED#archive"}
    assert len(held.dynamodb.contents()) == MARKS * EVENTS_PER_MARK


class Pipeline:
    """What delivers every batch that it is given."""

    room = 1_000_000

    def __init__(self) -> None:
        self.events = 0

    def put_through(self, events: Sequence[Event]) -> list[Entry]:
        """Withhold nothing."""
        self.events += len(events)
        return []


def test_a_release_costs_what_it_takes():
    """A lane of ten marks: two looks at each, before its events and before its end; transactions by the batch."""
    held, pipeline = CountedTable(10, GATE), Pipeline()
    lane = {"groupIds": [f"M{mark:04}" for mark in range(10)]}

    calls = held.calls_of(lambda table: release_lane(lane, table, pipeline, True, lambda: True))

    assert pipeline.events == 10 * EVENTS_PER_MARK
    assert calls <= Counter(get_item=20, query=20, transact_write_items=3, delete_item=10, update_item=1)
