"""Unit tier, the history: proves what a client gets of the past, in which order, and that it then goes on, once each.

The tables of what waits and of histories are the real adapters over a table in memory; the producer's table, the queue
and the clock are fakes. That DynamoDB scans like this is for tests/e2e.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.adapters.histories import HistoriesTable
from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.contract import Violation
from mark_event_queue.domain.errors import HistoryRequestError, RedriveRequestError
from mark_event_queue.domain.events import convert
from mark_event_queue.domain.filters import Filter
from mark_event_queue.domain.held import CONTRACT_BROKEN, GATE, OTHER_MAJOR, PARKED, PAUSED, PINNED, QUARANTINED
from mark_event_queue.domain.history import HistoryState, Progress
from mark_event_queue.domain.rounds import Entry, entries_of, entry_of, number_of, plan, sequences_of
from mark_event_queue.history.bringing import CLIENT_PAUSED, STOPPED, Sender, bring_mark, read_segment
from mark_event_queue.history.course import begin, conclude, describe
from mark_event_queue.history.due import PATIENCE, Moment, check
from mark_event_queue.history.pace import Pace
from mark_event_queue.history.past import Rules, past_of
from mark_event_queue.history.ports import Item, Stores
from mark_event_queue.history.request import SETTLE_SECONDS, HistoryRequest, parse
from mark_event_queue.redrive.redrive import redrive_lane
from mark_event_queue.redrive.request import parse as parse_redrive
from mark_event_queue.redrive.standing import standing_of
from mark_event_queue.selection.selection import select
from tests.by_mark import by_mark, written
from tests.dynamodb_in_memory import DynamoDBInMemory
from tests.fakes import QueueInMemory, SubscriptionsFake, VerdictContract

NAME, URL = "archive", "https://sqs/MarkFanOutClientArchive.fifo"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)
JOINER = Subscription(NAME, URL, NOW, since="beginning")


def _item(mark: str, version: int, at: datetime = LONG_AGO, **attributes: Any) -> Item:
    instant = (at + timedelta(seconds=version)).isoformat().replace("+00:00", "Z")
    return {
        "mark": {"S": mark},
        "createTime": {"S": instant},
        "eventId": {"S": f"{mark}-{version}"},
        "RegistrationNumber": {"M": {"version": {"N": str(version)}}},
    } | attributes


def _broken(*ids: str) -> VerdictContract:
    return VerdictContract(lambda body: [Violation("/x", "enum")] if any(f'"{id_}"' in body for id_ in ids) else [])


def _rules(subscription: Subscription = JOINER, contracts: VerdictContract | None = None, **more: Any) -> Rules:
    sound: Any = contracts or _broken()
    rules = Rules(sound, subscription, "run1", given_up=(), hold_marks=True, now=NOW)
    return rules._replace(**more)


def _ids(entries: list[Entry]) -> list[str]:
    return [entry["MessageAttributes"]["eventId"]["StringValue"] for entry in entries]


# ----------------------------------------------------------------------------------------------------------------------
# What comes of the past of a mark
# ----------------------------------------------------------------------------------------------------------------------
def test_a_mark_comes_in_the_producers_order_whatever_its_keys_say():
    """As text the instant with a fraction sorts before the one without, and is later; of equals version decides."""
    second = "2025-03-01T09:30:32"
    items = [
        _item("A", 2, createTime={"S": f"{second}.025Z"}),
        _item("A", 1, createTime={"S": f"{second}Z"}),
        _item("A", 4, createTime={"S": f"{second}.100000Z"}),
        _item("A", 3, createTime={"S": f"{second}.1Z"}),
    ]

    past = past_of(items, (), (), _rules())

    assert _ids(past.entries) == ["A-1", "A-2", "A-3", "A-4"]
    assert [int(number_of(entry)) for entry in past.entries] == [1, 2, 3, 4]


def test_a_message_of_history_says_so_and_may_be_repeated_by_another_run():
    """Attributes tell history and its run; the queue drops no event because it had it from another run or live."""
    (entry,) = past_of([_item("A", 1)], (), (), _rules()).entries
    (again,) = past_of([_item("A", 1)], (), (), _rules(run="run2")).entries

    told = {name: value["StringValue"] for name, value in entry["MessageAttributes"].items()}
    assert told == {
        "eventId": "A-1",
        "sequenceNumber": "1".zfill(40),
        "history": "true",
        "historyId": "run1",
        "schema": "LockEvent/1.0.0",
    }
    assert len({entry["MessageDeduplicationId"], again["MessageDeduplicationId"], "A-1"}) == 3


def test_history_begins_where_the_client_wants_it():
    """From an instant on; the numbers are those that the events have in their mark."""
    since = (LONG_AGO + timedelta(seconds=2)).isoformat().replace("+00:00", ".000Z")

    past = past_of([_item("A", version) for version in (1, 2, 3)], (), (), _rules(replace(JOINER, since=since)))

    assert _ids(past.entries) == ["A-2", "A-3"]
    assert [int(number_of(entry)) for entry in past.entries] == [2, 3]


def test_an_old_event_that_breaks_the_contract_is_listed_and_passed_over():
    """With its rules, and without what it holds; the later events of the mark come."""
    past = past_of([_item("A", 1), _item("A", 2), _item("A", 3)], (), (), _rules(contracts=_broken("A-2")))

    assert _ids(past.entries) == ["A-1", "A-3"]
    ((mark, _, event_id, violations),) = past.passed
    assert (mark, event_id, violations) == ("A", "A-2", '[{"path":"/x","rule":"enum"}]')


def test_a_young_event_that_breaks_the_contract_stops_its_mark():
    """It is at the gate or on its way there: that and all behind it come by the release."""
    items = [_item("A", 1), _item("A", 2, NOW - timedelta(hours=1)), _item("A", 3, NOW)]

    past = past_of(items, (), (), _rules(contracts=_broken("A-2")))

    assert (_ids(past.entries), past.left_to_gate, past.passed) == (["A-1"], 2, [])


@pytest.mark.parametrize(("hold_marks", "brought"), [(True, ["A-1"]), (False, ["A-1", "A-3"])])
def test_what_is_held_at_the_gate_is_left_to_the_release(hold_marks, brought):
    """With its followers where marks are held, alone where rejected events are passed."""
    past = past_of([_item("A", version) for version in (1, 2, 3)], {"A-2"}, (), _rules(hold_marks=hold_marks))

    assert _ids(past.entries) == brought


def test_what_was_given_up_for_all_stays_given_up():
    """Also if it is so young that it might be on its way to the gate."""
    items = [_item("A", 1), _item("A", 2, NOW), _item("A", 3, NOW)]

    past = past_of(items, (), (), _rules(contracts=_broken("A-2"), given_up={"A-2"}))

    assert (_ids(past.entries), past.left_to_gate) == (["A-1", "A-3"], 0)


def test_the_clients_filter_counts_for_the_past_too():
    """What it does not let pass is counted."""
    wanted = Filter({"properties": {"eventId": {"const": "A-2"}}})

    past = past_of([_item("A", 1), _item("A", 2)], (), (), _rules(replace(JOINER, filter=wanted)))

    assert (_ids(past.entries), past.filtered) == (["A-2"], 1)


def test_what_may_come_once_more_is_remembered_and_nothing_else():
    """The last day's, what is held already, and what does not say when it was."""
    items = [
        _item("A", 1),
        _item("A", 2),
        _item("A", 3, NOW - timedelta(hours=25)),
        _item("A", 4, createTime={"S": "some day"}),
    ]

    past = past_of(items, (), {"A-1"}, _rules())

    assert past.remembered == ["A-1", "A-3", "A-4"]


# ----------------------------------------------------------------------------------------------------------------------
# A world around a history
# ----------------------------------------------------------------------------------------------------------------------
@dataclass
class EventTableFake:
    """The producer's table: items by mark, in the order of their keys, marks in that of the segment's scan."""

    items: list[Item] = field(default_factory=list)

    def marks(self, segment: int, segments: int, after: Mapping[str, Any]) -> Iterator[list[Item]]:
        """Yield the marks of a segment; what is written meanwhile is seen, as a scan sees it page by page."""
        last = after.get("mark", {}).get("S", "")
        while mark := min((one for one in self._of(segment, segments) if one > last), default=""):
            yield self.mark(mark)
            last = mark

    def mark(self, mark: str) -> list[Item]:
        """Return the items of one mark."""
        found = [item for item in self.items if item["mark"]["S"] == mark]
        return sorted(found, key=lambda item: str(item["createTime"]["S"]))

    def size(self) -> tuple[int, int]:
        """Return how much it is."""
        return len(self.items), 1_000 * len(self.items)

    def _of(self, segment: int, segments: int) -> set[str]:
        return {item["mark"]["S"] for item in self.items if _hash(item["mark"]["S"]) % segments == segment}


def _hash(mark: str) -> int:
    return sum(map(ord, mark))


class World:
    """A producer, a stream, a client with its queue, and everything between."""

    def __init__(self, subscription: Subscription = JOINER) -> None:
        self.now = NOW
        dynamodb = DynamoDBInMemory()
        self.held, self.histories = HeldEventsTable("held", dynamodb), HistoriesTable("held", dynamodb)
        self.table, self.queue = EventTableFake(), QueueInMemory(deduplicates=True)
        self.subscriptions = SubscriptionsFake({NAME: subscription})
        self.stores = Stores(self.table, self.histories, self.held, self.queue)
        self.stream: list[tuple[int, Item]] = []
        self.request: dict[str, Any] = {}
        self._written = 0

    @property
    def subscription(self) -> Subscription:
        """What the registration says."""
        found = self.subscriptions.said[NAME]
        assert found
        return found

    def write(self, mark: str, at: datetime | None = None, in_stream: bool = True) -> None:
        """Have the producer write a mark's next event."""
        version = len(self.table.mark(mark)) + 1
        item = _item(mark, version, at or self.now)
        self.table.items.append(item)
        self._written += 1
        if in_stream:
            self.stream.append((self._written, item))

    def carry(self, records: int) -> None:
        """Have the stream bring its next records, which go through the selection to the queue."""
        batch, self.stream = self.stream[:records], self.stream[records:]
        entries = [entry_of(self._event(number, item)) for number, item in batch]
        selected = select(
            {"client": NAME, "plan": plan(entries)}, self.subscriptions, self.held, self.histories, self.now
        )
        for sequence in sequences_of(entries_of(selected.plan)):
            for entry in sequence:
                assert not self.queue.send(URL, [entry | {"Id": "0"}])

    def _event(self, number: int, item: Item) -> dict[str, str]:
        change = {"NewImage": item, "Keys": {}, "SequenceNumber": str(10**20 + number)}
        return convert({"dynamodb": change}).as_input()

    def start(self, **asked: Any) -> None:
        """Begin the history, or go on with it."""
        self.request = self.check(**asked)
        begin(self.request, self.stores)

    def check(self, **asked: Any) -> dict[str, Any]:
        """Find out what is due."""
        moment = Moment(self.now, "run1", 60)
        return check(HistoryRequest(NAME, segments=2, **asked), self.subscription, self.stores, moment)

    def read(self, segment: int, steps: int = 1_000, contracts: VerdictContract | None = None) -> dict[str, Any]:
        """Read a segment for the time of so many waves."""
        left = iter(range(steps))
        sender = Sender(_Tireless(), lambda: next(left, None) is not None)
        request = {key: self.request[key] for key in ("client", "queueUrl", "run")}
        rules = _rules(self.subscription, contracts, run=self.request["run"], now=self.now)
        return read_segment(request | {"segment": segment, "segments": 2}, rules, self.stores, sender)

    def finish(self) -> None:
        """Read what is left, conclude, and redrive what is held."""
        results = [self.read(segment) for segment in (0, 1)]
        outcome = conclude({"request": self.request, "segments": results}, self.stores)
        assert outcome["outcome"] == "brought"
        self.redrive()

    def redrive(self) -> None:
        """Deliver what is held."""
        standing = standing_of(NAME, self.subscriptions, self.histories, self.now)
        group_ids = [sequence.group_id for sequence in self.held.sequences(NAME, "", 100)]
        request = {"recipient": NAME, "queueUrl": URL, "groupIds": group_ids}
        assert not redrive_lane(request, self.held, self.queue, lambda: True, standing)["stopped"]

    def got(self) -> dict[str, list[str]]:
        """Return the event ids that the client got, by mark, in order, repeats among them."""
        got = self.queue.received
        return by_mark(zip((entry["MessageGroupId"] for entry in got), _ids(got), strict=True))

    def wrote(self) -> dict[str, list[str]]:
        """Return the event ids that the producer wrote, by mark, in order."""
        return written(self.table.items)


class _Tireless:
    def wait_for(self, events: int) -> None:
        """Wait for nothing."""

    def pause(self, attempt: int) -> None:
        """Wait for nothing."""


def test_the_past_comes_then_what_was_held_then_what_is_live():
    """Everything once, in order, though an event of the past comes through the stream only after the end."""
    world = World()
    for _ in range(3):
        world.write("A", LONG_AGO, in_stream=False)
        world.write("B", LONG_AGO, in_stream=False)
    world.start()
    world.write("A")
    world.carry(1)
    assert world.got() == {}
    world.write("B")  # in the table before the read, through the stream after the end
    world.finish()
    world.carry(1)
    world.write("B")
    world.carry(1)

    assert world.got() == world.wrote()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from("ABC")), max_size=60))
def test_whatever_happens_in_whatever_order_every_event_comes_once_and_in_order(steps):
    """Writes, the stream in pieces, reads in pieces, stops and starts, a queue that refuses: the client never knows."""
    world = World()
    refusing = [False]
    world.queue.refuses = lambda _: "AccessDenied" if refusing[0] else ""
    for mark in "AB":
        for _ in range(3):
            world.write(mark, LONG_AGO, in_stream=False)
    world.write("C", in_stream=True)
    world.start()
    for kind, mark in steps:
        if kind <= 1:
            world.write(mark)
        elif kind == 2:
            world.carry(2)
        elif kind in (3, 4):
            world.read(kind - 3, steps=2)
        elif kind == 5:
            refusing[0] = not refusing[0]
        else:
            check(HistoryRequest(NAME, stop=True), world.subscription, world.stores, Moment(NOW, "x", 60))
            world.start()
    refusing[0] = False
    world.finish()
    world.write("A")
    world.carry(1_000)
    world.redrive()

    assert world.got() == world.wrote()
    for messages in sequences_of(world.queue.received):
        assert [number_of(one) for one in messages] == sorted(number_of(one) for one in messages)


def test_what_a_release_brings_meanwhile_comes_once():
    """It was at the gate, was released while history was under way, is held for the client, and old by its instant."""
    world = World()
    for _ in range(3):
        world.write("A", LONG_AGO, in_stream=False)
    world.start()
    released = [entry_of(world._event(9, item)) for item in world.table.mark("A")[1:]]
    world.held.hold(NAME, sequences_of(released), "history", "")

    world.finish()

    assert world.got() == world.wrote()


def test_what_is_at_the_gate_is_not_brought_and_comes_by_the_release():
    """History stops before it; what a release delivers later follows in order."""
    world = World()
    for _ in range(3):
        world.write("A", LONG_AGO, in_stream=False)
    entries = [entry_of(world._event(number, item)) for number, item in enumerate(world.table.mark("A")[1:])]
    world.held.hold(GATE, sequences_of(entries), QUARANTINED, CONTRACT_BROKEN)
    world.start()
    world.finish()
    assert world.got() == {"A": ["A-1"]}

    world.stream = list(enumerate(world.table.mark("A")[1:], start=1))
    world.carry(2)

    assert world.got() == world.wrote()


def test_a_queue_that_refuses_stops_the_segment_where_it_is():
    """What was accepted is not sent again; the error is told; nothing is parked."""
    world = World()
    for _ in range(3):
        world.write("A", LONG_AGO, in_stream=False)
    world.start()
    segment = _hash("A") % 2
    world.queue.refuses = lambda entry: "AccessDenied" if _ids([entry]) == ["A-2"] else ""
    answer = world.read(segment)
    assert (answer["done"], answer["stopped"], answer["ended"]) == (False, "AccessDenied", True)
    assert list(world.held.sequences(NAME, "", 9)) == []
    calls = len(world.queue.calls)
    world.queue.refuses = lambda _: ""

    world.finish()

    assert world.got() == world.wrote()
    assert all("A-1" not in _ids(call) for call in world.queue.calls[calls:])


def test_a_history_that_was_stopped_reads_no_further():
    """The state is looked at before every hundred marks; a run whose place another has taken stops, too."""
    world = World()
    world.write("A", LONG_AGO, in_stream=False)
    world.start()
    world.histories.move(NAME, "run1", Progress.STOPPED)

    answer = world.read(_hash("A") % 2)

    assert (answer["stopped"], world.got()) == (STOPPED, {})


def test_a_read_that_another_has_taken_the_place_of_notes_nothing():
    """It knows a mark before its last event, which the other remembers as brought: what it noted would lose that."""
    world = World()
    segment = _hash("A") % 2
    world.write("A", in_stream=False)
    world.start()
    slept = iter([True])

    def overtake(operation: str) -> None:
        if operation == "send" and next(slept, False):  # the first read has the mark as it was, and is slow
            world.write("A")
            world.queue.refuses = lambda _: "AccessDenied"
            world.read(segment)
            world.queue.refuses = lambda _: ""

    world.queue.before = overtake
    late = world.read(segment)
    world.carry(1)
    world.finish()

    assert late["stopped"] == STOPPED
    assert world.got() == world.wrote()


def test_patience_with_a_queue_ends():
    """After so many times the history counts as failed; started again it goes on with the same run."""
    world = World()
    world.start()
    refused = [{"done": False, "stopped": "AccessDenied"}]

    once = conclude({"request": world.request, "segments": refused}, world.stores)
    at_last = conclude({"request": world.request | {"patience": 1}, "segments": refused}, world.stores)

    assert (once["outcome"], once["request"]["patience"]) == ("refused", PATIENCE - 1)
    assert (at_last["outcome"], world.histories.state(NAME).progress) == ("failed", Progress.FAILED)
    assert world.check()["goesOn"]


def test_a_history_whose_client_is_paused_for_long_is_stopped_and_has_not_failed():
    """Somebody meant it: nobody is called."""
    world = World()
    world.start()
    paused = {"request": world.request | {"patience": 1}, "segments": [{"done": False, "stopped": CLIENT_PAUSED}]}

    outcome = conclude(paused, world.stores)["outcome"]

    assert (outcome, world.histories.state(NAME).progress) == ("stopped", Progress.STOPPED)
    assert world.check()["goesOn"]


@pytest.mark.parametrize("asked_first", [4, 1])
def test_a_run_keeps_its_segments_whatever_is_asked_when_it_goes_on(asked_first: int):
    """Marks are spread over segments by their number: with another one, some would never be read."""
    world = World()
    for mark in "ABCDEFGH":
        world.write(mark, LONG_AGO, in_stream=False)
    world.histories.begin(NAME, JOINER.history, "run1", asked_first)

    def read(segment: int) -> dict[str, Any]:
        part = {"client": NAME, "queueUrl": URL, "run": "run1", "segment": segment, "segments": asked_first}
        return read_segment(part, _rules(), world.stores, Sender(_Tireless(), lambda: True))

    read(0)
    world.histories.move(NAME, "run1", Progress.STOPPED)

    world.start()
    results = [read(segment) for segment in world.request["segments"]]
    outcome = conclude({"request": world.request, "segments": results}, world.stores)["outcome"]

    assert (world.request["goesOn"], outcome) == (True, "brought")
    assert world.got() == world.wrote()


def test_one_mark_comes_again_and_what_is_held_of_it_follows():
    """The mark is closed meanwhile: no redrive lets anything of it go before its past."""
    world = World(replace(JOINER, since=""))
    for _ in range(2):
        world.write("A", LONG_AGO, in_stream=False)
    request = world.check(mark="A")
    world.held.close(NAME, "A")
    world.write("A")
    world.carry(1)
    lane = {"recipient": NAME, "queueUrl": URL, "groupIds": ["A"]}
    stopped = redrive_lane(lane, world.held, world.queue, lambda: True)["stopped"]
    assert (stopped, world.got()) == ([{"groupId": "A", "error": "HistoryUnderWay"}], {})

    answer = bring_mark(request, _rules(world.subscription), world.stores, Sender(_Tireless(), lambda: True))
    world.write("A")
    world.carry(1)
    world.redrive()

    assert answer["done"]
    assert world.got() == world.wrote()


def test_a_mark_that_is_refused_stays_closed_and_goes_on():
    """What was accepted of it is not sent again."""
    world = World(replace(JOINER, since=""))
    for _ in range(2):
        world.write("A", LONG_AGO, in_stream=False)
    request = world.check(mark="A")
    world.held.close(NAME, "A")
    world.queue.refuses = lambda entry: "AccessDenied" if _ids([entry]) == ["A-2"] else ""
    sender, rules = Sender(_Tireless(), lambda: True), _rules(world.subscription)
    once = bring_mark(request, rules, world.stores, sender)
    world.queue.refuses = lambda _: ""

    twice = bring_mark(once, rules, world.stores, sender)

    assert (once["done"], once["stopped"], once["patience"]) == (False, "AccessDenied", PATIENCE - 1)
    assert twice["done"]
    assert world.got() == world.wrote()


# ----------------------------------------------------------------------------------------------------------------------
# What is due
# ----------------------------------------------------------------------------------------------------------------------
def test_the_read_waits_until_every_converter_knows_the_client():
    """The cache's minute after the registration's last change, and a little more."""
    world = World()
    assert 60 < world.check()["waitSeconds"] < 120
    world.now += timedelta(minutes=5)
    assert world.check()["waitSeconds"] == 0


def test_once_more_waits_for_what_is_in_flight():
    """The client was being delivered to: what began before it was held for has to end first."""
    world = World()
    world.histories.begin(NAME, JOINER.history, "run0", 2)
    world.histories.move(NAME, "run0", Progress.DONE)
    world.now += timedelta(minutes=5)

    request = world.check(again=True)

    assert (request["due"], request["run"], request["goesOn"]) == ("history", "run1", False)
    assert request["waitSeconds"] == SETTLE_SECONDS


@pytest.mark.parametrize(
    ("asked", "subscription", "problem"),
    [
        ({}, replace(JOINER, paused=True), "is paused: resume it first"),
        ({}, replace(JOINER, since=""), "asked for no history"),
        ({"mark": "A"}, JOINER, "of this mark with it"),
    ],
)
def test_what_cannot_be_done_is_refused(asked, subscription, problem):
    """The error says why, and what to do."""
    with pytest.raises(HistoryRequestError, match=problem):
        World(subscription).check(**asked)


def test_only_what_is_under_way_is_stopped():
    """To stop a history that is over would hold everything for its client, until somebody asked for it again."""
    world = World()
    with pytest.raises(HistoryRequestError, match="nothing to stop"):
        world.check(stop=True)
    world.histories.begin(NAME, JOINER.history, "run0", 2)
    world.histories.move(NAME, "run0", Progress.DONE)

    with pytest.raises(HistoryRequestError, match="nothing to stop"):
        world.check(stop=True)

    assert world.histories.state(NAME).progress == Progress.DONE


def test_a_client_that_is_paused_gets_no_history_either():
    """What is under way waits; the change itself asks for nothing, for a redrive and a history would be refused."""
    world = World()
    world.write("A", LONG_AGO, in_stream=False)
    world.start()
    world.subscriptions.said[NAME] = replace(JOINER, paused=True)

    answer = world.read(_hash("A") % 2)

    assert (answer["stopped"], answer["ended"], world.got()) == ("ClientPaused", True, {})
    assert world.check(changed="Update")["due"] == "nothing"
    world.subscriptions.said[NAME] = JOINER
    assert (world.check(changed="Update")["due"], world.check()["goesOn"]) == ("history", True)


def test_one_mark_waits_for_a_client_that_is_paused():
    """It stays closed, with what was sent of it known."""
    world = World(replace(JOINER, since=""))
    world.write("A", LONG_AGO, in_stream=False)
    request = world.check(mark="A")
    paused = _rules(replace(world.subscription, paused=True))

    answer = bring_mark(request, paused, world.stores, Sender(_Tireless(), lambda: True))

    assert (answer["done"], answer["stopped"], world.got()) == (False, "ClientPaused", {})
    assert answer["patience"] == PATIENCE - 1


def test_a_history_that_is_over_does_not_come_again_by_itself():
    """Who wants it once more says so."""
    world = World()
    world.histories.begin(NAME, JOINER.history, "run0", 2)
    world.histories.move(NAME, "run0", Progress.DONE)

    with pytest.raises(HistoryRequestError, match="has had its history"):
        world.check()
    assert world.check(changed="Update")["due"] == "nothing"


@pytest.mark.parametrize(("reason", "error"), [(PAUSED, ""), (PINNED, ""), (PARKED, OTHER_MAJOR)])
def test_a_change_of_the_registration_asks_for_what_is_due(reason, error):
    """History for who wants one, a redrive for who was resumed or unpinned, nothing else; who left is forgotten."""
    world = World()
    assert world.check(changed="Create")["due"] == "history"
    world.subscriptions.said[NAME] = replace(JOINER, since="")
    assert world.check(changed="Update")["due"] == "nothing"
    world.write("A")
    world.held.hold(NAME, [[entry_of(world._event(1, world.table.items[0]))]], reason, error)
    assert world.check(changed="Update")["due"] == "redrive"
    world.histories.begin(NAME, JOINER.history, "run0", 2)
    left = check(HistoryRequest(NAME, changed="Delete"), None, world.stores, Moment(NOW, "run1", 60))
    assert (left["due"], world.histories.state(NAME)) == ("nothing", HistoryState())


def test_a_dry_run_tells_how_much_it_would_be_and_begins_nothing():
    """By the table's own numbers."""
    world = World()
    for _ in range(5):
        world.write("A", LONG_AGO, in_stream=False)

    told = describe(world.check(dry_run=True), world.stores)

    assert told == {"client": NAME, "events": 5, "bytes": 5_000, "readUnits": 2, "secondsAtLeast": 1}
    assert world.histories.state(NAME) == HistoryState()


def test_a_settled_history_does_not_hide_one_that_has_begun_again():
    """Whoever notes that the old run is long over comes too late."""
    world = World()
    world.histories.begin(NAME, JOINER.history, "run0", 2)
    world.histories.move(NAME, "run0", Progress.DONE)
    old = world.histories.state(NAME)
    world.histories.settle(NAME, old)
    assert world.held.mentions() == [JOINER.history]
    world.histories.begin(NAME, JOINER.history, "run1", 2)

    world.histories.settle(NAME, old)

    assert world.held.mentions() == []


@pytest.mark.parametrize(
    ("subscription", "problem"),
    [(replace(JOINER, paused=True, since=""), "is paused"), (JOINER, "history of client archive is under way")],
)
def test_no_redrive_sends_to_a_client_that_is_held_for(subscription, problem):
    """It is refused, with the reason; a lane that runs already stops before its next event."""
    world = World(subscription)
    world.write("A")
    world.carry(1)
    standing = standing_of(NAME, world.subscriptions, world.histories, NOW)

    with pytest.raises(RedriveRequestError, match=problem):
        parse_redrive({"client": NAME}).demand_open(standing)
    answer = redrive_lane(
        {"recipient": NAME, "queueUrl": URL, "groupIds": ["A"]}, world.held, world.queue, lambda: True, standing
    )
    assert (answer["delivered"], answer["groupIds"], world.got()) == (0, [], {})
    assert answer["error"] in ("ClientPaused", "ClientHistory")


# ----------------------------------------------------------------------------------------------------------------------
# Requests and pace
# ----------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ([], "has to be an object"),
        ({}, "say whose history"),
        ({"client": 7}, '"client" is a text'),
        ({"client": "a", "segments": 0}, '"segments" is from 1 to 40'),
        ({"client": "a", "segments": True}, '"segments" is a whole number'),
        ({"client": "a", "again": 1}, '"again" is true or false'),
        ({"client": "a", "mark": ""}, '"mark" is empty'),
        ({"client": "a", "stop": True, "again": True}, '"stop" stands alone'),
        ({"client": "a", "speed": 9}, "unknown fields"),
        ({"operation": "Update", "name": "/other/clients/a"}, "none of those under /stack/clients"),
    ],
)
def test_a_request_that_makes_none_is_refused(asked, problem):
    """The text says what is wrong, and what to write instead."""
    with pytest.raises(HistoryRequestError, match=problem):
        parse(asked, "/stack/clients")


def test_a_change_names_its_client_by_the_parameter():
    """As EventBridge hands over the detail of the change."""
    asked = parse({"operation": "Create", "name": "/stack/clients/archive", "type": "String"}, "/stack/clients")

    assert (asked.client, asked.changed) == ("archive", "Create")


def test_the_pace_is_kept_whatever_the_calls_take():
    """A hundred events a second: ten of them take a tenth of one, less what has passed anyway."""
    clock, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        clock[0] += seconds

    pace = Pace(100, lambda: clock[0], sleep)
    pace.wait_for(10)
    pace.wait_for(10)
    clock[0] += 0.06
    pace.wait_for(10)
    clock[0] += 1
    pace.wait_for(10)

    assert slept == [0.1, 0.04]
