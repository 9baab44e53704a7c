"""Delivers the records that the stream gave up after 22 hours, from the bucket they were written to.

Each object holds the records of one invocation, whole, and goes through the converter as the stream
would have brought it. Events of its marks that came later have been delivered meanwhile: the
replayed ones are late, and their sequence numbers tell.
"""

import json
from collections.abc import Iterator
from typing import Any

from botocore.config import Config

from meq.redrive import Outcome
from meq.stack import Stack

# A synchronous invocation takes 6 MB; slices of one keep what is repeated after a failure small.
_SLICE_BYTES = 1_000_000

# The converter may take 600 s. A second attempt would be a second invocation beside the first.
_PATIENT = Config(read_timeout=610, retries={"total_max_attempts": 1})


def replay(stack: Stack) -> Outcome:
    """Deliver every object of the bucket, oldest first; what was delivered leaves the bucket."""
    bucket = stack.outputs["UndeliveredRecordsBucketName"]
    store = stack.client("s3")
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    found = [item for page in pages for item in page.get("Contents", [])]
    lines: list[str] = []
    for item in sorted(found, key=lambda item: (item["LastModified"], item["Key"])):
        content = json.loads(store.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
        records = records_of(content)
        problem = _deliver(stack, records)
        if problem:
            return [*lines, f"stopped at {item['Key']}, which stays in the bucket: {problem}"], False
        store.delete_object(Bucket=bucket, Key=item["Key"])
        lines.append(f"delivered the {len(records)} records of {item['Key']}")
    return lines or ["there is nothing to replay"], True


def records_of(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records in an object that Lambda wrote for a discarded batch.

    `payload` holds the whole event, as text (Lambda Developer Guide, retaining discarded batches of
    a DynamoDB stream: only S3 destinations get it).
    """
    payload = content["payload"]
    event: dict[str, Any] = json.loads(payload) if isinstance(payload, str) else payload
    records: list[dict[str, Any]] = event["Records"]
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


def _invocation(records: list[bytes]) -> bytes:
    return b'{"Records":[' + b",".join(records) + b"]}"


def _deliver(stack: Stack, records: list[dict[str, Any]]) -> str:
    """Have the converter deliver the records; return what went wrong, nothing if all was well."""
    converter = stack.client("lambda", config=_PATIENT)
    for payload in slices(records):
        answer = converter.invoke(FunctionName=stack.outputs["ConverterFunctionName"], Payload=payload)
        told = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            return str(told.get("errorMessage", told))
        if failures := told["batchItemFailures"]:
            return f"not delivered from {failures[0]['itemIdentifier']} on"
    return ""
