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
    maps: list[int] = []
    for event in history:
        before = length[event["previousEventId"]] if length else 0
        if event["type"] == "MapStateEntered":
            maps.append(event["id"])
        if event["type"] == "MapStateExited":
            entered = maps.pop()
            before = max(chain for number, chain in length.items() if number >= entered)
        length[event["id"]] = before + (event["type"] == "TaskScheduled")
    return max(length.values())
