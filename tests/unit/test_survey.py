"""Proves what the survey measures of a store of what waits; that CloudWatch gets it is a matter of Powertools."""

from datetime import timedelta

from mark_event_queue.domain.held import GATE, Recipient
from mark_event_queue.survey.survey import Held, survey
from tests.builders import NOW


class StoreFake:
    """A store of what waits: by recipient how many events, and since how many seconds ago, if there are any."""

    def __init__(self, held: dict[str, tuple[int, int | None]]) -> None:
        self._held = held
        self.calls = 0

    def recipients(self) -> list[Recipient]:
        """Return the recipients."""
        self.calls += 1
        return [Recipient(name, events) for name, (events, _) in sorted(self._held.items())]

    def oldest(self, recipient: str) -> str:
        """Return since when the oldest sequence is held."""
        self.calls += 1
        seconds = self._held[recipient][1]
        return "" if seconds is None else f"{NOW - timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def test_what_is_held_is_measured_by_recipient():
    """The gate apart, each client, and all clients together: their events, and the age of the oldest sequence."""
    found = survey(StoreFake({"archive": (7, 90), GATE: (4, 86_401), "insurer": (1, 120)}), NOW)

    assert found.gate == Held(GATE, 4, 86_401)
    assert found.clients == [Held("archive", 7, 90), Held("insurer", 1, 120)]
    assert found.for_clients == Held("", 8, 120)


def test_nothing_held_counts_nought():
    """None named, nothing measured; and the gate has a value also then, so that its alarm can end."""
    found = survey(StoreFake({}), NOW)

    assert (found.gate, found.clients, found.for_clients) == (Held(GATE, 0, 0), [], Held("", 0, 0))


def test_a_recipient_without_sequences_has_no_events_whatever_its_count_says():
    """A crash leaves a count off by a batch: it is not told once nothing is held."""
    assert survey(StoreFake({"archive": (3, None)}), NOW).clients == [Held("archive", 0, 0)]


def test_a_survey_reads_once_and_once_more_for_each_recipient():
    """However much is held: the counts are kept, not counted."""
    store = StoreFake({"archive": (100_000, 90), GATE: (50_000, 5), "insurer": (1, 1)})

    survey(store, NOW)

    assert store.calls == 4
