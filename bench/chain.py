"""The longest chain of calls that wait for one another in an execution, read from its history."""

from collections.abc import Mapping, Sequence
from typing import Any


def longest_chain(history: Sequence[Mapping[str, Any]]) -> int:
    """Return how many calls (tasks, every try of each) the longest chain has.

    An event follows the one that its `previousEventId` names (Step Functions API Reference,
    HistoryEvent); what leaves a Map has waited for everything that happened inside it.
    """
    length = {0: 0}
    before_map = 0
    for event in history:
        before = length[event.get("previousEventId", 0)]
        if event["type"] == "MapStateEntered":
            before_map = event["id"]
        if event["type"] == "MapStateExited":
            before = max(chain for number, chain in length.items() if number >= before_map)
        length[event["id"]] = before + (event["type"] == "TaskScheduled")
    return max(length.values())
