"""Unit tier, `parking.parking`: proves the rule "while a sequence is held, its further events are held behind".

The store is a fake in memory; test_held_events.py holds the real one to the same behaviour.
"""

from collections.abc import Callable

from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.held import PARKED
from mark_event_queue.domain.holding import hold_followers
from mark_event_queue.domain.lanes import Lane, entries_of
from mark_event_queue.parking.parking import park
from tests.builders import lanes, numbers
from tests.fakes import HeldEventsInMemory

A, B, C = (to_group_id(mark) for mark in "ABC")


def _stored(store: HeldEventsInMemory, client: str = "archive") -> dict[str, list[int]]:
    return {group_id: numbers(held) for group_id, held in store.stored(client).items()}


def _to_send(of_lanes: list[Lane]) -> list[list[int]]:
    return [numbers(entries_of(lane)) for lane in of_lanes]


def _parked(store: HeldEventsInMemory, mark: str, client: str = "archive") -> None:
    (lane,) = lanes([mark])
    park({"client": client, "lane": lane, "refused": None, "error": "Sqs.SqsException"}, store)


def _ending(store: HeldEventsInMemory, group_id: str, writes: int) -> Callable[[str], None]:
    """Let a redrive empty and end the sequence after this many further writes to it."""
    left = iter([*[False] * writes, True])

    def redrive(operation: str) -> None:
        if operation == "hold_behind" and next(left, False):
            store.held["archive", group_id].clear()
            del store.heads["archive", group_id]

    return redrive


def test_a_failed_call_parks_each_sequence_in_order():
    """Null for `refused` parks the whole lane's marks, each as a sequence of its own with the error."""
    store = HeldEventsInMemory()
    (lane,) = lanes(["A", "B", "A", "C", "A"])

    rest = park({"client": "archive", "lane": lane, "refused": None, "error": "Sqs.QueueDoesNotExist"}, store)

    assert _stored(store) == {A: [1, 3, 5], B: [2], C: [4]}
    why = {(sequence.reason, sequence.error) for sequence in store.sequences("archive", "", 10)}
    assert why == {(PARKED, "Sqs.QueueDoesNotExist")}
    assert (rest["last"], rest["parked"]) == (-1, 5)


def test_refused_events_are_parked_with_their_followers_alone():
    """The other marks of the wave were accepted: they are not parked, and their next events go on."""
    store = HeldEventsInMemory()
    (lane,) = lanes(["A", "B", "A", "B", "C"])

    rest = park({"client": "archive", "lane": lane, "refused": ["1"], "error": "Sqs.InvalidContents"}, store)

    assert _stored(store) == {B: [2, 4]}
    assert _to_send([rest]) == [[3]]


def test_a_lane_is_parked_in_one_go():
    """However many marks are parked, the client is named once before their events and once after them."""
    operations: list[str] = []
    store = HeldEventsInMemory(operations.append)
    (lane,) = lanes(["A", "B", "A", "C"])

    park({"client": "archive", "lane": lane, "refused": None, "error": "Sqs.SqsException"}, store)

    assert operations == ["name", "hold", "hold", "hold", "name"]


def test_an_event_from_before_the_first_held_one_is_not_held_up():
    """It has been dealt with, or is late anyway: behind the others it would come later still."""
    store = HeldEventsInMemory()
    (held,) = lanes(["A", "A", "A"])
    store.hold("archive", [held["waves"][2]], PARKED, "Sqs.SqsException")

    (lane,) = hold_followers("archive", lanes(["A", "A", "A", "A"]), store)

    assert _to_send([lane]) == [[1, 2]]
    assert _stored(store) == {A: [3, 4]}


def test_where_the_first_held_event_is_not_known_all_are_held():
    """A sequence from which events are being taken does not say which is its first: none may pass it."""
    store = HeldEventsInMemory()
    _parked(store, "A")
    store.heads["archive", A].first = None

    (lane,) = hold_followers("archive", lanes(["A", "A"]), store)

    assert (_to_send([lane]), lane["parked"]) == ([[]], 2)
    assert store.heads["archive", A].first is None


def test_events_behind_a_parked_sequence_are_held_and_the_rest_goes_on():
    """Of the lanes, exactly the parked sequence's events are taken out, and stored behind it in order."""
    store = HeldEventsInMemory()
    _parked(store, "A")

    selected = hold_followers("archive", lanes(["B", "A", "A", "C"]), store)

    assert _stored(store) == {A: [1, 2, 3]}
    assert _to_send(selected) == [[1, 4]]
    assert [lane["parked"] for lane in selected] == [2]


def test_a_client_is_held_back_for_its_own_sequences_alone():
    """What is parked for one client parks nothing of another's."""
    store = HeldEventsInMemory()
    _parked(store, "A", client="failing")

    selected = hold_followers("archive", lanes(["A", "B"]), store)

    assert _to_send(selected) == [[1, 2]]
    assert _stored(store) == {}


def test_all_lanes_are_asked_for_in_one_go():
    """However many lanes, the store is asked once, for each group once."""
    store = HeldEventsInMemory()
    marks = [str(number) for number in range(25)]

    selected = hold_followers("archive", lanes(marks + marks), store)

    assert [sorted(asked) for asked in store.asked] == [sorted(map(to_group_id, marks))]
    assert len(selected) == 3


def test_a_sequence_that_ends_before_the_append_is_sent():
    """A redrive that empties the sequence between check and append leaves its events in their lane."""
    store = HeldEventsInMemory()
    _parked(store, "A")
    store.before = _ending(store, A, 0)

    selected = hold_followers("archive", lanes(["A", "B", "A"]), store)

    assert _to_send(selected) == [[1, 2, 3]]
    assert [lane["parked"] for lane in selected] == [0]


def test_a_sequence_that_ends_during_the_append_sends_only_what_came_too_late():
    """What was appended the redrive delivers; what found the sequence ended follows in its lane."""
    store = HeldEventsInMemory(events_per_write=2)
    _parked(store, "A")
    store.before = _ending(store, A, 1)

    selected = hold_followers("archive", lanes(["A", "A", "A", "B"]), store)

    assert _to_send(selected) == [[4, 3]]
    assert [lane["parked"] for lane in selected] == [2]


def test_a_batch_that_is_all_held_leaves_lanes_with_nothing_to_send():
    """A lane that was emptied has no waves, and says how many events it held back."""
    store = HeldEventsInMemory()
    _parked(store, "A")

    (lane,) = hold_followers("archive", lanes(["A", "A"]), store)

    assert lane == {"waves": [], "cursor": 0, "last": -1, "parked": 2}
