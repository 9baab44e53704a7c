"""Proves that the facts of the picture say in words why something waited.

It cannot prove that these facts are those of the deployed stack: test_commands.py runs the demo.
"""

import pytest

from local.picture.facts import Event, Facts, Rule, Wait
from mark_event_queue.domain.held import GATE


@pytest.mark.parametrize(
    ("wait", "why"),
    [
        (Wait("Police", "id-3", 0, None, "parked", "Sqs.X"), "parked: Sqs.X"),
        (Wait("Police", "id-3", 0, None, "parked", "Sqs.X", behind=1), "behind event 1, parked: Sqs.X"),
        (
            Wait(GATE, "id-3", 0, None, "quarantined", "ContractBroken", behind=1),
            "behind event 1, which breaks the contract",
        ),
        (Wait(GATE, "id-3", 0, None, "quarantined", "X"), "its mark has an event that breaks the contract"),
        (Wait(GATE, "id-3", 0, None, "quarantined", "X", [Rule("", "bytes")]), "bytes, breaks the contract"),
        (Wait("Archive", "id-3", 0, None, "history", behind=1), "history under way"),
        (Wait("Archive", "id-3", 0, None, "paused", behind=1), "paused"),
        (Wait("Archive", "id-3", 0, None, ""), "held"),
    ],
)
def test_a_wait_says_why(wait, why):
    """Also of an event that waits behind another one of its mark; what holds back all of a client's is said as that."""
    assert wait.why == why


def test_numbers_in_a_row_are_told_as_such():
    """Three or more as a span; fewer one by one."""
    waits = [Wait("Archive", f"id-{number}", 0, None, "history") for number in (1, 2, 4, 6, 7, 8)]
    told = Facts([], [Event(number, f"id-{number}", "AFC 6", "LockEvent", 0) for number in range(1, 9)], [])
    assert told.numbers(waits) == "1, 2, 4, 6-8"
