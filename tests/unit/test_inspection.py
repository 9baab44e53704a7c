"""Proves that the watch tells which event another one waited behind, of what it sees of the table of what waits.

It cannot prove that the table looks so: the demo demands it of the deployed stack (local/shown.py).
"""

from types import SimpleNamespace

from local.inspection import Watch


class Table:
    """The table of what waits, and the engine that asks it."""

    def __init__(self) -> None:
        self.items: list[dict[str, dict[str, str]]] = []

    def client(self, _: str) -> SimpleNamespace:
        """Return a client whose scan has all items on one page."""
        pages = SimpleNamespace(paginate=lambda **_: [{"Items": self.items}])
        return SimpleNamespace(get_paginator=lambda _: pages)

    def hold(self, *ids: str) -> None:
        """Have these events of a mark be held for a client, in this order."""
        head = {"pk": {"S": "HELD#Police"}, "sk": {"S": "AFC"}, "reason": {"S": "parked"}, "error": {"S": "Sqs.X"}}
        events = [
            {"pk": {"S": "SEQUENCE#Police#AFC"}, "sk": {"S": one}, "eventId": {"S": one}, "violations": {"S": "[]"}}
            for one in ids
        ]
        self.items = [head, *events[::-1]] if events else []


def behind(looks):
    """What each event was seen behind, where the table held these, look by look."""
    table = Table()
    watch = Watch(table, "table")
    for ids in looks:
        table.hold(*ids)
        assert watch.is_empty() == (not ids)
    assert {(held.reason, held.error) for held in watch.seen.values()} == {("parked", "Sqs.X")}
    return {event_id: held.behind for (_, event_id), held in watch.seen.items()}


def test_an_event_waits_behind_the_first_one_of_its_sequence():
    """In the order of the stream, whatever order the table answers in; the first waits for itself, and goes on to."""
    assert behind([["1"], ["1", "2"], ["1", "2", "3"]]) == {"1": "", "2": "1", "3": "1"}


def test_an_event_waits_behind_one_that_has_left_since_the_last_look():
    """The sequence was held all the while."""
    assert behind([["1"], ["2"]]) == {"1": "", "2": "1"}


def test_an_event_waits_for_itself_where_nothing_was_held_before():
    """A sequence that is held anew has nothing to do with the one before."""
    assert behind([["1"], [], ["2"]]) == {"1": "", "2": ""}
