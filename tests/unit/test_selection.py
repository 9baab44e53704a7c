"""Unit tier, `selection.selection`: proves what of a batch goes to a client, what waits, and what it does not want.

The store of what waits is a fake in memory, true to the table; registrations and histories are what a test says.
"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.filters import Filter
from mark_event_queue.domain.held import HISTORY, PARKED, PAUSED
from mark_event_queue.domain.history import HistoryState, Progress
from mark_event_queue.domain.rounds import Plan, entries_of, entry_of, plan
from mark_event_queue.selection.selection import Selected, select
from tests.builders import entries, event_id, event_input, numbers, planned
from tests.fakes import HeldEventsInMemory, HistoriesFake, SubscriptionsFake

NAME = "archive"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
JUST_NOW, LONG_AGO = "2026-03-01T11:00:00Z", "2026-02-28T09:00:00Z"
PLAIN = Subscription(NAME, "MarkFanOutClientArchive.fifo", NOW)
LATE_JOINER = replace(PLAIN, since="beginning")
DONE = HistoryState(LATE_JOINER.history, "run1", Progress.DONE, JUST_NOW)


def _select(
    of: Plan,
    subscription: Subscription | None,
    store: HeldEventsInMemory | None = None,
    histories: HistoriesFake | None = None,
) -> Selected:
    said = SubscriptionsFake({NAME: subscription})
    return select({"client": NAME, "plan": of}, said, store or HeldEventsInMemory(), histories or HistoriesFake(), NOW)


def _sent(selected: Selected) -> list[int]:
    return numbers(entries_of(selected.plan))


def _held(store: HeldEventsInMemory) -> dict[str, list[int]]:
    return {group_id: numbers(held) for group_id, held in store.stored(NAME).items()}


def test_a_client_with_a_queue_and_no_more_gets_all():
    """Nothing is held, filtered or asked."""
    store = HeldEventsInMemory()

    assert _sent(_select(planned(["A", "B"]), PLAIN, store)) == [1, 2]
    assert _held(store) == {}


def test_a_paused_client_gets_nothing_and_loses_nothing():
    """Everything is held, in order, also behind what was parked; the plan says how many were held back."""
    store = HeldEventsInMemory()
    store.hold(NAME, [entries(["A"])], PARKED, "Fault")

    selected = _select(planned(["A", "A", "B"]), replace(PLAIN, paused=True), store)

    assert _sent(selected) == []
    assert selected.plan["parked"] == 3
    assert _held(store) == {"A": [1, 2], "B": [3]}
    assert store.sequences(NAME, "A", 1)[0].reason == PAUSED


@pytest.mark.parametrize("paused", [True, False])
@pytest.mark.parametrize("marks", ["AAB", ""])
def test_where_nothing_is_left_nothing_is_held_or_asked(paused: bool, marks: str):
    """A client that wants nothing of a batch, or of which nothing came, costs the table no call, paused or not."""
    operations: list[str] = []
    store = HeldEventsInMemory(operations.append)
    nothing = replace(PLAIN, paused=paused, filter=Filter({"required": ["nothing has this"]}))

    selected = _select(planned(marks), nothing, store)

    assert selected == Selected(plan([]), filtered=len(marks))
    assert (operations, store.asked, store.heads) == ([], [], {})


def test_where_nothing_is_left_while_a_history_is_under_way_nothing_is_held():
    """The client is not even named as one of whom anything is held."""
    operations: list[str] = []
    running = HistoriesFake({NAME: DONE._replace(progress=Progress.RUNNING)})
    nothing = replace(LATE_JOINER, filter=Filter({"required": ["nothing has this"]}))

    selected = _select(planned(["A"]), nothing, HeldEventsInMemory(operations.append), running)

    assert (_sent(selected), selected.filtered, operations) == ([], 1, [])


def test_a_client_resumed_meanwhile_is_not_held_up():
    """What the selection read a moment ago may be over: once the client is named it looks again, and then sends."""
    store, said = HeldEventsInMemory(), SubscriptionsFake({NAME: replace(PLAIN, paused=True)})

    def resume(operation: str) -> None:
        if operation == "name":
            said.said[NAME] = PLAIN

    store.before = resume
    selected = select({"client": NAME, "plan": planned(["A"])}, said, store, HistoriesFake(), NOW)

    assert (_sent(selected), _held(store)) == ([1], {})


def test_a_filter_takes_out_what_the_client_does_not_want():
    """What passes keeps its order; what does not counts as filtered, not as held, and nothing waits for it."""
    store = HeldEventsInMemory()
    of = planned(["A", "A", "B", "A"])
    unwanted = of["waves"][1][0]
    unwanted["MessageBody"] = '{"eventName":"DeleteEvent"}'

    selected = _select(of, replace(PLAIN, filter=Filter({"not": {"required": ["eventName"]}})), store)

    assert _sent(selected) == [1, 3, 4]
    assert (selected.filtered, selected.plan["parked"], _held(store)) == (1, 0, {})


def test_what_is_filtered_is_not_held_either():
    """A paused client finds no event, when it is resumed, that it never wanted."""
    store = HeldEventsInMemory()
    nothing = replace(PLAIN, paused=True, filter=Filter({"required": ["nothing has this"]}))

    selected = _select(planned(["A", "B"]), nothing, store)

    assert (selected.filtered, _held(store), _sent(selected)) == (2, {}, [])


@pytest.mark.parametrize(
    "state",
    [
        HistoryState(),
        HistoryState(LATE_JOINER.history, "run1", Progress.RUNNING),
        HistoryState(LATE_JOINER.history, "run1", Progress.STOPPED),
        HistoryState("/another", "run1", Progress.DONE, JUST_NOW),
    ],
)
def test_until_its_history_is_over_a_client_gets_nothing_live(state: HistoryState):
    """Not begun, under way, stopped, or over for another time than the registration names now: all is held."""
    store = HeldEventsInMemory()

    selected = _select(planned(["A", "B"]), LATE_JOINER, store, HistoriesFake({NAME: state}))

    assert (_sent(selected), _held(store)) == ([], {"A": [1], "B": [2]})
    assert {one.reason for one in store.sequences(NAME, "", 9)} == {HISTORY}


def test_a_history_that_ends_meanwhile_holds_nothing_any_more():
    """Once the client is named the history is looked at again: what would be held late nobody might come for."""
    store, histories = HeldEventsInMemory(), HistoriesFake()

    def end(operation: str) -> None:
        if operation == "name":
            histories.states[NAME] = DONE

    store.before = end
    selected = _select(planned(["A"]), LATE_JOINER, store, histories)

    assert (_sent(selected), _held(store)) == ([1], {})


def test_what_history_brought_does_not_come_again():
    """An event that was in the table before it came through the stream is dropped there, and counted as had."""
    histories = HistoriesFake({NAME: DONE}, remembered={event_id(1)})

    selected = _select(planned(["A", "A"]), LATE_JOINER, histories=histories)

    assert (_sent(selected), selected.had, histories.settled) == ([2], 1, [])


def test_when_nothing_is_remembered_any_more_the_history_is_settled():
    """From then on the client costs a batch no selection."""
    histories = HistoriesFake({NAME: DONE._replace(ended=LONG_AGO)}, remembered={event_id(1)})

    selected = _select(planned(["A"]), LATE_JOINER, histories=histories)

    assert (_sent(selected), histories.settled) == ([1], [LATE_JOINER.history])


def test_a_history_is_settled_also_by_a_batch_of_which_nothing_is_left():
    """That nothing is remembered any more does not hang on what came."""
    histories = HistoriesFake({NAME: DONE._replace(ended=LONG_AGO)})
    nothing = replace(LATE_JOINER, filter=Filter({"required": ["nothing has this"]}))

    selected = _select(planned(["A"]), nothing, histories=histories)

    assert (_sent(selected), histories.settled) == ([], [LATE_JOINER.history])


def test_who_has_just_registered_is_not_taken_for_gone():
    """The converter may know a client that this function's cache does not: it looks again before it drops anything."""

    class Cached(SubscriptionsFake):
        def subscription(self, name: str, fresh: bool = False) -> Subscription | None:
            return PLAIN if fresh else None

    selected = select({"client": NAME, "plan": planned(["A"])}, Cached(), HeldEventsInMemory(), HistoriesFake(), NOW)

    assert _sent(selected) == [1]


def test_who_has_unsubscribed_meanwhile_gets_nothing():
    """Its registration is gone, so nothing is sent, and nothing is held that nobody would come for."""
    store = HeldEventsInMemory()

    assert _sent(_select(planned(["A"]), None, store)) == []
    assert _held(store) == {}


@given(
    marks=st.lists(st.sampled_from("ABC"), min_size=1, max_size=25),
    wanted=st.lists(st.booleans(), min_size=25, max_size=25),
    paused=st.booleans(),
    held=st.sets(st.sampled_from("ABC")),
)
def test_every_event_is_sent_held_or_filtered_and_no_mark_overtakes_itself(marks, wanted, paused, held):
    """Whatever is held, paused and filtered: no event is in two places, and behind a held one nothing is sent."""
    store = HeldEventsInMemory()
    for mark in sorted(held):
        store.hold(NAME, [[entry_of(event_input(0, mark, body="{}"))]], PARKED, "Fault")
    given_ = entries(marks)
    for entry, is_wanted in zip(given_, wanted, strict=False):
        entry["MessageBody"] = '{"wanted":1}' if is_wanted else "{}"
    subscription = replace(PLAIN, paused=paused, filter=Filter({"required": ["wanted"]}))

    selected = _select(plan(given_), subscription, store)

    sent = set(_sent(selected))
    waits = {number for of_mark in _held(store).values() for number in of_mark} - {0}
    unwanted = {number for number, is_wanted in zip(numbers(given_), wanted, strict=False) if not is_wanted}
    assert sent | waits | unwanted == set(numbers(given_))
    assert selected.filtered == len(unwanted)
    assert not (sent & waits)
    assert not (sent & unwanted)
    assert not (waits & unwanted)
    for number, mark in enumerate(marks, start=1):
        if number in waits:
            assert paused or mark in held
