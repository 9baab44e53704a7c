"""What came and what was written, mark by mark, so that a test can hold one against the other."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from local.queues import Message

_T = TypeVar("_T")


def by_mark(found: Iterable[tuple[str, _T]]) -> dict[str, list[_T]]:
    """Return what there is of each mark, or of each group, in order."""
    gathered: dict[str, list[_T]] = {}
    for mark, one in found:
        gathered.setdefault(mark, []).append(one)
    return gathered


def received(messages: Iterable[Message]) -> dict[str, list[str]]:
    """Return the ids of the events that came, by mark, in order, repeats among them."""
    return by_mark((message.event["mark"], message.event_id) for message in messages)


def written(items: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the ids of the events that the producer wrote, by mark, in order."""
    return by_mark((item["mark"]["S"], item["eventId"]["S"]) for item in items)
