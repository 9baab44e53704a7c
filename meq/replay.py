"""Delivers the records that the stream gave up after 22 hours, from the bucket they were written to.

Each object holds the records of one invocation, whole, and goes through the converter as the stream would
have brought it, in the order of the sequence numbers. Where events of a mark came later and were
delivered meanwhile, the replayed ones are late, and say so to the clients.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config

from meq.errors import OperatorError
from meq.lateness import EventTable, Place, image_of, mark_of, place_of
from meq.stack import Stack
from meq.text import safe

# A synchronous invocation takes 6 MB; slices of one keep what is repeated after a failure small.
_SLICE_BYTES = 1_000_000

# The converter may take 600 s. A second attempt would be a second invocation beside the first.
_PATIENT = Config(read_timeout=610, retries={"total_max_attempts": 1})


@dataclass(frozen=True)
class Delivered:
    """An object whose records were delivered."""

    key: str
    records: int


@dataclass(frozen=True)
class Left:
    """An object that stays in the bucket, and why."""

    key: str
    problem: str


@dataclass(frozen=True)
class Late:
    """How many records of a mark were delivered behind later events of it."""

    mark: str
    records: int


@dataclass
class Replayed:
    """What came of a replay; `table_problem` says why all records count as late, if they do."""

    delivered: list[Delivered] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)
    table_problem: str | None = None
    passed_over: list[Left] = field(default_factory=list)
    stopped_at: Left | None = None
    remaining: int = 0
    interrupted: bool = False

    @property
    def done(self) -> bool:
        """Whether nothing stays in the bucket."""
        return not self.remaining


class ForeignObjectError(OperatorError):
    """An object of the bucket is not one that Lambda wrote for this stream."""


@dataclass
class _Batch:
    """Objects that go together, since the records of a mark lie in them in turns: the numbers of each mark."""

    keys: list[str]
    first: int
    numbers: dict[str, tuple[int, int]]

    def precedes(self, other: "_Batch") -> bool:
        """Tell whether no record of this one is behind a record of the other in the same mark."""
        return all(self.numbers[mark][1] <= other.numbers[mark][0] for mark in self.numbers.keys() & other.numbers)

    def with_all_of(self, other: "_Batch") -> "_Batch":
        """Return both as one."""
        numbers = dict(self.numbers)
        for mark, (lowest, highest) in other.numbers.items():
            low, high = numbers.get(mark, (lowest, highest))
            numbers[mark] = min(low, lowest), max(high, highest)
        return _Batch(self.keys + other.keys, self.first, numbers)


def undelivered(stack: Stack) -> list[str]:
    """Return the keys of what is in the bucket."""
    pages = (
        stack.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=stack.output("UndeliveredRecordsBucketName"))
    )
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def replay(stack: Stack, tell: Callable[[str], None] = lambda _: None) -> Replayed:
    """Deliver every object of the bucket, in the order of the stream; what was delivered leaves the bucket.

    Foreign objects are passed over. The first object that is not delivered ends the replay: later ones
    must not overtake it. Ctrl-C ends it, too.
    """
    replaying = _Replay(stack, tell)
    try:
        replaying.run()
    except KeyboardInterrupt:
        replaying.outcome.interrupted = True
    return replaying.outcome


class _Replay:
    def __init__(self, stack: Stack, tell: Callable[[str], None]) -> None:
        self.outcome = Replayed()
        self._stack = stack
        self._tell = tell
        self._bucket = stack.output("UndeliveredRecordsBucketName")
        self._store = stack.client("s3")
        self._in_bucket: dict[str, set[Place]] = {}

    def run(self) -> None:
        """Look through the bucket, then deliver it."""
        keys = undelivered(self._stack)
        self.outcome.remaining = len(keys)
        batches = self._batches(keys)
        if not batches:
            return
        table, late = EventTable(self._stack), Counter[str]()
        for batch in batches:
            self._tell(f"{self.outcome.remaining} left of {len(keys)}; now {safe(', '.join(batch.keys))}")
            read = {key: self._read(key) for key in batch.keys}
            records = _in_order(record for of_one in read.values() for record in of_one)
            late_ones = self._mark_late(records, table)
            self.outcome.table_problem = table.problem
            if problem := _deliver(self._stack, records):
                self.outcome.stopped_at = Left(batch.keys[0], problem)
                return
            late.update(late_ones)
            self.outcome.late = [Late(mark, number) for mark, number in sorted(late.items())]
            for key, of_one in read.items():
                self._store.delete_object(Bucket=self._bucket, Key=key)
                self.outcome.delivered.append(Delivered(key, len(of_one)))
                self.outcome.remaining -= 1

    def _batches(self, keys: list[str]) -> list[_Batch]:
        """Return what is to be delivered together, in order, and note which events the bucket has."""
        found: list[_Batch] = []
        for number, key in enumerate(keys, start=1):
            self._tell(f"looking at object {number} of {len(keys)}")
            try:
                records = self._read(key)
            except ForeignObjectError as foreign:
                self.outcome.passed_over.append(Left(key, str(foreign)))
                continue
            numbers: dict[str, tuple[int, int]] = {}
            for record in records:
                mark, own = mark_of(record), number_of(record)
                low, high = numbers.get(mark, (own, own))
                numbers[mark] = min(low, own), max(high, own)
                self._in_bucket.setdefault(mark, set()).add(place_of(image_of(record)))
            found.append(_Batch([key], min(map(number_of, records), default=0), numbers))
        return in_turn(found)

    def _mark_late(self, records: list[dict[str, Any]], table: EventTable) -> Counter[str]:
        """Mark those records that are late; return how many of each mark."""
        by_mark: dict[str, list[dict[str, Any]]] = {}
        for record in records:
            by_mark.setdefault(mark_of(record), []).append(record)
        counts = Counter[str]()
        for mark, of_mark in by_mark.items():
            for record, late in zip(of_mark, table.late(mark, of_mark, self._in_bucket[mark]), strict=True):
                if late:
                    record["late"] = True
                    counts[mark] += 1
        return counts

    def _read(self, key: str) -> list[dict[str, Any]]:
        return records_of(self._store.get_object(Bucket=self._bucket, Key=key)["Body"].read())


def in_turn(batches: Iterable[_Batch]) -> list[_Batch]:
    """Return batches by their first sequence number; those in which a mark's records lie in turns become one."""
    going: list[_Batch] = []
    for batch in sorted(batches, key=lambda one: (one.first, one.keys)):
        start = next((at for at, earlier in enumerate(going) if not earlier.precedes(batch)), len(going))
        together = [*going[start:], batch]
        joined = together[0]
        for one in together[1:]:
            joined = joined.with_all_of(one)
        going[start:] = [joined]
    return going


def number_of(record: dict[str, Any]) -> int:
    """Return the sequence number of a record."""
    return int(record["dynamodb"]["SequenceNumber"])


def records_of(content: bytes) -> list[dict[str, Any]]:
    """Return the records in an object that Lambda wrote for a discarded batch.

    `payload` holds the whole event, as text (Lambda Developer Guide, retaining discarded batches of
    a DynamoDB stream: only S3 destinations get it).

    Raises:
        ForeignObjectError: it holds none.
    """
    try:
        payload = json.loads(content)["payload"]
        records = (json.loads(payload) if isinstance(payload, str) else payload)["Records"]
    except (ValueError, RecursionError):
        raise ForeignObjectError("is not JSON") from None
    except (KeyError, TypeError):
        raise ForeignObjectError("holds no records") from None
    if not isinstance(records, list) or not all(map(_of_a_table, records)):
        raise ForeignObjectError("holds records of something else than a table's stream")
    return records


def slices(records: list[dict[str, Any]]) -> Iterator[bytes]:
    """Yield the events of invocations that have the converter deliver the records, in order."""
    gathered: list[bytes] = []
    for record in records:
        text = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
        if gathered and sum(map(len, gathered)) + len(text) > _SLICE_BYTES:
            yield _invocation(gathered)
            gathered = []
        gathered.append(text)
    if gathered:
        yield _invocation(gathered)


def _of_a_table(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and record.get("eventSource", "aws:dynamodb") == "aws:dynamodb"
        and isinstance(record.get("dynamodb"), dict)
        and str(record["dynamodb"].get("SequenceNumber", "")).isdecimal()
    )


def _in_order(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(records, key=number_of)


def _invocation(records: list[bytes]) -> bytes:
    return b'{"Records":[' + b",".join(records) + b"]}"


def _deliver(stack: Stack, records: list[dict[str, Any]]) -> str:
    """Have the converter deliver the records; return what went wrong, nothing if all was well."""
    converter = stack.client("lambda", config=_PATIENT)
    for payload in slices(records):
        answer = converter.invoke(FunctionName=stack.output("ConverterFunctionName"), Payload=payload)
        told = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            return safe(str(told.get("errorMessage", "the converter failed")))
        if failures := told["batchItemFailures"]:
            return f"not delivered from {failures[0]['itemIdentifier']} on"
    return ""
