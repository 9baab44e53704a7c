"""Proves that the demo is told off when a step of its story did not show what it says.

It cannot prove that the facts are those of the deployed stack: test_commands.py runs the demo.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from local.picture.facts import Act, Arrival, Event, Facts, Rule, Run, Step, Wait
from local.picture.paths import Path
from local.shown import shown
from mark_event_queue.domain.held import GATE

CLIENTS = ["Insurer", "Police", "original", "Archive"]
STEPS = (0, 1_000, 2_000, 4_000, 6_000, 8_000, 9_000)
WIDENED = 4_100
ACTS = {"release": Act(4_500, 5_500), "redrive": Act(8_100, 8_900), "history": Act(1_100, 12_000)}
EVENTS = (
    (1, "AFC 6", 100),
    (2, "B1 GAP", 2_100),  # breaks the contract
    (3, "B1 GAP", 2_500),
    (4, "AFC 6", 2_700),
    (5, "AFC 6", 4_600),  # while the gate is released
    (6, "AFC 6", 6_100),  # while the queue is gone
    (7, "AFC 6", 6_500),
    (8, "AFC F7", 8_200),  # while the queue's events are redriven
    (9, "AFC 6", 10_000),  # while the history comes
    (10, "AFC 6", 12_500),
)
LATENCY = 200
COMES = {2: 4_800, 3: 4_801}
"""When the events of the gate come; all others soon after they were written."""
COMES_BACK = {6: 8_300, 7: 8_301}
COMES_LATE = dict.fromkeys(range(1, 9), 9_500) | {9: 11_500}


def story() -> Facts:
    """A story that shows all that its steps say."""
    comes = {number: written + LATENCY for number, _, written in EVENTS} | COMES
    times = dict.fromkeys(CLIENTS, comes) | {"Police": comes | COMES_BACK, "Archive": comes | COMES_LATE}
    arrivals = [
        Arrival(client, f"id-{number}", at, is_history=client == "Archive" and number < 9)
        for client in CLIENTS
        for number, at in times[client].items()
    ]
    waits = [
        Wait(GATE, "id-2", 2_300, 4_800, "quarantined", "ContractBroken", [Rule("/x", "enum")]),
        Wait(GATE, "id-3", 2_700, 4_801, "quarantined", "ContractBroken", behind=2),
        Wait("Police", "id-6", 6_300, 8_300, "parked", "Sqs.Gone"),
        Wait("Police", "id-7", 6_700, 8_301, "parked", "Sqs.Gone", behind=6),
        *(Wait("Archive", f"id-{number}", 3_000, None, "history") for number in range(4, 10)),
    ]
    return Facts(
        CLIENTS,
        [Event(number, f"id-{number}", mark, "LockEvent", written) for number, mark, written in EVENTS],
        arrivals,
        waits,
        [Step(at, f"step {number}", "") for number, at in enumerate(STEPS, start=1)],
        [Run("release", "SUCCEEDED", 4_700, 100, True, CLIENTS, ["id-2", "id-3"], Path())],
        acts=ACTS,
        widened=WIDENED,
    )


def test_a_story_that_shows_all_it_says_is_found_sound():
    """Every step is judged, and nothing is missing."""
    judged = shown(story())
    assert [one.guarantee for one in judged] == [f"{number} step {number}" for number in range(1, 8)]
    assert [one.found for one in judged if one.found] == []


def without_waits(recipient: str, *, behind: bool | None = None) -> Callable[[Facts], Facts]:
    """Have the watch not see who waited; with `behind`, only those who waited behind others, or only those not."""

    def change(facts: Facts) -> Facts:
        lost = [one for one in facts.waits if one.recipient == recipient and behind in (None, bool(one.behind))]
        return replace(facts, waits=[one for one in facts.waits if one not in lost])

    return change


def arriving(client: str, number: int, at: int | None, *, is_history: bool = False) -> Callable[[Facts], Facts]:
    """Have an event come to a client at another time, or not at all."""

    def change(facts: Facts) -> Facts:
        moved = [one for one in facts.arrivals if (one.client, one.event_id) == (client, f"id-{number}")]
        others = [one for one in facts.arrivals if one not in moved]
        again = [replace(one, at=at, is_history=is_history) for one in moved if at is not None]
        return replace(facts, arrivals=sorted([*others, *again], key=lambda one: one.at))

    return change


def lasting(name: str, began: int, ended: int) -> Callable[[Facts], Facts]:
    """Have an execution run at another time."""
    return lambda facts: replace(facts, acts={**facts.acts, name: Act(began, ended)})


@pytest.mark.parametrize(
    ("change", "step", "missing"),
    [
        (arriving("Police", 1, None), 1, "event 1 did not come to Police before the next step"),
        (arriving("Police", 1, 1_001), 1, "event 1 did not come to Police before the next step"),
        (without_waits("Archive"), 2, "nothing was seen waiting for the history of Archive"),
        (without_waits(GATE, behind=False), 3, "nothing that breaks the contract was seen at the gate"),
        (without_waits(GATE, behind=True), 3, "nothing was seen at the gate behind another event"),
        (arriving("original", 4, 4_001), 3, "event 4 did not come to original before the next step"),
        (arriving("Insurer", 3, 4_099), 4, "event 3 came to Insurer before the contract was widened"),
        (arriving("Insurer", 2, 4_499), 4, "event 2 did not come to Insurer by the release"),
        (lambda facts: replace(facts, runs=[]), 4, "event 2 was carried by no release"),
        (lambda facts: replace(facts, acts={}), 4, "the release did not end"),
        (lasting("release", 5_000, 5_500), 4, "nothing came by the release"),
        (lasting("release", 4_601, 5_500), 4, "nothing was written, and came to the other clients, while the release"),
        (lasting("release", 4_500, 4_799), 4, "event 3 did not come to Insurer by the release"),
        (without_waits("Police", behind=False), 5, "nothing was seen parked for Police"),
        (without_waits("Police", behind=True), 5, "nothing was seen held for Police behind a parked event"),
        (arriving("Police", 7, 8_050), 6, "event 7 did not come to Police by the redrive"),
        (lambda facts: replace(facts, acts={}), 6, "the redrive did not end"),
        (lasting("redrive", 8_201, 8_900), 6, "nothing was written, and came to the other clients, while the redrive"),
        (arriving("original", 8, 8_901), 6, "nothing was written, and came to the other clients, while the redrive"),
        (lambda facts: replace(facts, acts={}), 7, "the history did not end"),
        (lasting("history", 11_600, 12_000), 7, "nothing came by the history"),
        (arriving("Archive", 9, 11_500, is_history=True), 7, "nothing came to Archive that had been held meanwhile"),
        (arriving("original", 9, 12_001), 7, "nothing was written, and came to the other clients, while the history"),
        (arriving("Archive", 10, 11_400), 7, "AFC 6 did not come to Archive as history first, then what was held"),
        (arriving("Archive", 10, None), 7, "nothing came to Archive live"),
    ],
)
def test_what_a_step_says_and_was_not_seen_is_told(change: Callable[[Facts], Facts], step: int, missing: str):
    """Whatever of it is not there, its step says so."""
    found = shown(change(story()))[step - 1].found
    assert any(one.startswith(missing) for one in found)
