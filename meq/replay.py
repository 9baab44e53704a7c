"""Delivers the records that the stream gave up after 22 hours, from the bucket they were written to.

Each object holds the records of one invocation, whole, and goes through the converter as the stream
would have brought it. Events of its marks that came later have been delivered meanwhile: the
replayed ones are late, and their sequence numbers tell.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.config import Config

from meq.errors import OperatorError
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


@dataclass
class Replayed:
    """What came of a replay."""

    delivered: list[Delivered] = field(default_factory=list)
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


def undelivered(stack: Stack) -> list[str]:
    """Return the keys of what is in the bucket, oldest first."""
    pages = (
        stack.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=stack.output("UndeliveredRecordsBucketName"))
    )
    found = [item for page in pages for item in page.get("Contents", [])]
    return [item["Key"] for item in sorted(found, key=lambda item: (item["LastModified"], item["Key"]))]


def replay(stack: Stack, tell: Callable[[str], None] = lambda _: None) -> Replayed:
    """Deliver every object of the bucket, oldest first; what was delivered leaves the bucket.

    Foreign objects are passed over. The first object that is not delivered ends the replay: later ones
    must not overtake it. Ctrl-C ends it, too.
    """
    bucket, store = stack.output("UndeliveredRecordsBucketName"), stack.client("s3")
    keys = undelivered(stack)
    outcome = Replayed(remaining=len(keys))
    try:
        for number, key in enumerate(keys, start=1):
            tell(f"object {number} of {len(keys)}: {safe(key)}")
            try:
                records = records_of(store.get_object(Bucket=bucket, Key=key)["Body"].read())
            except ForeignObjectError as foreign:
                outcome.passed_over.append(Left(key, str(foreign)))
                continue
            if problem := _deliver(stack, records):
                outcome.stopped_at = Left(key, problem)
                break
            store.delete_object(Bucket=bucket, Key=key)
            outcome.delivered.append(Delivered(key, len(records)))
            outcome.remaining -= 1
    except KeyboardInterrupt:
        outcome.interrupted = True
    return outcome


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
    )


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
