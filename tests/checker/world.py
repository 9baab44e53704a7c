"""What the processes share: the table, the queues, the contract; every state of it a value with a number."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import combinations
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

from mark_event_queue.adapters import held_events, held_writes
from mark_event_queue.adapters.held_events import RECIPIENTS
from mark_event_queue.domain.held import GATE
from tests.dynamodb_in_memory import (
    ConditionalCheckFailedException,
    DynamoDBInMemory,
    Item,
    Key,
    TransactionCanceledException,
)

Contents = dict[Key, Item]
_STARTS = "#starts"
_VERSIONS_APART = 1_000
_BEGIN_SECONDS = 1_772_357_400


class BrokenError(AssertionError):
    """A promise is broken in a state."""


class Numbered:
    """Values that are equal have one number."""

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self.values: list[Any] = []

    def number(self, value: Any) -> int:
        """Return the number of a hashable value."""
        found = self._numbers.setdefault(value, len(self.values))
        if found == len(self.values):
            self.values.append(value)
        return found


@contextmanager
def deterministic(seconds_later: int = 0) -> Iterator[None]:
    """Take chance and time from the writes; what has to differ from all else, `Tables` makes so."""
    chance = SimpleNamespace(randbits=lambda bits: 0, randbelow=lambda below: 0, token_hex=lambda size: "me")
    clock = SimpleNamespace(
        time=lambda: _BEGIN_SECONDS + seconds_later, sleep=lambda _: None, gmtime=time.gmtime, strftime=time.strftime
    )
    with (
        patch.object(held_writes, "secrets", chance),
        patch.object(held_events, "secrets", chance),
        patch.object(held_writes, "time", clock),
    ):
        yield


class Tables:
    """States of the table, and what calls make of them."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self.contents: list[Contents] = []
        self._outcomes: dict[tuple[int, str, str], tuple[str, int]] = {}
        self.empty = self.number({})

    def number(self, contents: Contents) -> int:
        """Return the number of a state of the table, in which every sequence's own item has to be true."""
        text = json.dumps(sorted((*key, item) for key, item in contents.items()), sort_keys=True)
        if text not in self._numbers:
            _check_heads(contents)
            self._numbers[text] = len(self.contents)
            self.contents.append(contents)
        return self._numbers[text]

    def call(self, table: int, operation: str, arguments: str) -> tuple[str, int]:
        """Return the answer to a call, as JSON text, and the table after it."""
        key = table, operation, arguments
        if key not in self._outcomes:
            self._outcomes[key] = self._call(table, operation, json.loads(arguments))
        return self._outcomes[key]

    def _call(self, table: int, operation: str, arguments: Any) -> tuple[str, int]:
        store = DynamoDBInMemory()
        before = self.contents[table]
        for key, item in before.items():
            store.put(*key, item)
        starting = list(_start_apart(operation, arguments, before))
        _tell_apart(arguments, before)
        try:
            answer = getattr(store, operation)(**arguments)
        except (ConditionalCheckFailedException, TransactionCanceledException) as error:
            answer = {"raises": type(error).__name__, "response": error.response}
        after = store.contents()
        for key in starting:
            if key in after and key not in before:
                starts = store.contents().get((_STARTS, "#".join(key)), {"n": {"N": "0"}})
                store.put(_STARTS, "#".join(key), {"n": {"N": str(int(starts["n"]["N"]) + 1)}})
        after = {key: _without_estimate(key, item) for key, item in store.contents().items()}
        return json.dumps(answer, sort_keys=True), self.number(after)


def _start_apart(operation: str, arguments: Any, before: Contents) -> Iterator[Key]:
    """Have versions that start with this call start where none of their item has been; yield the items' keys."""
    actions = [arguments] if operation == "update_item" else []
    if operation == "transact_write_items":
        actions = [action["Update"] for action in arguments["TransactItems"] if "Update" in action]
    for action in actions:
        values = action.get("ExpressionAttributeValues", {})
        if ":start" in values:
            key = action["Key"]["pk"]["S"], action["Key"]["sk"]["S"]
            starts = before.get((_STARTS, "#".join(key)), {"n": {"N": "0"}})
            values[":start"] = {"N": str(_VERSIONS_APART * (1 + int(starts["n"]["N"])))}
            yield key


def _tell_apart(arguments: Any, before: Contents) -> None:
    """Give each that says that something is coming a token of its own; which of them it takes back is all the same."""
    tokens = arguments.get("ExpressionAttributeValues", {}).get(":coming")
    if tokens:
        item = before.get((arguments["Key"]["pk"]["S"], arguments["Key"]["sk"]["S"]), {})
        others = len(item.get("coming", {"SS": []})["SS"])
        tokens["SS"] = [str(others if "ADD coming" in arguments["UpdateExpression"] else others - 1)]


def _without_estimate(key: Key, item: Item) -> Item:
    """Leave out about how many events a recipient has: nobody decides by it, and it makes equal states differ."""
    return {**item, "events": {"N": "0"}} if key[0] == RECIPIENTS else item


def _check_heads(contents: Contents) -> None:
    held: dict[str, int] = {}
    for pk, _ in contents:
        if pk.startswith("SEQUENCE#"):
            held[pk] = held.get(pk, 0) + 1
    for (pk, sk), item in contents.items():
        if pk.startswith("HELD#"):
            there = held.pop(f"SEQUENCE#{pk.removeprefix('HELD#')}#{sk}", 0)
            if there != int(item["events"]["N"]):
                raise BrokenError(f"{pk} {sk} says {item['events']['N']} events and has {there}")
    if held:
        raise BrokenError(f"events without a sequence: {sorted(held)}")


def without_mention(contents: Contents) -> list[Key]:
    """Return the sequences whose recipient is not mentioned: nobody would look for them."""
    return [(pk, sk) for pk, sk in contents if pk.startswith("HELD#") and (RECIPIENTS, pk[5:]) not in contents]


def left(contents: Contents) -> list[Key]:
    """Return what is there of anything held."""
    return [key for key in contents if key[0] == RECIPIENTS or key[0].startswith(("HELD#", "SEQUENCE#"))]


Event = tuple[str, int]


def places(contents: Contents, kind: str) -> set[tuple[str, Event]]:
    """Return the events, each with its recipient, that are held (`SEQUENCE`) or on record as given up (`DISCARDED`)."""
    return {
        (pk.split("#")[1], (item["groupId"]["S"], int(item["sequenceNumber"]["S"])))
        for (pk, _), item in contents.items()
        if pk.startswith(kind)
    }


class Queue(NamedTuple):
    """A FIFO queue: the events that it has ever taken, and those that it took less than five minutes ago."""

    received: frozenset[Event]
    recent: frozenset[Event]


class Sent(NamedTuple):
    """What may come of sending a wave: the answer, the queue after it, whether it took a fault; what went wrong."""

    answer: str
    queue: Queue
    faults: int
    overtaken: frozenset[Event]
    """Events that had not been there before a later one of their mark was."""
    repeated: bool


def send(queue: Queue, entries: list[Mapping[str, Any]], faults: bool) -> Iterator[Sent]:
    """Yield what may come of sending a wave to a queue: without a fault first, then, where allowed, with one."""
    yield _sent(queue, entries, {"refused": []}, 0)
    if not faults:
        return
    everything = [entry["Id"] for entry in entries]
    yield _sent(queue, [], {"refused": everything, "whole": True}, 1)
    yield _sent(queue, entries, {"refused": everything, "whole": True}, 1)
    yield _sent(queue, entries, {"refused": everything, "whole": True, "again": True}, 1)
    for count in range(1, len(entries)):
        for refused in combinations(everything, count):
            taken = [entry for entry in entries if entry["Id"] not in refused]
            yield _sent(queue, taken, {"refused": list(refused), "whole": False}, 1)


def _sent(queue: Queue, taken: list[Mapping[str, Any]], answer: dict[str, Any], faults: int) -> Sent:
    events = [event for entry in taken if (event := _event(entry)) not in queue.recent]
    new = [event for event in events if event not in queue.received]
    overtaken = {
        (mark, number) for mark, number in new if any(of == mark and later > number for of, later in queue.received)
    }
    after = Queue(queue.received | set(new), queue.recent | set(events))
    return Sent(json.dumps(answer), after, faults, frozenset(overtaken), len(events) > len(new))


def _event(entry: Mapping[str, Any]) -> Event:
    return entry["MessageGroupId"], int(entry["MessageAttributes"]["sequenceNumber"]["StringValue"])


def given_up(contents: Contents, queue: str) -> set[Event]:
    """Return the events that are on record as given up for whoever reads a queue."""
    return {event for recipient, event in places(contents, "DISCARDED") if recipient in (queue, GATE)}
