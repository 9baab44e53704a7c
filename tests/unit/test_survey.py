"""Proves what the survey measures of a store of what waits; that CloudWatch gets it is a matter of Powertools."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mark_event_queue.domain.clients import Subscription, history_of
from mark_event_queue.domain.held import GATE, Recipient
from mark_event_queue.domain.history import HistoryState, Progress
from mark_event_queue.survey.survey import Held, Survey, survey
from tests.builders import NOW

LONG_AGO = NOW - timedelta(days=30)


def _instant(seconds_ago: int | None) -> str:
    return "" if seconds_ago is None else f"{NOW - timedelta(seconds=seconds_ago):%Y-%m-%dT%H:%M:%SZ}"


class World:
    """A store of what waits, by recipient; the registrations, and the one history that there may be; seconds ago."""

    def __init__(
        self,
        held: dict[str, tuple[int, int | None]],
        pinned: int | None = None,
        progress: int | None = None,
        history: tuple[str, int, int | None] | None = None,
        **said: Any,
    ) -> None:
        self._held, self._pinned, self._progress, self._history = held, pinned, progress, history
        self._subscription = replace(Subscription("archive", "url", LONG_AGO), **said)
        self.calls = 0

    def recipients(self) -> list[Recipient]:
        """Return the recipients."""
        self.calls += 1
        progress = _instant(self._progress)
        return [Recipient(name, events, progress) for name, (events, _) in sorted(self._held.items())]

    def oldest(self, recipient: str, pinned: bool = False) -> str:
        """Return since when the oldest sequence is held."""
        self.calls += 1
        return _instant(self._pinned if pinned else self._held[recipient][1])

    def state(self, client: str) -> HistoryState:
        """Return how far the history is."""
        self.calls += 1
        if not self._history:
            return HistoryState()
        progress, moved, _ = self._history
        return HistoryState(history_of(client, self._subscription.since), "run", progress, moved=_instant(moved))

    def attended(self, _client: str, _run: str) -> str:
        """Return when somebody was at it."""
        self.calls += 1
        return _instant(self._history[2] if self._history else None)

    def surveyed(self) -> Survey:
        """Return what is found; two clients are registered, and nobody has touched that for a month."""
        registered = {name: replace(self._subscription, name=name) for name in ("archive", "insurer")}
        return survey(self, self, registered, NOW)

    def survey(self) -> list[Held]:
        """Return what is held for the clients."""
        return self.surveyed().clients

    def idle(self) -> int:
        """Return for how long nobody has been at what waits for the one client."""
        (held,) = self.survey()
        return held.idle_seconds


def test_what_is_held_is_measured_by_recipient():
    """The gate apart, each client, and all clients together: their events, and the age of the oldest sequence."""
    world = World({"archive": (7, 90), GATE: (4, 86_401), "insurer": (1, 120)})
    found = world.surveyed()

    assert found.gate == Held(GATE, 4, 86_401, 86_401)
    assert found.clients == [Held("archive", 7, 90, 90), Held("insurer", 1, 120, 120)]
    assert found.for_clients == Held("", 8, 120, 120)


def test_nothing_held_counts_nought():
    """None named, nothing measured; and the gate has a value also then, so that its alarm can end."""
    found = World({}).surveyed()

    assert (found.gate, found.clients, found.for_clients) == (Held(GATE, 0, 0, 0), [], Held("", 0, 0, 0))
    assert found.histories_idle_seconds == 0


def test_a_recipient_without_sequences_has_no_events_whatever_its_count_says():
    """A crash leaves a count off by a batch: it is not told once nothing is held."""
    assert World({"archive": (3, None)}, progress=5).survey() == [Held("archive", 0, 0, 0)]


def test_a_survey_reads_a_few_times_for_each_recipient():
    """However much is held: the counts are kept, not counted."""
    held: dict[str, tuple[int, int | None]] = {"archive": (100_000, 90), GATE: (50_000, 5), "insurer": (1, 1)}
    plain = World(held)
    late_joiner = World({"archive": (100_000, 90)}, history=(Progress.RUNNING, 60, 5), since="beginning")

    plain.survey()
    late_joiner.survey()

    assert plain.calls == 1 + 1 + 2 * 2
    assert late_joiner.calls == 1 + 2 + 2 * 2


def test_events_that_leave_are_progress():
    """The oldest may wait for its turn in a long redrive: as long as events of the recipient go, somebody is at it."""
    assert World({"archive": (7, 7_200)}, progress=30).survey() == [Held("archive", 7, 7_200, 30)]
    assert World({"archive": (7, 60)}, progress=7_200).idle() == 60


def test_one_client_that_gets_on_does_not_speak_for_another():
    """Each by its own progress; the worst of them stands for all."""
    clients = [Held("archive", 1, 9_000, 5), Held("insurer", 1, 4_000, 4_000)]
    world = World({"archive": (1, 9_000), "insurer": (1, 4_000)})
    world.recipients = lambda: [
        Recipient("archive", 1, _instant(5)),
        Recipient("insurer", 1, ""),
    ]
    found = world.surveyed()

    assert (found.clients, found.for_clients.idle_seconds) == (clients, 4_000)


def test_what_waits_for_a_paused_client_asks_for_nobody():
    """Somebody meant it; its age is told all the same. What a queue had refused before waits for the resume, too."""
    assert World({"archive": (7, 7_200)}, paused=True).survey() == [Held("archive", 7, 7_200, 0)]


def test_a_client_that_was_just_resumed_has_a_quarter_of_an_hour_like_any_other():
    """What waited for a month does not call in the minute before the redrive comes to it."""
    assert World({"archive": (7, 86_400)}, changed=NOW - timedelta(seconds=20)).idle() == 20


def test_what_waits_for_a_pin_asks_for_nobody_as_long_as_there_is_one():
    """When the client changes its pin, what fits comes by itself; without a pin it should have come."""
    assert World({"archive": (7, None)}, pinned=7_200, major=1).survey() == [Held("archive", 7, 7_200, 0)]
    assert World({"archive": (7, None)}, pinned=7_200).idle() == 7_200


def test_what_a_queue_refused_asks_for_somebody_beside_what_waits_for_a_pin():
    """A pin of the client's is no reason to be silent about its queue."""
    assert World({"archive": (7, 3_600)}, pinned=7_200, major=1).survey() == [Held("archive", 7, 7_200, 3_600)]


@pytest.mark.parametrize(
    ("history", "idle"),
    [
        pytest.param((Progress.RUNNING, 3_600, 8), 8, id="an invocation is at it"),
        pytest.param((Progress.RUNNING, 20, 7_000), 20, id="somebody has just started it again"),
        pytest.param((Progress.RUNNING, 3_600, None), 3_600, id="its execution was ended before it read anything"),
        pytest.param((Progress.RUNNING, 7_000, 3_600), 3_600, id="its execution was ended on the way"),
        pytest.param((Progress.STOPPED, 3_600, 3_600), 0, id="somebody stopped it"),
        pytest.param((Progress.FAILED, 3_600, 3_700), 3_600, id="its queue refused for too long"),
        pytest.param((Progress.DONE, 3_600, 3_600), 7_200, id="done, and what was held has not come"),
        pytest.param(None, 7_200, id="nobody has started it"),
    ],
)
def test_what_waits_behind_a_history_asks_for_somebody_when_nobody_is_at_it(
    history: tuple[str, int, int | None] | None, idle: int
):
    """Of a client that asked for history everything is held until that is done."""
    assert World({"archive": (7, 7_200)}, history=history, since="beginning").idle() == idle


@pytest.mark.parametrize(
    ("history", "paused", "idle"),
    [
        pytest.param((Progress.RUNNING, 3_600, 8), False, 8, id="an invocation is at it"),
        pytest.param((Progress.RUNNING, 7_000, 3_600), False, 3_600, id="its execution was ended on the way"),
        pytest.param((Progress.FAILED, 3_600, 3_700), False, 3_600, id="its queue refused for too long"),
        pytest.param((Progress.FAILED, 3_600, 3_700), True, 0, id="somebody paused the client"),
        pytest.param((Progress.STOPPED, 3_600, 3_600), False, 0, id="somebody stopped it"),
        pytest.param((Progress.DONE, 3_600, 3_600), False, 0, id="done"),
        pytest.param(None, False, 30 * 86_400, id="nobody has started it"),
    ],
)
def test_a_history_without_progress_asks_for_somebody_also_while_nothing_is_held(
    history: tuple[str, int, int | None] | None, paused: bool, idle: int
):
    """Its client does not have the past, whether or not anything live waits behind it."""
    world = World({}, history=history, since="beginning", paused=paused)
    assert world.surveyed().histories_idle_seconds == idle


def test_a_history_of_another_from_is_not_the_one_that_is_wanted():
    """Whoever changes `from` wants another history: the old one being stopped on purpose says nothing of it."""
    world = World({"archive": (7, 7_200)}, history=(Progress.STOPPED, 60, 60), since="beginning")
    other = HistoryState(history_of("archive", "2026-01-01T00:00:00Z"), "run", Progress.STOPPED)
    world.state = lambda _client: other

    assert world.idle() == 7_200


def test_what_waits_for_a_client_that_is_gone_asks_for_somebody():
    """Nobody else gives it up."""
    assert World({"departed": (7, 3_600)}, pinned=7_200).survey() == [Held("departed", 7, 7_200, 7_200)]
