"""The longest chain of calls that wait for one another in an execution, read from its history."""

from collections.abc import Mapping, Sequence
from typing import Any


def longest_chain(history: Sequence[Mapping[str, Any]]) -> int:
    """Return how many calls (tasks, every try of each) the longest chain has.

    An event follows the one that its `previousEventId` names (Step Functions API Reference,
    HistoryEvent); what leaves a Map has waited for everything that happened inside it.

    Raises:
        KeyError: an event does not say what it follows.
    """
    length: dict[int, int] = {}
    around: dict[int, tuple[int, ...]] = {}
    """The Maps around an event, the outermost first: those side by side are told apart by what they follow."""
    for event in history:
        before, maps = (length[event["previousEventId"]], around[event["previousEventId"]]) if length else (0, ())
        if event["type"] == "MapStateEntered":
            maps = (*maps, event["id"])
        if event["type"] == "MapStateExited":
            before = max(length[number] for number, inside in around.items() if maps[-1] in inside)
            maps = maps[:-1]
        length[event["id"]] = before + (event["type"] == "TaskScheduled")
        around[event["id"]] = maps
    return max(length.values())
