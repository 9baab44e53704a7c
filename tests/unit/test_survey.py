"""Proves what the survey measures of a store of parked events; that CloudWatch gets it is a matter of Powertools."""

from datetime import timedelta

from mark_event_queue.domain.held import HeldSequence
from mark_event_queue.survey.survey import Held, survey
from tests.builders import NOW


class StoreFake:
    """A store of parked events: by client and group, since how many seconds ago, and how many."""

    def __init__(self, held: dict[str, dict[str, tuple[int, int]]]) -> None:
        self._held = held

    def clients(self) -> list[str]:
        """Return the clients."""
        return sorted(self._held)

    def sequences(self, client: str, after: str, limit: int) -> list[ParkedSequence]:
        """Return the sequences behind one, two at the most: more take further pages."""
        groups = sorted(group_id for group_id in self._held[client] if group_id > after)[: min(limit, 2)]
        since = {group_id: NOW - timedelta(seconds=self._held[client][group_id][0]) for group_id in groups}
        return [HeldSequence(group_id, f"{since[group_id]:%Y-%m-%dT%H:%M:%SZ}", "an error") for group_id in groups]

    def count(self, client: str, group_id: str) -> int:
        """Return how many events a sequence has."""
        return self._held[client][group_id][1]


def test_what_is_parked_is_measured_by_client():
    """Sequences over all pages, their events, and the age of the oldest."""
    store = StoreFake({"archive": {"A": (10, 2), "B": (90, 1), "C": (5, 4)}, "insurer": {"A": (1, 1)}})

    assert survey(store, NOW) == [Held("archive", 3, 7, 90), Held("insurer", 1, 1, 1)]


def test_nothing_parked_counts_nought():
    """A client that is named and has nothing any more has nothing to wait for; none named, nothing measured."""
    assert survey(StoreFake({"archive": {}}), NOW) == [Held("archive", 0, 0, 0)]
    assert survey(StoreFake({}), NOW) == []
