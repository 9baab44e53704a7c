"""What a client's history takes: calls, counted of the real code over a made-up producer's table; time; dollars.

Nothing is sent and nothing is stored: the stores count their calls. A call is taken to last a set time.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.prices import MEMORY_GB, Prices
from bench.report import table
from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.contract import load
from mark_event_queue.domain.history import HistoryState, Passed, Progress, Segment
from mark_event_queue.domain.rounds import Entry
from mark_event_queue.history.bringing import Sender, read_segment
from mark_event_queue.history.pace import Pace
from mark_event_queue.history.past import Rules
from mark_event_queue.history.ports import Item, Stores
from mark_event_queue.history.request import EVENTS_PER_SECOND, SEGMENTS

_SCHEMAS = Path(__file__).parent.parent / "schemas"
_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_SAMPLE = 1_000  # marks that the code really goes through; the rest is so many times the same
_PAGE_BYTES = 1_000_000  # DynamoDB API Reference, Scan: 1 MB
_READ_UNIT_BYTES = 4_096
_CALL_SECONDS = 0.020  # what a call is taken to last; nothing was measured on AWS


class _Counting:
    """Every store and the queue at once: counts the calls of AWS that each question takes."""

    def __init__(self, marks: int, events_per_mark: int) -> None:
        self.calls = Counter[str]()
        self._marks, self._events = marks, events_per_mark

    def marks(self, _segment: int, _segments: int, _after: Mapping[str, Any]) -> Iterator[list[Item]]:
        """Yield marks whose events are all sound, and months old."""
        for number in range(self._marks):
            yield [_item(f"M{number:07} X", version) for version in range(1, self._events + 1)]

    def mark(self, _mark: str) -> list[Item]:
        """Return nothing: nobody asks for one mark."""
        return []

    def size(self) -> tuple[int, int]:
        """Return nothing: nobody asks how much it is."""
        return 0, 0

    def state(self, _client: str) -> HistoryState:
        """Say that the history is under way."""
        self.calls["GetItem"] += 1
        return HistoryState("/h", "run", Progress.RUNNING)

    def claim(self, _client: str, _run: str, _number: int) -> tuple[Segment, str]:
        """Say that the segment has not been begun."""
        self.calls.update(("GetItem", "PutItem"))
        return Segment(), "holder"

    def save(self, _client: str, _run: str, _number: int, _segment: Segment, _holder: str) -> bool:
        """Count the write."""
        self.calls["PutItem"] += 1
        return True

    def remember(self, _client: str, places: Iterable[tuple[str, str]]) -> None:
        """Count what is remembered: of months ago nothing."""
        self.calls["BatchWriteItem"] += math.ceil(len(list(places)) / 25)

    def list_passed(self, _client: str, passed: Iterable[Passed]) -> None:
        """Count what is passed over: nothing."""
        self.calls["BatchWriteItem"] += math.ceil(len(list(passed)) / 25)

    def held_from(self, _recipient: str, group_ids: Iterable[str]) -> dict[str, str]:
        """Say that nothing is held, a hundred marks to a call."""
        groups = list(group_ids)
        self.calls["BatchGetItem"] += math.ceil(len(groups) / 100)
        self.calls["read units"] += len(groups)
        return {}

    def send(self, _queue_url: str, _wave: Sequence[Entry]) -> dict[str, str]:
        """Accept the wave."""
        self.calls["SendMessageBatch"] += 1
        return {}


def _item(mark: str, version: int) -> Item:
    at = f"{_NOW - timedelta(days=90) + timedelta(minutes=version):%Y-%m-%dT%H:%M:%SZ}"
    registration = {
        "mark": {"S": mark},
        "Status": {"S": "MARK_AVAILABLE"},
        "eventTime": {"S": at},
        "price": {"N": "299.5"},
        "version": {"N": str(version)},
    }
    return {
        "mark": {"S": mark},
        "createTime": {"S": at},
        "eventId": {"S": f"00000000-0000-4000-8000-{version:012}"},
        "eventName": {"S": "LockEvent"},
        "RegistrationNumber": {"M": registration},
    }


def count(events_per_mark: int, marks: int = _SAMPLE) -> Counter[str]:
    """Return the calls that the history of so many marks takes, the scan's apart."""
    stores: Any = _Counting(marks, events_per_mark)
    rules = Rules(load(_SCHEMAS), Subscription("client", "url", _NOW, since="beginning"), "run", (), True, _NOW)
    request = {"client": "client", "queueUrl": "url", "run": "run", "segment": 0, "segments": 1}
    sender = Sender(Pace(1e12), lambda: True)
    answer = read_segment(request, rules, Stores(stores, stores, stores, stores), sender)
    if answer["sent"] != marks * events_per_mark:
        raise RuntimeError(f"{answer['sent']} of {marks * events_per_mark} events were sent")
    calls: Counter[str] = stores.calls
    return calls


def show(prices: Prices, events: int = 10_000_000, marks: int = 1_000_000, event_bytes: int = 1_024) -> None:
    """Print what a history comes to at the rate that it has unless told otherwise, or slower if its calls are."""
    times = marks / _SAMPLE
    calls = Counter({name: round(number * times) for name, number in count(events // marks).items()})
    units = calls.pop("read units") + calls["GetItem"]
    calls["Scan"] = math.ceil(events * event_bytes / _PAGE_BYTES)
    units += math.ceil(events * event_bytes / _READ_UNIT_BYTES)
    seconds = max(events / EVENTS_PER_SECOND, sum(calls.values()) * _CALL_SECONDS / SEGMENTS)
    dollars = {
        "SQS": prices.of("sqs_fifo_request", calls["SendMessageBatch"]),
        "DynamoDB, reads": prices.of("dynamodb_read_unit", units),
        "Lambda, duration": prices.of("lambda_gb_second", seconds * SEGMENTS * MEMORY_GB),
    }
    rows = [(name, f"{number:,}", "") for name, number in sorted(calls.items()) if number]
    rows += [(f"USD, {name}", "", f"{usd:.2f}") for name, usd in dollars.items()]
    rows += [(f"hours, at {EVENTS_PER_SECOND} events a second", "", f"{seconds / 3600:.1f}")]
    rows += [("USD", f"{calls.total() / events:.2f} calls per event", f"{sum(dollars.values()):.2f}")]
    table(f"A history of {events:,} events of {event_bytes:,} bytes, {marks:,} marks", ("", "calls", ""), rows)
    print("  Kept in the table when it is over: one item, one for each segment; of the last day's events their ids.")
    print("  Left out, some cents: DynamoDB's writes, the state transitions of the Standard machine.")
