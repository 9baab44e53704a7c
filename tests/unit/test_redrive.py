"""Unit tier, `redrive.redrive`: proves that parked events leave in order, once their queue has them, and none is lost.

Store and queue are fakes in memory; test_parked_events.py and test_queues.py hold the real ones to the
same behaviour. The properties run every actor (live delivery, redrives) operation by operation, in
whatever order Hypothesis chooses; what DynamoDB and SQS do under load they cannot prove.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mark_event_queue.domain.errors import HeldEventsUnavailableError, RedriveRequestError
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.lanes import Entry, plan
from mark_event_queue.parking.parking import park, select
from mark_event_queue.redrive.redrive import (
    SEQUENCES_PER_PAGE,
    add_up,
    aim,
    conclude,
    describe,
    discard,
    list_lanes,
    redrive_lane,
)
from tests.builders import entries, event_id, numbers
from tests.fakes import HeldEventsInMemory, QueueInMemory, Turns

CLIENT, URL = "archive", "https://sqs.eu-west-2.amazonaws.com/123456789012/MarkFanOutClientQueue.fifo"
A, B, C = (to_group_id(mark) for mark in "ABC")
NOTHING_YET = {"delivered": 0, "stoppedSequences": 0, "errors": []}


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
        store.park(CLIENT, [entry], error)
    return store


def _refusing(*refused: int, error: str = "InternalError") -> Callable[[Entry], str]:
    return lambda entry: error if numbers([entry])[0] in refused else ""


def _lane(*group_ids: str) -> dict[str, Any]:
    return {"client": CLIENT, "queueUrl": URL, "groupIds": list(group_ids), "delivered": 0, "stopped": []}


def _request(**changes: Any) -> dict[str, Any]:
    """Return what was asked, in the shape in which the states hand it on."""
    asked = {"client": CLIENT, "groupId": "", "action": "redrive", "all": False, "eventId": "", "reason": "", "by": ""}
    return asked | changes


def _listing(**changes: Any) -> dict[str, Any]:
    return {"client": CLIENT, "groupId": "", "page": {"after": ""}, "totals": NOTHING_YET, "lanes": []} | changes


def _stored(store: HeldEventsInMemory) -> dict[str, list[int]]:
    return {group_id: numbers(held) for group_id, held in store.stored(CLIENT).items()}


def _received(queue: QueueInMemory) -> dict[str, list[int]]:
    return {group_id: numbers(got) for group_id, got in queue.first_receipts().items()}


# ----------------------------------------------------------------------------------------------------------------------
# A lane
# ----------------------------------------------------------------------------------------------------------------------
def test_sequences_are_delivered_in_order_and_ended():
    """Every call carries one event of each sequence; an emptied sequence is parked no more."""
    store, queue = _parked("A", "B", "A", "A", "B"), QueueInMemory()

    answer = redrive_lane(_lane(A, B), store, queue, _always)

    assert answer == _lane() | {"delivered": 5}
    assert [numbers(call) for call in queue.calls] == [[1, 2], [3, 5], [4]]
    assert _stored(store) == {}
    assert store.sequences(CLIENT, "", 10) == []


def test_a_sequence_longer_than_one_read_is_delivered_whole():
    """What one read of the store does not give, the next one does."""
    store, queue = _parked(*"A" * 25), QueueInMemory()

    assert redrive_lane(_lane(A), store, queue, _always)["delivered"] == 25
    assert _received(queue) == {A: list(range(1, 26))}


def test_a_refused_event_stops_its_sequence_alone():
    """It stays parked with its followers and the new error; the sequences beside it lose nothing."""
    store = _parked("A", "B", "A", "B", "A", error="first")

    answer = redrive_lane(_lane(A, B), store, QueueInMemory(_refusing(3)), _always)

    assert answer == _lane() | {"delivered": 3, "stopped": [{"groupId": A, "error": "InternalError"}]}
    assert _stored(store) == {A: [3, 5]}
    assert store.sequence(CLIENT, A).error == "InternalError"


def test_a_call_that_fails_stops_all_of_its_sequences():
    """A queue that is not there refuses every entry: nothing is delivered, nothing is forgotten."""
    store = _parked("A", "B", "A")

    answer = redrive_lane(_lane(A, B), store, QueueInMemory(lambda entry: "QueueDoesNotExist"), _always)

    assert [sequence["groupId"] for sequence in answer["stopped"]] == [A, B]
    assert (answer["groupIds"], answer["delivered"]) == ([], 0)
    assert _stored(store) == {A: [1, 3], B: [2]}


@pytest.mark.parametrize(("rounds", "delivered", "left"), [(0, 0, [A, B]), (1, 2, [A, B]), (2, 3, [A])])
def test_an_invocation_without_time_leaves_the_rest_to_the_next(rounds, delivered, left):
    """Its answer is a request that goes on where it stopped."""
    store, queue = _parked("A", "B", "A", "A"), QueueInMemory()

    answer = redrive_lane(_lane(A, B), store, queue, _times(rounds))

    assert (answer["delivered"], answer["groupIds"]) == (delivered, left)
    assert redrive_lane(answer, store, queue, _always) == _lane() | {"delivered": 4}
    assert _received(queue) == {A: [1, 3, 4], B: [2]}


def test_what_stopped_before_is_kept():
    """A lane of several invocations tells of all its stopped sequences and of all it delivered."""
    stopped = [{"groupId": B, "error": "InternalError"}]

    answer = redrive_lane(_lane(A) | {"delivered": 7, "stopped": stopped}, _parked("A"), QueueInMemory(), _always)

    assert answer == _lane() | {"delivered": 8, "stopped": stopped}


def test_calls_stay_below_what_sqs_takes_together():
    """A wave is cut before a megabyte; what did not fit goes in the next call, each sequence still in order."""
    marks = ["A", "B", "C", "A"]
    store, queue = HeldEventsInMemory(), QueueInMemory()
    for entry in entries(marks):
        store.park(CLIENT, [entry | {"MessageBody": "x" * 400_000}], "Sqs.SqsException")

    redrive_lane(_lane(A, B, C), store, queue, _always)

    assert [numbers(call) for call in queue.calls] == [[1, 2], [4, 3]]


def test_an_event_beyond_the_limit_goes_alone():
    """Whatever its size, the first entry of a wave is sent: the queue says whether it takes it."""
    store, queue = HeldEventsInMemory(), QueueInMemory()
    for entry in entries(["A", "B"]):
        store.park(CLIENT, [entry | {"MessageBody": "x" * 1_100_000}], "Sqs.SqsException")

    assert redrive_lane(_lane(A, B), store, queue, _always)["delivered"] == 2
    assert [len(call) for call in queue.calls] == [1, 1]


def test_a_sequence_that_is_not_parked_costs_no_call():
    """Whoever ended it since the page was listed has delivered it."""
    queue = QueueInMemory()

    assert redrive_lane(_lane(A), HeldEventsInMemory(), queue, _always) == _lane()
    assert queue.calls == []


def test_an_event_parked_behind_while_the_sequence_would_end_is_delivered():
    """Appending and ending meet on the version: what was appended in between keeps the sequence parked."""
    first, second = entries(["A", "A"])
    store, queue = HeldEventsInMemory(), QueueInMemory()
    store.park(CLIENT, [first], "Sqs.SqsException")
    appended = iter([second])

    def append(operation: str) -> None:
        if operation == "end" and (entry := next(appended, None)):
            assert store.park_behind(CLIENT, [entry]) == []

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


def _failing_once(named: str) -> Callable[[str], None]:
    failures = iter([True])

    def before(operation: str) -> None:
        if operation == named and next(failures, False):
            raise HeldEventsUnavailableError("throttled")

    return before


# ----------------------------------------------------------------------------------------------------------------------
# Pages, totals, the end
# ----------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("count", "pages"),
    [(0, [0]), (1, [1]), (10, [10]), (99, [99]), (100, [100, 0]), (101, [100, 1]), (250, [100, 100, 50])],
)
def test_pages_cover_every_sequence_once(count, pages):
    """A page is lanes of ten; a full one has a next one behind its last sequence, whatever became of the sequences."""
    store = _parked(*[f"M{number:03}" for number in range(count)])
    listed: list[list[str]] = []
    page: dict[str, Any] = {"after": "", "more": True}
    while page["more"]:
        page = list_lanes(_listing(page=page), store)["page"]
        assert all(len(lane) == 10 for lane in page["lanes"][:-1])
        listed.append([group_id for lane in page["lanes"] for group_id in lane])
        for group_id in listed[-1][::2]:
            store.heads.pop((CLIENT, group_id))

    assert [len(group_ids) for group_ids in listed] == pages
    assert [group_id for group_ids in listed for group_id in group_ids] == [f"M{number:03}" for number in range(count)]


@pytest.mark.parametrize(("group_id", "lanes"), [(A, [[A]]), (C, [])])
def test_a_redrive_of_one_mark_lists_that_mark(group_id, lanes):
    """Only the sequence of that mark is redriven, and only if it is parked."""
    page = list_lanes(_listing(groupId=group_id), _parked("A", "B"))["page"]

    assert (page["lanes"], page["more"]) == (lanes, False)


def test_listing_adds_up_the_page_before():
    """The totals travel with the pages, so no state holds the results of more than one."""
    totals = {"delivered": 3, "stoppedSequences": 1, "errors": ["InternalError"]}
    lanes = [{"delivered": 2, "stopped": [{"groupId": A, "error": "AccessDenied"}]}]

    listed = list_lanes(_listing(totals=totals, lanes=lanes), _parked("A"))

    assert listed["totals"] == {"delivered": 5, "stoppedSequences": 2, "errors": ["AccessDenied", "InternalError"]}


def test_totals_name_every_error_once():
    """Those of stopped sequences and those that stopped a whole lane."""
    stopped = [{"groupId": A, "error": "InternalError"}, {"groupId": B, "error": "InternalError"}]
    lanes = [
        {"delivered": 2, "stopped": stopped},
        {"delivered": 0, "stopped": [], "error": "States.Timeout"},
        {"delivered": 1, "stopped": []},
    ]

    assert add_up(NOTHING_YET, lanes) == {
        "delivered": 3,
        "stoppedSequences": 2,
        "errors": ["InternalError", "States.Timeout"],
    }


def test_an_emptied_client_is_mentioned_no_more():
    """Live delivery does without a selection again; the answer has the totals and whose they are."""
    store = _parked("A")
    redrive_lane(_lane(A), store, QueueInMemory(), _always)

    told = conclude({"client": CLIENT, "totals": NOTHING_YET, "lanes": [{"delivered": 1, "stopped": []}]}, store)

    assert told == {"delivered": 1, "stoppedSequences": 0, "errors": [], "client": CLIENT, "nothingParked": True}
    assert store.heads == {}


def test_a_client_of_whom_something_is_parked_stays_mentioned():
    """Otherwise live delivery would send past what is parked."""
    store = _parked("A")

    assert conclude({"client": CLIENT, "totals": NOTHING_YET, "lanes": []}, store)["nothingParked"] is False
    assert store.version(CLIENT, "")


def test_a_client_who_was_never_mentioned_has_nothing_parked():
    """A redrive of nothing says so."""
    store = HeldEventsInMemory()

    assert conclude({"client": CLIENT, "totals": NOTHING_YET, "lanes": []}, store)["nothingParked"] is True


@pytest.mark.parametrize("moment", ["sequences", "end"])
def test_a_client_whose_events_are_parked_meanwhile_stays_mentioned(moment):
    """A sequence that starts while the redrive concludes keeps its client among those that are selected for."""
    store = _parked("A")
    redrive_lane(_lane(A), store, QueueInMemory(), _always)
    parked = iter([True])

    def park_one(operation: str) -> None:
        if operation == moment and next(parked, False):
            store.park(CLIENT, entries(["B"]), "Sqs.SqsException")

    store.before = park_one

    assert conclude({"client": CLIENT, "totals": NOTHING_YET, "lanes": []}, store)["nothingParked"] is False
    assert store.lost() == []


# ----------------------------------------------------------------------------------------------------------------------
# Discards, and what would be done
# ----------------------------------------------------------------------------------------------------------------------
def test_a_discard_aims_at_the_first_event():
    """It is named before it is given up, so that a repeated step gives up nothing else."""
    aimed = aim(_request(action="discard", groupId=A), _parked("B", "A", "A"))

    assert aimed == _request(action="discard", groupId=A, eventId=event_id(2))


def test_a_redrive_aims_at_nothing():
    """A redrive is handed on as it was asked."""
    assert aim(_request(groupId=A), _parked("A")) == _request(groupId=A)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"groupId": C}, "nothing of this mark is parked"),
        ({"groupId": A, "eventId": event_id(3)}, "not the one that eventId names"),
    ],
)
def test_a_discard_of_what_is_not_there_is_refused(asked, problem):
    """Nothing else is given up in its place."""
    with pytest.raises(RedriveRequestError, match=problem):
        aim(_request(action="discard", **asked), _parked("A", "B", "A"))


def test_a_discard_of_a_client_gives_up_all_its_sequences_in_as_many_steps_as_it_takes():
    """Without a mark, all of every mark; what there was no time for is left for the next step."""
    store = _parked("A", "B", "A", "C")
    asked = aim(_request(action="discard", groupId="", all=True), store)
    times = iter([True, False])

    assert discard(asked, store, lambda: next(times)) == {"discarded": 2, "more": True}
    assert discard(asked, store, _always) == {"discarded": 2, "more": False}

    assert [store.count(CLIENT, group_id) for group_id in ("A", "B", "C")] == [0, 0, 0]


def test_a_discarded_event_is_on_record_and_makes_way():
    """The event leaves the sequence, and who gave it up, and why, stays; its followers stay parked."""
    store = _parked("A", "B", "A")
    asked = aim(_request(action="discard", groupId=A, by="jo", reason="sent by hand"), store)

    assert discard(asked, store, _always) == {"discarded": 1, "more": False}
    assert _stored(store) == {A: [3], B: [2]}
    (record,) = store.discarded
    assert numbers([record["entry"]]) == [1]
    assert (record["client"], record["by"], record["reason"]) == (CLIENT, "jo", "sent by hand")


def test_a_discard_that_is_repeated_gives_up_nothing_more():
    """A step that Step Functions tries again finds its event gone."""
    store = _parked("A", "A")
    asked = aim(_request(action="discard", groupId=A), store)
    discard(asked, store, _always)

    assert discard(asked, store, _always) == {"discarded": 0, "more": False}
    assert _stored(store) == {A: [2]}


def test_a_discard_of_all_gives_up_the_whole_sequence():
    """Also where it takes several reads; other sequences lose nothing."""
    store = _parked("B", *"A" * 25)

    assert discard(_request(action="discard", groupId=A, all=True), store, _always) == {"discarded": 25, "more": False}
    assert _stored(store) == {B: [1]}
    assert len(store.discarded) == 25


@pytest.mark.parametrize(
    ("asked", "would_discard", "would_redrive", "counts"),
    [
        ({}, 0, 4, {A: 3, B: 1}),
        ({"groupId": A}, 0, 3, {A: 3}),
        ({"groupId": C}, 0, 0, {}),
        ({"groupId": A, "action": "discard"}, 1, 2, {A: 3}),
        ({"groupId": A, "action": "discard", "all": True}, 3, 0, {A: 3}),
    ],
)
def test_a_dry_run_tells_and_does_nothing(asked, would_discard, would_redrive, counts):
    """It says what the same request would do, and leaves everything as it is."""
    store = _parked("A", "B", "A", "A")
    before = _stored(store), dict(store.heads)

    told = describe(_request(**asked), store)

    assert (told["wouldDiscard"], told["wouldRedrive"]) == (would_discard, would_redrive)
    assert {sequence["groupId"]: sequence["events"] for sequence in told["sequences"]} == counts
    assert {sequence["error"] for sequence in told["sequences"]} <= {"Sqs.SqsException"}
    assert told["moreSequences"] is False
    assert (_stored(store), dict(store.heads)) == before


def test_a_dry_run_says_when_there_are_more_sequences_than_it_tells():
    """The first hundred are told one by one, and that they are not all."""
    told = describe(_request(), _parked(*[f"M{number:03}" for number in range(SEQUENCES_PER_PAGE + 1)]))

    assert len(told["sequences"]) == SEQUENCES_PER_PAGE
    assert told["moreSequences"] is True


# ----------------------------------------------------------------------------------------------------------------------
# Whatever happens in whatever order
# ----------------------------------------------------------------------------------------------------------------------
def _redrive(store: HeldEventsInMemory, queue: QueueInMemory, has_time: Callable[[], bool] = _always) -> None:
    """Redrive a client as the state machine does: page by page, lane by lane, in as many invocations as it takes."""
    page: dict[str, Any] = {"after": "", "more": True}
    while page["more"]:
        page = list_lanes(_listing(page=page), store)["page"]
        for group_ids in page["lanes"]:
            lane = _lane(*group_ids)
            while lane["groupIds"]:
                lane = redrive_lane(lane, store, queue, has_time)
    conclude({"client": CLIENT, "totals": NOTHING_YET, "lanes": []}, store)


def _deliver(batch: list[Entry], store: HeldEventsInMemory, queue: QueueInMemory) -> None:
    """Deliver a batch as the state machine does: select where anything is parked, send, park what was refused."""
    lanes = plan(batch)
    if store.version(CLIENT, ""):
        lanes = select({"client": CLIENT, "lanes": lanes}, store)
    for lane in lanes:
        going = lane
        while going["cursor"] <= going["last"]:
            refused = queue.send(URL, going["waves"][going["cursor"]])
            if refused:
                error = next(iter(refused.values()))
                going = park({"client": CLIENT, "lane": going, "refused": list(refused), "error": error}, store)
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
    store.park(CLIENT, [first], "Sqs.SqsException")
    redrive_lane(_lane(A), store, queue, _times(1))
    meanwhile = iter([True])

    def end_and_park_anew(operation: str) -> None:
        if operation == "end" and next(meanwhile, False):
            _redrive(store, queue)
            store.park(CLIENT, [second], "Sqs.SqsException")

    store.before = end_and_park_anew
    redrive_lane(_lane(A), store, queue, _always)

    assert store.lost() == []
    assert _received(queue) == {A: [1, 2]}
