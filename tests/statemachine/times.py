"""How long an execution can take, added up from the time-outs and retries of its definition."""

from collections.abc import Callable
from typing import Any

from tests.statemachine.definitions import State, targets

Cost = Callable[[str, State], float]


def patience(state: State) -> float:
    """Return the seconds until a Task gives up: every attempt times out, every wait has its full length."""
    waits = [wait for retrier in state.get("Retry", ()) for wait in _waits(retrier)]
    return float(state["TimeoutSeconds"] * (1 + len(waits)) + sum(waits))


def slow_client(name: str, state: State) -> float:
    """Return what a Task costs when a client's queue is at its slowest, and what is our own slow but sound."""
    return patience(state) if "queueUrl" in str(state["Parameters"]) else float(state["TimeoutSeconds"])


def longest(scope: dict[str, Any], cost: Cost) -> tuple[float, tuple[str, ...]]:
    """Return the time and the Tasks of the longest way through a scope that comes by no state twice."""

    def from_state(name: str, seen: frozenset[str]) -> tuple[float, tuple[str, ...]]:
        state = scope["States"][name]
        ahead = [from_state(target, seen | {name}) for target in targets(state) if target not in seen | {name}]
        seconds, names = max(ahead, default=(0.0, ()))
        if state["Type"] == "Map":
            inner_seconds, inner_names = longest(state["ItemProcessor"], cost)
            return seconds + inner_seconds, inner_names + names
        if state["Type"] == "Task":
            return seconds + cost(name, state), (name, *names)
        return seconds, names

    return from_state(scope["StartAt"], frozenset())


def _waits(retrier: dict[str, Any]) -> list[float]:
    attempts = retrier.get("MaxAttempts", 3)
    interval, rate = retrier.get("IntervalSeconds", 1), retrier.get("BackoffRate", 2)
    return [min(interval * rate**attempt, retrier["MaxDelaySeconds"]) for attempt in range(attempts)]
