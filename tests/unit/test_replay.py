"""Unit tier, `meq.replay` and `meq.lateness`: proves in which order records leave the bucket, when, and which are late.

Bucket, converter and the producer's table are fakes; that Lambda writes discarded batches in this shape is its
documentation's word, and cannot be proven here.
"""

import io
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from samtranslator.yaml_helper import yaml_parse

from meq.replay import Delivered, ForeignObjectError, Late, Left, Replayed, records_of, replay, slices
from meq.stack import Stack
from tests.builders import ROOT, Item, image_lacking, item, record, registration_number, sequence_number
from tests.fakes import StackClients

OUTPUTS = {"UndeliveredRecordsBucketName": "undelivered", "ConverterFunctionName": "converter"}
DELIVERED: dict[str, Any] = {"batchItemFailures": []}
REPORTED: dict[str, Any] = {"batchItemFailures": [{"itemIdentifier": sequence_number(3)}]}
RAISED = {"errorType": "StateMachineUnavailableError", "errorMessage": "the state machine is not there"}


@dataclass
class BucketFake:
    """A bucket, which lists its objects by key, a few to a page."""

    objects: dict[str, list[dict[str, Any]] | bytes]

    def get_paginator(self, operation: str) -> "BucketFake":
        """Return what lists the objects."""
        assert operation == "list_objects_v2"
        return self

    def paginate(self, Bucket: str) -> list[dict[str, Any]]:  # noqa: N803 - boto3's names
        """Return the pages; the last of them is empty."""
        assert Bucket == "undelivered"
        listed = [{"Key": key} for key in sorted(self.objects)]
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

    streams: int = 1
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

    def list_event_source_mappings(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Tell which streams it reads."""
        assert FunctionName == "converter"
        arn = "arn:aws:dynamodb:eu-west-2:123456789012:table/Events/stream/2026-03-01T00:00:00.000"
        return {"EventSourceMappings": [{"EventSourceArn": arn}] * self.streams}


@dataclass
class EventTableFake:
    """The producer's table: its items, and whom it lets read them."""

    items: list[Item] = field(default_factory=list)
    refuses: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)

    def get_paginator(self, operation: str) -> "EventTableFake":
        """Return what queries the table."""
        assert operation == "query"
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        """Return the items of a mark, one to a page; the last page is empty."""
        self.asked.append(asked)
        if self.refuses:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "Query")
        assert (asked["TableName"], asked["KeyConditionExpression"]) == ("Events", "mark = :mark")
        found = [one for one in self.items if one["mark"] == asked["ExpressionAttributeValues"][":mark"]]
        return [*({"Items": [one]} for one in found), {"Items": []}]


def _written(payload: Any) -> bytes:
    return json.dumps({"version": "1.0", "payload": payload}).encode()


def _records(*numbers: int) -> list[dict[str, Any]]:
    return [record(number=number) for number in numbers]


def _clients(bucket: BucketFake, converter: ConverterFake, table: EventTableFake | None = None) -> StackClients:
    return StackClients(OUTPUTS, {"s3": bucket, "lambda": converter, "dynamodb": table or EventTableFake()})


def _replay(bucket: BucketFake, converter: ConverterFake, table: EventTableFake | None = None) -> Replayed:
    return replay(Stack("stack", _clients(bucket, converter, table)))


@pytest.mark.parametrize("encode", [json.dumps, dict])
def test_records_are_found_in_what_lambda_writes(encode):
    """The whole event is there under `payload`, as a text or as it is."""
    assert records_of(_written(encode({"Records": _records(1, 2)}))) == _records(1, 2)


def test_every_object_is_delivered_whole_in_the_order_of_the_stream():
    """Each goes to the converter as the stream would have brought it, by sequence number, and leaves the bucket."""
    bucket, converter = BucketFake({"a": _records(3), "b": _records(1, 2), "c": _records(4)}), ConverterFake()

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
    "a record without a number": (
        _written({"Records": [{"eventSource": "aws:dynamodb", "dynamodb": {"Keys": {}}}]}),
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
    clients = _clients(BucketFake({"a": _records(1), "b\n": _records(2)}), ConverterFake())

    replay(Stack("stack", clients), told.append)

    assert told == [
        "looking at object 1 of 2",
        "looking at object 2 of 2",
        "2 left of 2; now a",
        "1 left of 2; now b\\n",
    ]


def test_an_empty_bucket_is_said_to_be_one():
    """Nothing is delivered, and that is well."""
    converter = ConverterFake()

    assert _replay(BucketFake({}), converter) == Replayed()
    assert Replayed().done
    assert converter.handed == []


def test_the_converter_is_waited_for_and_started_once():
    """The SDK would give up after a minute and start a second invocation beside the first: it must do neither."""
    clients = _clients(BucketFake({"a": _records(1)}), ConverterFake())

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


# ----------------------------------------------------------------------------------------------------------------------
# The order of a mark over objects
# ----------------------------------------------------------------------------------------------------------------------
_OBJECTS = st.lists(st.lists(st.tuples(st.integers(1, 40), st.sampled_from("ABC")), max_size=6), max_size=8)


@given(_OBJECTS)
def test_the_records_of_a_mark_go_in_their_order_however_they_lie_in_objects(objects):
    """Objects that hold a mark's records in turns go together; all of the bucket is delivered, and none twice."""
    bucket = BucketFake(
        {f"{key}": [record(item(number, mark), number) for number, mark in held] for key, held in enumerate(objects)}
    )
    converter = ConverterFake()

    outcome = _replay(bucket, converter)

    handed = [one["dynamodb"] for records in converter.handed for one in records]
    placed = [(one["Keys"]["mark"]["S"], int(one["SequenceNumber"])) for one in handed]
    for mark in "ABC":
        of_mark = [number for of, number in placed if of == mark]
        assert of_mark == sorted(of_mark)
    assert (len(handed), outcome.done, bucket.objects) == (sum(map(len, objects)), True, {})


def test_objects_whose_marks_do_not_meet_go_one_by_one():
    """Only what has to is put together, so that a failure repeats little."""
    bucket = BucketFake({"a": _of("A", 1, 5), "b": _of("B", 2, 6), "c": _of("A", 3), "d": _of("C", 9)})
    converter = ConverterFake()

    _replay(bucket, converter)

    handed = [[int(one["dynamodb"]["SequenceNumber"]) for one in records] for records in converter.handed]
    first = int(sequence_number(0))
    assert [[number - first for number in records] for records in handed] == [[1, 2, 3, 5, 6], [9]]


def test_objects_that_went_together_stay_together_when_one_record_fails():
    """Whatever was half delivered goes again, whole."""
    bucket, converter = BucketFake({"a": _of("A", 1, 3), "b": _of("A", 2)}), ConverterFake(answers=[REPORTED])

    outcome = _replay(bucket, converter)

    assert (outcome.delivered, outcome.remaining, sorted(bucket.objects)) == ([], 2, ["a", "b"])


def _of(mark: str, *numbers: int) -> list[dict[str, Any]]:
    return [record(item(number, mark), number) for number in numbers]


# ----------------------------------------------------------------------------------------------------------------------
# What is late
# ----------------------------------------------------------------------------------------------------------------------
def _event(number: int, time: str, version: int = 1, mark: str = "AFC 6") -> Item:
    registration = registration_number(mark, version={"N": str(version)})
    return item(number, mark, createTime={"S": time}, RegistrationNumber={"M": registration})


def _late(table: EventTableFake, *replayed: Item) -> list[bool]:
    """Replay events, one to an object; return which of them the converter was handed as late."""
    bucket = BucketFake({f"{number}": [record(one, number)] for number, one in enumerate(replayed, start=1)})
    converter = ConverterFake()
    _replay(bucket, converter, table)
    return [one.get("late", False) for records in converter.handed for one in records]


@pytest.mark.parametrize(
    ("other", "late"),
    [
        (_event(9, "2026-03-01T09:30:00Z", version=1), True),
        (_event(9, "2026-03-01T09:29:32.025Z"), True),
        (_event(9, "2026-03-01T09:29:31.9Z"), False),
        (_event(9, "2026-03-01T09:29:32Z", version=8), True),
        (_event(9, "2026-03-01T09:29:32.000Z", version=6), False),
        (_event(9, "2026-03-01T09:29:32.000000001Z", version=6), True),
        (_event(9, "yesterday"), True),
        (_event(9, "2026-13-01T09:29:32Z"), True),
        (_event(9, "2026-03-01T09:30:00Z", mark="B1 GAP"), False),
    ],
    ids=[
        "later", "later by a fraction", "earlier", "same instant, later version", "same instant, earlier version",
        "later by a nanosecond", "an instant that is none", "a day that is none", "of another mark",
    ],
)  # fmt: skip
def test_a_record_is_late_if_a_later_event_of_its_mark_was_delivered(other, late):
    """By the instant, not by its text, and then by the version; in doubt it is late."""
    own = _event(1, "2026-03-01T09:29:32Z", version=7)

    assert _late(EventTableFake([own, other]), own) == [late]


def test_events_that_are_in_the_bucket_themselves_make_none_late():
    """They come after it, in their order; one that was delivered makes late what came before it, and no more."""
    first, second, third = (_event(number, f"2026-03-01T09:30:0{number}Z", number) for number in (1, 2, 3))

    assert _late(EventTableFake([first, second, third]), first, second, third) == [False, False, False]
    assert _late(EventTableFake([first, second, third]), first, third) == [True, False]


def test_an_event_that_took_the_place_of_another_in_the_same_instant_makes_it_late():
    """They share a key, and so the table has only the second; the ids tell them apart."""
    first, second = _event(1, "2026-03-01T09:30:00Z", 1), _event(2, "2026-03-01T09:30:00Z", 2)

    assert _late(EventTableFake([second]), first) == [True]
    assert _late(EventTableFake([second]), first, second) == [False, False]


def test_a_record_without_an_image_is_placed_by_its_key():
    """Of a stream that carries keys alone."""
    lacking = image_lacking(1)
    bucket, converter = BucketFake({"a": [lacking]}), ConverterFake()

    outcome = _replay(bucket, converter, EventTableFake([_event(9, "2026-03-01T09:30:01Z")]))

    assert (converter.handed[0][0]["late"], outcome.late) == (True, [Late("AFC 6", 1)])


def test_late_records_are_told_of_by_mark():
    """How many of each; the marks that kept their order are not in the list."""
    early = [
        _event(number, f"2026-03-01T09:30:0{number}Z", mark=mark) for number, mark in ((1, "B"), (2, "A"), (3, "A"))
    ]
    later = [_event(9, "2026-03-01T10:00:00Z", mark=mark) for mark in ("A", "B")]
    untouched = _event(4, "2026-03-01T09:30:04Z", mark="C")
    bucket = BucketFake({"a": [record(one, number) for number, one in enumerate([*early, untouched], start=1)]})

    outcome = _replay(bucket, ConverterFake(), EventTableFake([*early, *later, untouched]))

    assert (outcome.late, outcome.table_problem) == ([Late("A", 2), Late("B", 1)], None)


@pytest.mark.parametrize(
    ("table", "streams", "told"),
    [
        (EventTableFake(refuses=True), 1, "These credentials may not do Query: no"),
        (EventTableFake(), 0, "the converter does not read exactly one stream"),
    ],
)
def test_a_table_that_cannot_be_read_makes_all_late(table, streams, told):
    """It is said why; the table is not asked again for each mark, and everything is delivered."""
    bucket = BucketFake({"a": _of("A", 1), "b": _of("B", 2)})
    converter = ConverterFake(streams)

    outcome = _replay(bucket, converter, table)

    assert [one["late"] for records in converter.handed for one in records] == [True, True]
    assert (outcome.late, outcome.table_problem) == ([Late("A", 1), Late("B", 1)], told)
    assert (outcome.done, len(table.asked)) == (True, streams)


def test_nothing_of_people_is_read_from_the_table():
    """Times, ids and versions are all that is asked for."""
    table = EventTableFake()

    _late(table, item())

    assert [asked["ProjectionExpression"] for asked in table.asked] == [
        "createTime, eventId, RegistrationNumber.version"
    ]
