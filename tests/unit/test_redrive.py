"""Unit tier, `redrive.redrive`: proves that held events leave in order, once their queue has them, and none is lost.

Store and queue are fakes in memory; test_held_events.py and test_queues.py hold the real ones to the
same behaviour. The properties run every actor (live delivery, redrives) operation by operation, in
whatever order Hypothesis chooses; what DynamoDB and SQS do under load they cannot prove.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from copy import deepcopy
from itertools import islice
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mark_event_queue.domain.errors import HeldEventsUnavailableError, RedriveRequestError
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.held import GATE, PARKED
from mark_event_queue.domain.holding import hold_followers
from mark_event_queue.domain.rounds import Entry, plan
from mark_event_queue.parking.parking import park
from mark_event_queue.redrive.redrive import (
    MOST_SEQUENCES_DESCRIBED,
    SEQUENCES_PER_TURN,
    TURNS_PER_EXECUTION,
    add_up,
    aim,
    conclude,
    describe,
    discard,
    list_lanes,
    redrive_lane,
)
from tests.builders import entries, event_id, numbers, sequence_number
from tests.fakes import SINCE, HeldEventsInMemory, QueueInMemory, Turns

CLIENT, URL = "archive", "https://sqs.eu-west-2.amazonaws.com/123456789012/MarkFanOutClientQueue.fifo"
A, B, C = (to_group_id(mark) for mark in "ABC")
NOTHING_YET: dict[str, Any] = {"sequences": 0, "delivered": 0, "stoppedSequences": 0, "errors": []}
FIRST_PAGE = {"after": "", "listed": False, "turn": 0}


def _always() -> bool:
    return True


def _times(count: int) -> Callable[[], bool]:
    """Return an invocation that has time for so many rounds."""
    left = iter([True] * count)
    return lambda: next(left, False)


def _parked(*marks: str, error: str = "Sqs.SqsException") -> HeldEventsInMemory:
    """Return a store with an event parked for each mark named, in the order of the stream."""
    store = HeldEventsInMemory()
    for entry in entries(marks):
        store.hold(CLIENT, [[entry]], PARKED, error)
    return store


def _refusing(*refused: int, error: str = "InternalError") -> Callable[[Entry], str]:
    return lambda entry: error if numbers([entry])[0] in refused else ""


def _lane(*group_ids: str) -> dict[str, Any]:
    return {"recipient": CLIENT, "atGate": False, "queueUrl": URL, "groupIds": list(group_ids)}


def _came_to(*group_ids: str, delivered: int = 0, stopped: Sequence[dict[str, str]] = ()) -> dict[str, Any]:
    return {"groupIds": list(group_ids), "delivered": delivered, "stopped": list(stopped)}


def _request(**changes: Any) -> dict[str, Any]:
    """Return what was asked, in the shape in which the states hand it on."""
    asked = {"recipient": CLIENT, "groupId": "", "action": "redrive", "all": False, "eventId": "", "reason": ""}
    return asked | {"sequenceNumber": "", "by": "", "discarded": 0, "after": "", "more": False} | changes


def _listing(**changes: Any) -> dict[str, Any]:
    return {"recipient": CLIENT, "groupId": "", "page": FIRST_PAGE, "totals": NOTHING_YET, "lanes": []} | changes


def _conclusion(
    store: HeldEventsInMemory, recipient: str = CLIENT, discarded: int = 0, **totals: Any
) -> dict[str, Any]:
    asked = {"recipient": recipient, "discarded": discarded}
    return conclude({"request": asked, "totals": NOTHING_YET | totals}, store)


def _stored(store: HeldEventsInMemory) -> dict[str, list[int]]:
    return {group_id: numbers(held) for group_id, held in store.stored(CLIENT).items()}


def _received(queue: QueueInMemory) -> dict[str, list[int]]:
    return {group_id: numbers(got) for group_id, got in queue.first_receipts().items()}


# ----------------------------------------------------------------------------------------------------------------------
# A lane
# ----------------------------------------------------------------------------------------------------------------------
def test_sequences_are_delivered_in_order_and_ended():
    """Every call carries one event of each sequence; an emptied sequence is held no more."""
    store, queue = _parked("A", "B", "A", "A", "B"), QueueInMemory()

    answer = redrive_lane(_lane(A, B), store, queue, _always)

    assert answer == _came_to(delivered=5)
    assert [numbers(call) for call in queue.calls] == [[1, 2], [3, 5], [4]]
    assert _stored(store) == {}
    assert store.sequences(CLIENT, "", 10) == []
    assert [recipient.events for recipient in store.recipients()] == [0]


def test_a_sequence_longer_than_one_read_is_delivered_whole():
    """What one read of the store does not give, the next one does."""
    store, queue = _parked(*"A" * 25), QueueInMemory()

    assert redrive_lane(_lane(A), store, queue, _always)["delivered"] == 25
    assert _received(queue) == {A: list(range(1, 26))}


def test_a_refused_event_stops_its_sequence_alone():
    """It stays parked with its followers and the new error; the sequences beside it lose nothing."""
    store = _parked("A", "B", "A", "B", "A", error="first")

    answer = redrive_lane(_lane(A, B), store, QueueInMemory(_refusing(3)), _always)

    assert answer == _came_to(delivered=3, stopped=[{"groupId": A, "error": "InternalError"}])
    assert _stored(store) == {A: [3, 5]}
    sequence = store.sequence(CLIENT, A)
    assert sequence is not None
    assert (sequence.error, sequence.events, sequence.first_event_id) == ("InternalError", 2, event_id(3))


def test_a_call_that_fails_stops_all_of_its_sequences():
    """A queue that is not there refuses every entry: nothing is delivered, nothing is forgotten."""
    store = _parked("A", "B", "A")

    answer = redrive_lane(_lane(A, B), store, QueueInMemory(lambda entry: "QueueDoesNotExist"), _always)

    assert [sequence["groupId"] for sequence in answer["stopped"]] == [A, B]
    assert (answer["groupIds"], answer["delivered"]) == ([], 0)
    assert _stored(store) == {A: [1, 3], B: [2]}


@pytest.mark.parametrize(("rounds", "delivered", "left"), [(0, 0, [A, B]), (1, 2, [A, B]), (2, 3, [A])])
def test_an_invocation_without_time_leaves_the_rest_to_the_next(rounds, delivered, left):
    """Its answer names the groups with which the next turn goes on."""
    store, queue = _parked("A", "B", "A", "A"), QueueInMemory()

    answer = redrive_lane(_lane(A, B), store, queue, _times(rounds))

    assert (answer["delivered"], answer["groupIds"]) == (delivered, left)
    rest = redrive_lane(_lane(*answer["groupIds"]), store, queue, _always)
    assert rest == _came_to(delivered=4 - delivered)
    assert _received(queue) == {A: [1, 3, 4], B: [2]}


def test_calls_stay_below_what_sqs_takes_together():
    """A wave is cut before a megabyte; what did not fit goes in the next call, each sequence still in order."""
    marks = ["A", "B", "C", "A"]
    store, queue = HeldEventsInMemory(), QueueInMemory()
    for entry in entries(marks):
        store.hold(CLIENT, [[entry | {"MessageBody": "x" * 400_000}]], PARKED, "Sqs.SqsException")

    redrive_lane(_lane(A, B, C), store, queue, _always)

    assert [numbers(call) for call in queue.calls] == [[1, 2], [4, 3]]


def test_an_event_beyond_the_limit_goes_alone():
    """Whatever its size, the first entry of a wave is sent: the queue says whether it takes it."""
    store, queue = HeldEventsInMemory(), QueueInMemory()
    for entry in entries(["A", "B"]):
        store.hold(CLIENT, [[entry | {"MessageBody": "x" * 1_100_000}]], PARKED, "Sqs.SqsException")

    assert redrive_lane(_lane(A, B), store, queue, _always)["delivered"] == 2
    assert [len(call) for call in queue.calls] == [1, 1]


def test_a_sequence_that_is_not_held_costs_no_call():
    """Whoever ended it since the page was listed has delivered it."""
    queue = QueueInMemory()

    assert redrive_lane(_lane(A), HeldEventsInMemory(), queue, _always) == _came_to()
    assert queue.calls == []


def test_an_event_parked_behind_while_the_sequence_would_end_is_delivered():
    """Appending and ending meet on the version: what was appended in between keeps the sequence held."""
    first, second = entries(["A", "A"])
    store, queue = HeldEventsInMemory(), QueueInMemory()
    store.hold(CLIENT, [[first]], PARKED, "Sqs.SqsException")
    appended = iter([second])

    def append(operation: str) -> None:
        if operation == "end" and (entry := next(appended, None)):
            assert store.hold_behind(CLIENT, [[entry]]) == []

    store.before = append

    assert redrive_lane(_lane(A), store, queue, _always)["delivered"] == 2
    assert _received(queue) == {A: [1, 2]}


def test_a_store_that_fails_after_the_call_fails_the_step():
    """What was sent and not forgotten is sent again by the next try, before its followers."""
    store, queue = _parked("A", "A"), QueueInMemory()
    store.before = _failing_once("forget")

    with pytest.raises(HeldEventsUnavailableError):
        redrive_lane(_lane(A), store, queue, _always)
    redrive_lane(_lane(A), store, queue, _always)

    assert numbers(queue.received) == [1, 1, 2]


@pytest.mark.parametrize(("failing", "after", "left"), [("forget", 2, 10), ("events", 2, 11), ("note", 0, 9)])
def test_what_a_lane_delivered_before_it_failed_is_counted_out(failing, after, left):
    """The step is tried again for the rest; the number of the client's events is right all the same."""
    store = _parked(*"A" * 12, "B")
    store.before = _failing_once(failing, after)

    with pytest.raises(HeldEventsUnavailableError, match="throttled"):
        redrive_lane(_lane(A, B), store, QueueInMemory(_refusing(4)), _always)

    assert sum(len(held) for held in store.stored(CLIENT).values()) == left
    assert [recipient.events for recipient in store.recipients()] == [left]


def test_the_error_of_a_lane_is_told_though_its_count_fails_too():
    """What went wrong first is what helps."""
    store = _parked("A", "A")

    def failing(operation: str) -> None:
        if operation == "count_out":
            raise HeldEventsUnavailableError("count_out")
        if operation == "end":
            raise ValueError("a bug")

    store.before = failing

    with pytest.raises(ValueError, match="a bug"):
        redrive_lane(_lane(A), store, QueueInMemory(), _always)


def _failing_once(named: str, after: int = 0) -> Callable[[str], None]:
    failures = iter([False] * after + [True])

    def before(operation: str) -> None:
        if operation == named and next(failures, False):
            raise HeldEventsUnavailableError("throttled")

    return before


# ----------------------------------------------------------------------------------------------------------------------
# Turns, totals, the end
# ----------------------------------------------------------------------------------------------------------------------
def _turn(listed: dict[str, Any]) -> list[str]:
    return [group_id for lane in listed["page"]["lanes"] for group_id in lane]


@pytest.mark.parametrize(
    ("count", "turns"),
    [
        (0, [0]),
        (1, [1, 0]),
        (10, [10, 0]),
        (99, [99, 0]),
        (100, [100, 0]),
        (101, [100, 1, 0]),
        (250, [100, 100, 50, 0]),
    ],
)
def test_turns_cover_every_sequence_once(count, turns):
    """A turn is lanes of ten, the next one goes on behind its last sequence, whatever became of the sequences."""
    store = _parked(*[f"M{number:03}" for number in range(count)])
    taken: list[list[str]] = []
    listed: dict[str, Any] = {"page": FIRST_PAGE, "totals": NOTHING_YET}
    while not taken or taken[-1]:
        listed = list_lanes(_listing(**listed), store)
        assert all(len(lane) == 10 for lane in listed["page"]["lanes"][:-1])
        taken.append(_turn(listed))
        for group_id in taken[-1][::2]:
            store.heads.pop((CLIENT, group_id))

    assert [len(group_ids) for group_ids in taken] == turns
    assert [group_id for group_ids in taken for group_id in group_ids] == [f"M{number:03}" for number in range(count)]
    assert listed["totals"]["sequences"] == count


def test_what_a_turn_left_comes_first_in_the_next():
    """Sequences too long for one invocation go on before further ones begin, and are counted once."""
    store = _parked(*[f"M{number:03}" for number in range(150)])
    first = list_lanes(_listing(), store)
    lanes = [_came_to("M007", delivered=3), _came_to("M042", "M043"), _came_to(delivered=9)]

    second = list_lanes(_listing(**first, lanes=lanes), store)

    assert _turn(second) == ["M007", "M042", "M043", *[f"M{number}" for number in range(100, 150)]]
    assert (second["totals"]["sequences"], second["totals"]["delivered"]) == (150, 12)
    third = list_lanes(_listing(**second, lanes=[]), store)["page"]
    assert (third["lanes"], third["listed"]) == ([], True)


def test_a_turn_takes_no_further_sequences_than_it_has_room_for():
    """Where all of a turn are left, it is they who have the next one, whole; the others keep their place."""
    store = _parked(*[f"M{number:03}" for number in range(150)])
    first = list_lanes(_listing(), store)
    lanes = [_came_to(*lane) for lane in first["page"]["lanes"]]

    second = list_lanes(_listing(**first, lanes=lanes), store)

    assert _turn(second) == _turn(first)
    assert (second["page"]["after"], second["page"]["listed"]) == ("M099", False)


@pytest.mark.parametrize(("turn", "pause"), [(0, False), (TURNS_PER_EXECUTION - 1, False), (TURNS_PER_EXECUTION, True)])
def test_an_execution_hands_on_what_its_history_has_no_room_for(turn, pause):
    """It pauses only with something left to do."""
    page = FIRST_PAGE | {"turn": turn}

    assert list_lanes(_listing(page=page), _parked("A"))["page"]["pause"] is pause
    assert list_lanes(_listing(page=page), HeldEventsInMemory())["page"]["pause"] is False


@pytest.mark.parametrize(("group_id", "lanes"), [(A, [[A]]), (C, [])])
def test_a_redrive_of_one_mark_lists_that_mark(group_id, lanes):
    """Only the sequence of that mark is redriven, and only if it is held; what is left of it goes on alone."""
    store = _parked("A", "B")
    listed = list_lanes(_listing(groupId=group_id), store)

    assert (listed["page"]["lanes"], listed["page"]["listed"]) == (lanes, True)
    left = [_came_to(*lane) for lane in lanes]
    assert list_lanes(_listing(groupId=group_id, **listed, lanes=left), store)["page"]["lanes"] == lanes


def test_listing_adds_up_the_turn_before():
    """The totals travel with the turns, so no state holds the results of more than one."""
    totals = {"sequences": 4, "delivered": 3, "stoppedSequences": 1, "errors": ["InternalError"]}
    lanes = [_came_to(delivered=2, stopped=[{"groupId": A, "error": "AccessDenied"}])]

    listed = list_lanes(_listing(totals=totals, lanes=lanes), _parked("A"))

    assert listed["totals"] == {
        "sequences": 5, "delivered": 5, "stoppedSequences": 2, "errors": ["AccessDenied", "InternalError"],
    }  # fmt: skip


def test_totals_name_every_error_once():
    """Those of stopped sequences and those that stopped a whole lane."""
    stopped = [{"groupId": A, "error": "InternalError"}, {"groupId": B, "error": "InternalError"}]
    lanes = [
        _came_to(delivered=2, stopped=stopped),
        _came_to() | {"error": "States.Timeout"},
        _came_to(delivered=1),
    ]

    assert add_up(NOTHING_YET, lanes) == {
        "sequences": 0,
        "delivered": 3,
        "stoppedSequences": 2,
        "errors": ["InternalError", "States.Timeout"],
    }


def test_an_emptied_client_is_named_no_more():
    """Live delivery does without a selection again; the answer has the totals, what was given up, and whose it is."""
    store = _parked("A")
    redrive_lane(_lane(A), store, QueueInMemory(), _always)

    assert _conclusion(store, sequences=1, delivered=1, discarded=2) == {
        "sequences": 1, "delivered": 1, "stoppedSequences": 0, "errors": [],
        "recipient": CLIENT, "discarded": 2, "nothingHeld": True,
    }  # fmt: skip
    assert store.heads == {}


def test_a_client_of_whom_something_is_held_stays_named():
    """Otherwise live delivery would send past what is held."""
    store = _parked("A")

    assert _conclusion(store)["nothingHeld"] is False
    assert store.version(CLIENT, "")


def test_a_client_who_was_never_named_has_nothing_held():
    """A redrive of nothing says so."""
    assert _conclusion(HeldEventsInMemory())["nothingHeld"] is True


def test_what_is_held_for_a_client_keeps_the_gate_named_no_longer():
    """Each recipient is concluded for itself."""
    store = _parked("A")
    store.hold(GATE, [entries(["B"])], "quarantined", "ContractBroken")
    redrive_lane(_lane(A), store, QueueInMemory(), _always)

    assert _conclusion(store, GATE)["nothingHeld"] is False
    assert _conclusion(store)["nothingHeld"] is True


@pytest.mark.parametrize("moment", ["sequences", "end"])
def test_a_client_whose_events_are_held_meanwhile_stays_named(moment):
    """A sequence that starts while the redrive concludes keeps its client among those that are selected for."""
    store = _parked("A")
    redrive_lane(_lane(A), store, QueueInMemory(), _always)
    parked = iter([True])

    def park_one(operation: str) -> None:
        if operation == moment and next(parked, False):
            store.hold(CLIENT, [entries(["B"])], PARKED, "Sqs.SqsException")

    store.before = park_one

    assert _conclusion(store)["nothingHeld"] is False
    assert store.lost() == []


# ----------------------------------------------------------------------------------------------------------------------
# Discards, and what would be done
# ----------------------------------------------------------------------------------------------------------------------
def test_a_discard_aims_at_the_first_event():
    """It is named, with its place, before it is given up, so that a repeated step gives up nothing else."""
    store, asked = _parked("B", "A", "A"), _request(action="discard", groupId=A)
    aimed = asked | {"eventId": event_id(2), "sequenceNumber": sequence_number(2)}

    assert aim(asked, store) == aimed
    assert aim(asked | {"eventId": event_id(2)}, store) == aimed


@pytest.mark.parametrize(
    "changes", [{}, {"action": "release"}, {"action": "discard", "all": True}], ids=["redrive", "release", "discard"]
)
def test_a_sequence_that_lost_its_events_before_its_end_can_be_ended_by_its_mark(changes):
    """As after a crash in between: it is listed and ended, and its mark is held no more."""
    store = _parked("A")
    redrive_lane(_lane(A), store, QueueInMemory(), _times(1))
    asked = _request(groupId=A, **changes)

    assert aim(asked, store) == asked
    listed = list_lanes(_listing(groupId=A), store)
    for group_ids in listed["page"]["lanes"]:
        redrive_lane(_lane(*group_ids), store, QueueInMemory(), _always)
    assert store.sequence(CLIENT, A) is None


@pytest.mark.parametrize(
    "asked", [{"groupId": A}, {"action": "discard", "all": True}, {"action": "discard", "all": True, "groupId": A}]
)
def test_a_redrive_and_a_discard_of_all_aim_at_nothing(asked):
    """They are handed on as they were asked."""
    assert aim(_request(**asked), _parked("A")) == _request(**asked)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"action": "discard", "groupId": C}, "nothing of this mark is held for archive; meq held shows what is"),
        ({"action": "discard", "groupId": C, "all": True}, "nothing of this mark is held for archive; meq held"),
        ({"action": "redrive", "groupId": C}, "nothing of this mark is held for archive; meq held shows what is"),
        (
            {"action": "discard", "groupId": A, "eventId": event_id(3)},
            "eventId names another event than the first one held of this mark; meq held shows the first",
        ),
    ],
)
def test_a_request_for_what_is_not_there_is_refused(asked, problem):
    """Nothing else is given up, or redriven, in its place."""
    with pytest.raises(RedriveRequestError, match=problem):
        aim(_request(**asked), _parked("A", "B", "A"))


def test_a_discard_of_a_client_gives_up_all_its_sequences_in_as_many_steps_as_it_takes():
    """Without a mark, all of every mark; what there was no time for is left for the next step."""
    store = _parked("A", "B", "A", "C")
    asked = aim(_request(action="discard", groupId="", all=True), store)

    first = discard(asked, store, _times(3))
    assert first == asked | {"discarded": 3, "after": A, "more": True}
    assert discard(first, store, _always) == asked | {"discarded": 4, "after": C, "more": False}

    assert _stored(store) == {}
    assert [recipient.events for recipient in store.recipients()] == [0]


def test_a_step_of_a_discard_looks_at_nothing_that_is_done_with():
    """It goes on behind the last sequence that was emptied, though that is listed still; looking takes time, too."""
    store = _parked(*[f"M{number:03}" for number in range(250)])
    request = _request(action="discard", all=True, more=True)
    operations: list[str] = []
    store.before = operations.append
    steps = 0

    while request["more"]:
        request = discard(request, store, _times(100))
        steps += 1

    assert (steps, request["discarded"]) == (5, 250)
    assert (operations.count("events"), operations.count("discard")) == (500, 250)


def test_a_discarded_event_is_on_record_and_makes_way():
    """The event leaves the sequence, and who gave it up, and why, stays; its followers stay held."""
    store = _parked("A", "B", "A")
    asked = aim(_request(action="discard", groupId=A, by="jo", reason="sent by hand"), store)

    assert discard(asked, store, _always) == asked | {"discarded": 1, "after": A, "more": False}
    assert _stored(store) == {A: [3], B: [2]}
    (record,) = store.discarded
    assert numbers([record["entry"]]) == [1]
    assert (record["recipient"], record["by"], record["reason"]) == (CLIENT, "jo", "sent by hand")


def test_a_discard_that_is_repeated_gives_up_nothing_more():
    """A step that Step Functions tries again finds its event gone."""
    store = _parked("A", "A")
    asked = aim(_request(action="discard", groupId=A), store)
    discard(asked, store, _always)

    assert discard(asked, store, _always) == asked | {"discarded": 0, "after": A, "more": False}
    assert _stored(store) == {A: [2]}


def test_a_discard_of_an_event_gives_up_no_other_one_with_its_id():
    """Where a producer used an event id twice, it is the place in the stream that tells them apart."""
    store, (first, second) = HeldEventsInMemory(), entries(["A", "A"])
    twin = second | {"MessageDeduplicationId": first["MessageDeduplicationId"]}
    store.hold(CLIENT, [[first, twin]], PARKED, "Sqs.SqsException")
    asked = aim(_request(action="discard", groupId=A, eventId=event_id(1)), store)

    assert discard(asked, store, _always)["discarded"] == 1
    assert _stored(store) == {A: [2]}


@pytest.mark.parametrize("failing", ["events", "discard"])
def test_what_a_discard_gave_up_before_it_failed_is_counted_out(failing):
    """The step is tried again for the rest; the number of the client's events is right all the same."""
    store = _parked(*"A" * 90)
    store.before = _failing_once(failing, after=1)

    with pytest.raises(HeldEventsUnavailableError):
        discard(_request(action="discard", groupId=A, all=True), store, _always)

    assert [recipient.events for recipient in store.recipients()] == [50]


def test_what_takes_nothing_counts_nothing_out():
    """A lane or a discard that finds nothing to take writes nothing."""
    store = _parked("A")
    operations: list[str] = []
    store.before = operations.append

    redrive_lane(_lane(A), store, QueueInMemory(_refusing(1)), _always)
    redrive_lane(_lane(B), store, QueueInMemory(), _always)
    discard(_request(action="discard", groupId=B, all=True), store, _always)

    assert "count_out" not in operations


def test_a_discard_of_all_gives_up_the_whole_sequence():
    """Also where it takes several reads; other sequences lose nothing."""
    store, asked = _parked("B", *"A" * 90), _request(action="discard", groupId=A, all=True)

    assert discard(asked, store, _always)["discarded"] == 90
    assert _stored(store) == {B: [1]}
    assert len(store.discarded) == 90


@pytest.mark.parametrize(
    ("asked", "would_discard", "would_deliver", "counts"),
    [
        ({}, 0, 4, {"A": 3, "B": 1}),
        ({"groupId": A}, 0, 3, {"A": 3}),
        ({"groupId": C}, 0, 0, {}),
        ({"groupId": A, "action": "discard"}, 1, 2, {"A": 3}),
        ({"groupId": A, "action": "discard", "all": True}, 3, 0, {"A": 3}),
        ({"action": "discard", "all": True}, 4, 0, {"A": 3, "B": 1}),
    ],
)
def test_a_dry_run_tells_and_does_nothing(asked, would_discard, would_deliver, counts):
    """It says what the same request would do, and leaves everything as it is."""
    store = _parked("A", "B", "A", "A")
    before = _stored(store), deepcopy(store.heads)

    told = describe(_request(**asked), store)

    assert (told["recipient"], told["wouldDiscard"], told["wouldDeliver"]) == (CLIENT, would_discard, would_deliver)
    assert {sequence["mark"]: sequence["events"] for sequence in told["sequences"]} == counts
    why = {(sequence["reason"], sequence["error"], sequence["since"]) for sequence in told["sequences"]}
    assert why <= {(PARKED, "Sqs.SqsException", SINCE)}
    assert told["moreSequences"] == 0
    assert (_stored(store), store.heads) == before


def test_a_dry_run_says_when_there_are_more_sequences_than_it_tells():
    """The first hundred are told one by one, of the others how many they are; all their events are counted."""
    told = describe(_request(), _parked(*[f"M{number:03}" for number in range(SEQUENCES_PER_TURN + 3)]))

    assert len(told["sequences"]) == SEQUENCES_PER_TURN
    assert (told["moreSequences"], told["wouldDeliver"]) == (3, SEQUENCES_PER_TURN + 3)


@pytest.mark.parametrize(("beyond", "more"), [(0, MOST_SEQUENCES_DESCRIBED - SEQUENCES_PER_TURN), (1, True), (9, True)])
def test_a_dry_run_says_when_there_are_more_sequences_than_it_counts(beyond, more):
    """One invocation reads so many and no more; what it tells then is of those."""
    store = HeldEventsInMemory()
    marks = [f"M{number:04}" for number in range(MOST_SEQUENCES_DESCRIBED + beyond)]
    store.hold(CLIENT, [[entry] for entry in entries(marks)], PARKED, "Sqs.SqsException")

    told = describe(_request(), store)

    assert json.dumps(told["moreSequences"]) == json.dumps(more)
    assert (len(told["sequences"]), told["wouldDeliver"]) == (SEQUENCES_PER_TURN, MOST_SEQUENCES_DESCRIBED)


@pytest.mark.parametrize(("mark", "told"), [("x" * 128, "x" * 128), ("x" * 129, "x" * 128 + "…")])
def test_a_dry_run_shows_where_it_cuts_a_mark(mark, told):
    """Nobody takes the part of a mark for the whole."""
    store, (entry,) = HeldEventsInMemory(), entries([mark])
    store.hold(CLIENT, [[entry | {"MessageBody": json.dumps({"mark": mark})}]], PARKED, "Sqs.SqsException")

    assert [one["mark"] for one in describe(_request(), store)["sequences"]] == [told]


# ----------------------------------------------------------------------------------------------------------------------
# Whatever happens in whatever order
# ----------------------------------------------------------------------------------------------------------------------
def _redrive(store: HeldEventsInMemory, queue: QueueInMemory, has_time: Callable[[], bool] = _always) -> None:
    """Redrive a client as the state machine does: turn by turn, lane by lane, in as many invocations as it takes."""
    listed = list_lanes(_listing(), store)
    while listed["page"]["lanes"]:
        lanes = [redrive_lane(_lane(*group_ids), store, queue, has_time) for group_ids in listed["page"]["lanes"]]
        listed = list_lanes(_listing(**listed, lanes=lanes), store)
    conclude({"request": _request(), "totals": listed["totals"]}, store)


def _deliver(batch: list[Entry], store: HeldEventsInMemory, queue: QueueInMemory) -> None:
    """Deliver a batch as the state machine does: select where anything is held, send, park what was refused."""
    going = plan(batch)
    if store.version(CLIENT, ""):
        going = hold_followers(CLIENT, going, store)
    while going["cursor"] <= going["last"]:
        refused: dict[str, str] = {}
        for place in going["rounds"][going["cursor"]]:
            refused |= queue.send(URL, going["waves"][place])
        if refused:
            resent = {"refused": list(refused), "errors": list(refused.values())}
            sent = {"lost": [], "errors": [], "resent": resent}
            going = park({"client": CLIENT, "plan": going, "sent": sent}, store)
        else:
            going = going | {"cursor": going["cursor"] + 1}


def _batches(marks: list[list[str]]) -> list[list[Entry]]:
    stream = iter(entries([mark for batch in marks for mark in batch]))
    return [list(islice(stream, len(batch))) for batch in marks]


def _in_order(batches: Iterable[list[Entry]]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for entry in [entry for batch in batches for entry in batch]:
        groups.setdefault(entry["MessageGroupId"], []).extend(numbers([entry]))
    return groups


def _assert_in_order(queue: QueueInMemory, sent: dict[str, list[int]]) -> None:
    """Nothing was overtaken: of each mark the client has the first so many events."""
    for group_id, got in _received(queue).items():
        assert got == sent[group_id][: len(got)], group_id


def _assert_all_delivered(store: HeldEventsInMemory, queue: QueueInMemory, sent: dict[str, list[int]]) -> None:
    """Once the queue takes everything, one more redrive brings the rest, and nothing stays behind."""
    _assert_in_order(queue, sent)
    queue.refuses = lambda entry: ""
    store.before = queue.before = lambda operation: None
    _redrive(store, queue)
    assert _received(queue) == sent
    assert (_stored(store), store.heads) == ({}, {})


def _by_turns(choices: Iterator[bool], error: str = "InternalError") -> Callable[[Entry], str]:
    """Refuse as the choices say, and nothing any more when they are used up."""
    return lambda entry: error if next(choices, False) else ""


def _turns(seed: int) -> Iterator[int]:
    chance = Random(seed)  # noqa: S311 - an order of operations, no secret
    return iter(lambda: chance.randrange(6), None)


_STREAM = st.lists(st.lists(st.sampled_from(["A", "B"]), min_size=1, max_size=4), min_size=2, max_size=6)
_CHOICES = st.lists(st.booleans(), max_size=40)
_SEEDS = st.integers(0, 2**32)


@settings(max_examples=150)
@given(
    parked=st.lists(st.sampled_from([f"M{number}" for number in range(12)]), min_size=1, max_size=60),
    repeated=st.integers(1, 3),
    refusals=_CHOICES,
    times=_CHOICES,
    crashes=_CHOICES,
)
def test_whatever_interrupts_it_a_redrive_delivers_everything_in_order(parked, repeated, refusals, times, crashes):
    """Refused, out of time, or gone between sending and forgetting: run again until done, each mark is in order."""
    store, failing, refusing = _parked(*parked * repeated), iter(crashes), iter(refusals)
    queue = QueueInMemory(_by_turns(refusing))
    has_time, sent = iter(times), _stored(store)

    def crash(operation: str) -> None:
        if operation == "forget" and next(failing, False):
            raise HeldEventsUnavailableError("gone")

    store.before = crash
    while store.stored(CLIENT):
        with suppress(HeldEventsUnavailableError):
            _redrive(store, queue, lambda: next(has_time, True))
        assert store.lost() == []
        _assert_in_order(queue, sent)

    _assert_all_delivered(store, queue, sent)


@settings(max_examples=300)
@given(stream=_STREAM, repeats=_CHOICES, refusals=_CHOICES, seed=_SEEDS)
def test_live_delivery_and_a_redrive_never_overtake_one_another(stream, repeats, refusals, seed):
    """Operation by operation in any order, batches repeated: nothing lost, overtaken, or ended too early."""
    _run_at_once(stream, repeats, QueueInMemory(_by_turns(iter(refusals))), seed, redrives=1)


@settings(max_examples=300)
@given(stream=_STREAM, repeats=_CHOICES, refusals=_CHOICES, seed=_SEEDS)
def test_two_redrives_at_once_keep_the_order(stream, repeats, refusals, seed):
    """Beside live delivery, with a queue that drops repeats: neither loses what the other, or the live one, parks."""
    _run_at_once(stream, repeats, QueueInMemory(_by_turns(iter(refusals)), deduplicates=True), seed, redrives=2)


def _run_at_once(stream: list[list[str]], repeats: list[bool], queue: QueueInMemory, seed: int, redrives: int) -> None:
    """Run live delivery of a stream beside redrives that start anew until it ends; hold the outcome to the promises."""
    batches, again, turns = _batches(stream), iter(repeats), Turns(_turns(seed))
    store, sent, under_way = HeldEventsInMemory(turns.pass_on, events_per_write=2), _in_order(batches), [True]
    queue.before = turns.pass_on

    def live() -> None:
        for batch in batches:
            _deliver(batch, store, queue)
            if next(again, False):
                _deliver(batch, store, queue)
        under_way.clear()

    def redriving() -> None:
        while under_way:
            _redrive(store, queue)

    turns.run(live, *[redriving] * redrives)

    assert store.lost() == []
    _assert_all_delivered(store, queue, sent)


def test_what_was_seen_of_an_ended_sequence_does_not_end_its_successor():
    """A redrive that looked before another one ended the sequence leaves alone what live delivery parks since."""
    first, second = entries(["A", "A"])
    store, queue = HeldEventsInMemory(), QueueInMemory()
    store.hold(CLIENT, [[first]], PARKED, "Sqs.SqsException")
    redrive_lane(_lane(A), store, queue, _times(1))
    meanwhile = iter([True])

    def end_and_park_anew(operation: str) -> None:
        if operation == "end" and next(meanwhile, False):
            _redrive(store, queue)
            store.hold(CLIENT, [[second]], PARKED, "Sqs.SqsException")

    store.before = end_and_park_anew
    redrive_lane(_lane(A), store, queue, _always)

    assert store.lost() == []
    assert _received(queue) == {A: [1, 2]}
