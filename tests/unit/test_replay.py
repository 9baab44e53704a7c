"""Unit tier, `meq.replay`: proves that records leave the bucket only when the converter has delivered them.

Bucket and converter are fakes; that Lambda writes discarded batches in this shape is its documentation's
word, and cannot be proven here.
"""

import io
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from meq.replay import Delivered, ForeignObjectError, Left, Replayed, records_of, replay, slices
from meq.stack import Stack
from tests.builders import NOW, ROOT, record, sequence_number
from tests.fakes import StackClients

OUTPUTS = {"UndeliveredRecordsBucketName": "undelivered", "ConverterFunctionName": "converter"}
DELIVERED: dict[str, Any] = {"batchItemFailures": []}
REPORTED: dict[str, Any] = {"batchItemFailures": [{"itemIdentifier": sequence_number(3)}]}
RAISED = {"errorType": "StateMachineUnavailableError", "errorMessage": "the state machine is not there"}


@dataclass
class BucketFake:
    """A bucket, which lists its objects by key, a few to a page."""

    objects: dict[str, list[dict[str, Any]] | bytes]
    ages: dict[str, int] = field(default_factory=dict)

    def get_paginator(self, operation: str) -> "BucketFake":
        """Return what lists the objects."""
        assert operation == "list_objects_v2"
        return self

    def paginate(self, Bucket: str) -> list[dict[str, Any]]:  # noqa: N803 - boto3's names
        """Return the pages; the last of them is empty."""
        assert Bucket == "undelivered"
        listed = [
            {"Key": key, "LastModified": NOW - timedelta(hours=self.ages.get(key, 0))} for key in sorted(self.objects)
        ]
        return [*({"Contents": listed[start : start + 2]} for start in range(0, len(listed), 2)), {}]

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Return an object: bytes as they are, records as Lambda writes them."""
        held = self.objects[Key]
        return {"Body": io.BytesIO(held if isinstance(held, bytes) else _written(json.dumps({"Records": held})))}

    def delete_object(self, Bucket: str, Key: str) -> None:  # noqa: N803 - boto3's names
        """Take an object out."""
        del self.objects[Key]


@dataclass
class ConverterFake:
    """A converter that notes what it is handed, and answers in the order given; from then on it delivers."""

    answers: list[dict[str, Any] | KeyboardInterrupt] = field(default_factory=list)
    handed: list[list[dict[str, Any]]] = field(default_factory=list)

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Note the records and answer."""
        assert FunctionName == "converter"
        self.handed.append(json.loads(Payload)["Records"])
        answer = self.answers.pop(0) if self.answers else DELIVERED
        if isinstance(answer, KeyboardInterrupt):
            raise answer
        failed = {"FunctionError": "Unhandled"} if "errorMessage" in answer else {}
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode())} | failed


def _written(payload: Any) -> bytes:
    return json.dumps({"version": "1.0", "payload": payload}).encode()


def _records(*numbers: int) -> list[dict[str, Any]]:
    return [record(number=number) for number in numbers]


def _replay(bucket: BucketFake, converter: ConverterFake) -> Replayed:
    return replay(Stack("stack", StackClients(OUTPUTS, {"s3": bucket, "lambda": converter})))


@pytest.mark.parametrize("encode", [json.dumps, dict])
def test_records_are_found_in_what_lambda_writes(encode):
    """The whole event is there under `payload`, as a text or as it is."""
    assert records_of(_written(encode({"Records": _records(1, 2)}))) == _records(1, 2)


def test_every_object_is_delivered_whole_and_the_oldest_first():
    """Each goes to the converter as the stream would have brought it, and leaves the bucket."""
    bucket = BucketFake({"a": _records(3), "b": _records(1, 2), "c": _records(4)}, ages={"b": 5, "a": 3, "c": 1})
    converter = ConverterFake()

    outcome = _replay(bucket, converter)

    assert converter.handed == [_records(1, 2), _records(3), _records(4)]
    assert bucket.objects == {}
    assert outcome == Replayed([Delivered("b", 2), Delivered("a", 1), Delivered("c", 1)])
    assert outcome.done


@pytest.mark.parametrize(
    ("answer", "told"), [(REPORTED, f"not delivered from {sequence_number(3)} on"), (RAISED, RAISED["errorMessage"])]
)
def test_the_first_object_that_fails_stops_the_replay_and_stays(answer, told):
    """What comes after it must not overtake it: it stays too, and the next replay begins with the one that failed."""
    bucket, converter = BucketFake({"a": _records(1), "b": _records(2, 3), "c": _records(4)}), ConverterFake()
    converter.answers += [DELIVERED, answer]

    outcome = _replay(bucket, converter)

    assert not outcome.done
    assert outcome == Replayed([Delivered("a", 1)], stopped_at=Left("b", told), remaining=2)
    assert list(bucket.objects) == ["b", "c"]
    assert converter.handed == [_records(1), _records(2, 3)]


FOREIGN = {
    "not text": (b"\xff\x00", "is not JSON"),
    "not JSON": (b"a note", "is not JSON"),
    "no records": (b'{"version": "1.0"}', "holds no records"),
    "not an object": (b"[1]", "holds no records"),
    "payload without records": (_written("{}"), "holds no records"),
    "payload that is not JSON": (_written("a note"), "is not JSON"),
    "records that are no list": (_written({"Records": "two"}), "holds records of something else than a table's stream"),
    "records of a bucket": (
        _written({"Records": [{"eventSource": "aws:s3", "s3": {}}]}),
        "holds records of something else than a table's stream",
    ),
    "one record of a queue among others": (
        _written({"Records": [*_records(1), {"eventSource": "aws:sqs", "dynamodb": {}}]}),
        "holds records of something else than a table's stream",
    ),
}


@pytest.mark.parametrize(("content", "problem"), FOREIGN.values(), ids=list(FOREIGN))
def test_a_foreign_object_is_named_and_left_and_the_rest_goes_on(content, problem):
    """Whatever it is, it stays; what comes after it is delivered; something stays, so not all is done."""
    bucket, converter = BucketFake({"0-note.txt": content, "a": _records(1)}), ConverterFake()

    with pytest.raises(ForeignObjectError, match=problem):
        records_of(content)
    outcome = _replay(bucket, converter)

    assert outcome == Replayed([Delivered("a", 1)], passed_over=[Left("0-note.txt", problem)], remaining=1)
    assert not outcome.done
    assert list(bucket.objects) == ["0-note.txt"]
    assert converter.handed == [_records(1)]


def test_ctrl_c_leaves_what_was_not_delivered_whole():
    """The object in hand stays, and so do those behind it."""
    bucket, converter = BucketFake({"a": _records(1), "b": _records(2), "c": _records(3)}), ConverterFake()
    converter.answers += [DELIVERED, KeyboardInterrupt()]

    outcome = _replay(bucket, converter)

    assert outcome == Replayed([Delivered("a", 1)], remaining=2, interrupted=True)
    assert list(bucket.objects) == ["b", "c"]


def test_progress_counts_the_objects():
    """Each is told of before its records go."""
    told: list[str] = []
    clients = StackClients(
        OUTPUTS, {"s3": BucketFake({"a": _records(1), "b\n": _records(2)}), "lambda": ConverterFake()}
    )

    replay(Stack("stack", clients), told.append)

    assert told == ["object 1 of 2: a", "object 2 of 2: b\\n"]


def test_an_empty_bucket_is_said_to_be_one():
    """Nothing is delivered, and that is well."""
    converter = ConverterFake()

    assert _replay(BucketFake({}), converter) == Replayed()
    assert Replayed().done
    assert converter.handed == []


def test_the_converter_is_waited_for_and_started_once():
    """The SDK would give up after a minute and start a second invocation beside the first: it must do neither."""
    clients = StackClients(OUTPUTS, {"s3": BucketFake({"a": _records(1)}), "lambda": ConverterFake()})

    replay(Stack("stack", clients))

    template = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
    config = clients.options["lambda"]["config"]
    assert config.retries["total_max_attempts"] == 1
    assert config.read_timeout > template["Resources"]["ConverterFunction"]["Properties"]["Timeout"]


def test_a_large_object_goes_in_invocations_that_lambda_takes():
    """Six megabytes of names that are not ASCII: every record once, in order, no invocation near the limit."""
    records = [record(number=number) | {"note": "é" * 100_000} for number in range(1, 31)]

    payloads = list(slices(records))

    assert [one for payload in payloads for one in json.loads(payload)["Records"]] == records
    assert len(payloads) > 1
    assert max(map(len, payloads)) <= 1_000_100
