"""Unit tier, handlers: proves that each function starts with its settings, does its work, and logs no personal data.

Every handler is imported anew, as a cold start does. What Lambda itself logs, and with which log level a
stack is deployed, cannot be proven here.
"""

import importlib
import json
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

from mark_event_queue.adapters.executions import READ_TIMEOUT_SECONDS
from mark_event_queue.domain.errors import (
    BatchNotDeliveredError,
    ClientsUnavailableError,
    HeldEventsUnavailableError,
    SettingsError,
)
from tests.builders import (
    NOTHING_HELD,
    SCHEMAS,
    client,
    event_id,
    event_input,
    image_lacking,
    item,
    numbers,
    planned,
    record,
    refused_alone,
    registration_number,
    removal,
    round_lost,
)
from tests.builders import example as example_event
from tests.fakes import LambdaContextFake, aws_fake
from tests.held_table import create_table

PERSONAL = ("Jane Secret", "13 Hidden Lane", "01632 960999")
ARN = "arn:aws:states:eu-west-2:123456789012:stateMachine:deliver-events"
CONTEXT = LambdaContextFake()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """The settings that the template gives every function, and an AWS of moto's."""
    for name, value in {
        "CLIENTS_PATH": "/stack/clients",
        "CLIENTS_CACHE_SECONDS": "60",
        "EVENT_TABLE": "events",
        "STATE_MACHINE_ARN": ARN,
        "PARKED_EVENTS_TABLE": "parked-events",
        "REJECTED_EVENTS": "HoldMark",
        "TRACKS": "8",
        "SCHEMAS_FOLDER": str(SCHEMAS.parent),
        "POWERTOOLS_METRICS_NAMESPACE": "mark-event-queue",
        "POWERTOOLS_SERVICE_NAME": request.node.name,  # a Logger of its own, on the test's stdout
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield


@pytest.fixture
def parked_events() -> None:
    """An empty table of what waits."""
    create_table(boto3.client("dynamodb"), "parked-events")


def _cold_start(function: str) -> ModuleType:
    sys.modules.pop(f"mark_event_queue.{function}.handler", None)
    return importlib.import_module(f"mark_event_queue.{function}.handler")


def _given(events: list[dict[str, str]], *clients: dict[str, str]) -> dict[str, Any]:
    """Return what the validator is given of an execution's input."""
    return {"batch": {"events": events, "held": NOTHING_HELD}, "clients": list(clients)}


def _personal_item() -> dict[str, Any]:
    name, line, telephone = ({"S": text} for text in PERSONAL)
    entitlement = {"nomineeName": name, "telephoneNo": telephone, "address": {"M": {"addLine1": line}}}
    return item(RegistrationNumber={"M": registration_number(entitlement={"M": entitlement})})


def _lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def _metric(output: str, name: str) -> list[Any]:
    return [line[name] for line in _lines(output) if name in line]


def _counts(output: str, name: str) -> dict[tuple[str, ...], list[float]]:
    """Return what was counted under a name, for everybody together and by client."""
    counted: dict[tuple[str, ...], list[float]] = {}
    for line in _lines(output):
        if name in line:
            (dimensions,) = line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
            assert {"service"} <= set(dimensions) <= {"service", "client"}
            client_named = tuple(line[dimension] for dimension in dimensions if dimension == "client")
            value = line[name]
            counted.setdefault(client_named, []).append(value[0] if isinstance(value, list) else value)
    return counted


def _assert_no_personal_data(output: str) -> None:
    assert output
    assert not [text for text in (*PERSONAL, "Jane", "Hidden", "960999") if text in output]


def test_the_validator_logs_what_was_broken_and_nothing_of_whom(capsys):
    """An event that breaks the contract in its personal data is logged by id and rules, without any of them."""
    event = example_event()
    name, line, telephone = PERSONAL
    event["RegistrationNumber"]["entitlement"] = {
        "nomineeName": [name],
        "telephoneNo": {telephone: telephone},
        "address": {"addLine1": {"line": line}, "postcode": [line]},
        "expiryTime": name,
    }
    handler = _cold_start("validator").handler

    answer = handler(_given([event_input(body=json.dumps(event))], client()), CONTEXT)

    output = capsys.readouterr().out
    assert answer["counts"] == {"valid": 0, "rejected": 1, "behind": 0}
    assert event_id(1) in output
    assert "/RegistrationNumber/entitlement/nomineeName" in output
    assert _metric(output, "EventsRejected") == [[1.0]]
    _assert_no_personal_data(output)


def test_the_validator_judges_by_the_contract_in_its_folder():
    """The folder that its setting names holds the published schemas, so a valid event passes."""
    handler = _cold_start("validator").handler

    answer = handler(_given([event_input()]), CONTEXT)

    assert answer["counts"] == {"valid": 1, "rejected": 0, "behind": 0}


@pytest.mark.parametrize(("rejected_events", "behind"), [("HoldMark", 1), ("PassMark", 0)])
def test_the_parameter_says_whether_followers_wait(monkeypatch, rejected_events, behind):
    """Validator and gate go by the same setting."""
    monkeypatch.setenv("REJECTED_EVENTS", rejected_events)
    events = [event_input(1, body="{}"), event_input(2)]

    answer = _cold_start("validator").handler(_given(events), CONTEXT)

    assert answer["counts"] == {"valid": 1 - behind, "rejected": 1, "behind": behind}


def test_the_converter_delivers_to_the_registered_clients(parked_events, monkeypatch, capsys):
    """Records become an execution with the clients of Systems Manager; nothing is reported as failed."""
    boto3.client("ssm").put_parameter(
        Name="/stack/clients/archive", Value=json.dumps({"queueUrl": client()["queueUrl"]}), Type="String"
    )
    monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
    with aws_fake((200, {"executionArn": "x", "startDate": 1, "stopDate": 2, "status": "SUCCEEDED"})) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
        answer = _cold_start("converter").handler({"Records": [record(_personal_item())]}, CONTEXT)

    output = capsys.readouterr().out
    assert answer == {"batchItemFailures": []}
    assert json.loads(aws.requests[0]["input"])["clients"] == [client()]
    assert len(aws.requests[0]["name"]) <= 80
    assert _metric(output, "EventsConverted") == [[1.0]]
    assert _metric(output, "BatchesNotDelivered") == _metric(output, "RecordsWithoutImage") == [[0.0]]
    _assert_no_personal_data(output)


def test_the_converter_counts_what_the_stream_tells_without_an_image(parked_events, monkeypatch, capsys):
    """Such records are handed on to be quarantined by validation, and counted for the alarm; removals are not."""
    monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
    records = [record(item(1), 1), image_lacking(2, kind="MODIFY"), image_lacking(3), removal(4)]
    with aws_fake((200, {"executionArn": "x", "startDate": 1, "stopDate": 2, "status": "SUCCEEDED"})) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
        _cold_start("converter").handler({"Records": records}, CONTEXT)

    output = capsys.readouterr().out
    assert _metric(output, "RecordsWithoutImage") == [[2.0]]
    assert [len(json.loads(one["input"])["batch"]["events"]) for one in aws.requests] == [3, 0]
    assert _metric(output, "EventsConverted") == [[3.0]]  # the removal is an execution of its own
    given = json.loads(aws.requests[0]["input"])
    answer = _cold_start("validator").handler(given, CONTEXT)
    assert answer["counts"] == {"valid": 1, "rejected": 2, "behind": 0}
    (told,) = [line for line in _lines(capsys.readouterr().out) if line.get("message") == "withheld"]
    assert ["the stream's view is KEYS_ONLY" in violations for violations in told["violations"]] == [True]
    assert (told["events"], list(told["violations"].values()), len(told["first_event_ids"])) == (2, [2], 2)
    assert "AFC" not in json.dumps(told)


def test_the_converter_logs_why_it_stopped_and_nothing_of_whom(parked_events, monkeypatch, capsys):
    """A failed execution is logged by name and place in the stream; a broken registration by client and reason."""
    boto3.client("ssm").put_parameter(Name="/stack/clients/broken", Value="no JSON", Type="String")
    monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
    failed = {"status": "FAILED", "error": "States.Timeout", "cause": PERSONAL[0]}
    with aws_fake((200, {"executionArn": "x", "startDate": 1, "stopDate": 2} | failed)) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
        with pytest.raises(BatchNotDeliveredError) as caught:
            _cold_start("converter").handler({"Records": [record(_personal_item())]}, CONTEXT)

    output = capsys.readouterr().out
    assert _metric(output, "BatchesNotDelivered") == [[1.0]]
    assert _metric(output, "EventsConverted") == [[0.0]]
    assert "client broken gets nothing" in output
    _assert_no_personal_data(output + str(caught.value))


def _large(number: int, mark: str) -> dict[str, Any]:
    """Return a record of which two do not go into one batch."""
    return record(item(number, mark, unknown={"S": "x" * 150_000}), number)


def test_the_converter_reads_once_of_whom_anything_is_held(monkeypatch):
    """However many executions an invocation starts for marks that differ: each is given what one read found."""
    _register()
    monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
    mentions = [{"pk": {"S": "RECIPIENTS"}, "sk": {"S": name}} for name in ("archive", "gate", "gone")]
    succeeded = {"executionArn": "x", "startDate": 1, "stopDate": 2, "status": "SUCCEEDED"}
    with aws_fake((200, succeeded)) as aws, aws_fake((200, {"Items": mentions})) as dynamodb:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.url)
        handler = _cold_start("converter").handler
        handler({"Records": [_large(number, mark) for number, mark in enumerate("ABC", start=1)]}, CONTEXT)
        assert len(dynamodb.requests) == 1
        handler({"Records": [_large(4, "A")]}, CONTEXT)

    held = [json.loads(one["input"])["batch"]["held"] for one in aws.requests]
    assert held == [{"recipients": ["archive", "gate"], "atGate": True}] * 4
    assert len({one["name"] for one in aws.requests}) == 4
    assert len(dynamodb.requests) == 2
    assert {(one["TableName"], one["ConsistentRead"]) for one in dynamodb.requests} == {("parked-events", True)}


def test_the_converter_starts_nothing_while_it_does_not_know_what_is_held(monkeypatch, capsys):
    """Without the table of what waits there is no execution: the stream brings the records again, and it is counted."""
    monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
    with aws_fake((500, {})) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
        with pytest.raises(HeldEventsUnavailableError):
            _cold_start("converter").handler({"Records": [record(_personal_item()), image_lacking(2)]}, CONTEXT)

    output = capsys.readouterr().out
    assert aws.requests == []
    assert _metric(output, "BatchesNotDelivered") == _metric(output, "RecordsWithoutImage") == [[1.0]]
    assert _metric(output, "EventsConverted") == [[0.0]]
    _assert_no_personal_data(output)


def test_the_converter_counts_what_it_delivered_before_it_stopped(parked_events, monkeypatch, capsys):
    """With one track: the first batch is counted as converted, the second as not delivered, the third not at all."""
    monkeypatch.setenv("TRACKS", "1")
    monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
    ended = {"executionArn": "x", "startDate": 1, "stopDate": 2}
    with aws_fake((200, ended | {"status": "SUCCEEDED"}), (200, ended | {"status": "FAILED"})) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
        records = [_large(number, mark) for number, mark in enumerate("ABC", start=1)]
        answer = _cold_start("converter").handler({"Records": records}, CONTEXT)

    output = capsys.readouterr().out
    assert answer == {"batchItemFailures": [{"itemIdentifier": records[1]["dynamodb"]["SequenceNumber"]}]}
    assert len(aws.requests) == 2
    assert _metric(output, "EventsConverted") == _metric(output, "BatchesNotDelivered") == [[1.0]]


@pytest.mark.parametrize(("tracks", "started"), [("1", 1), ("2", 2), ("8", 3)])
def test_the_parameter_says_how_many_executions_run_side_by_side(parked_events, monkeypatch, capsys, tracks, started):
    """Where every execution fails, each track has begun one; they are counted together, whichever ends first."""
    monkeypatch.setenv("TRACKS", tracks)
    monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
    with aws_fake((200, {"executionArn": "x", "startDate": 1, "stopDate": 2, "status": "FAILED"})) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
        records = [_large(number, mark) for number, mark in enumerate("ABC", start=1)]
        with pytest.raises(BatchNotDeliveredError):
            _cold_start("converter").handler({"Records": records}, CONTEXT)

    output = capsys.readouterr().out
    assert len(aws.requests) == started
    assert _metric(output, "BatchesNotDelivered") == [[float(started)]]
    assert _metric(output, "EventsConverted") == [[0.0]]


def test_registrations_that_cannot_be_read_count_as_a_batch_not_delivered(parked_events, monkeypatch, capsys):
    """Nothing is started, the stream brings the records again, and the alarm about that sees it."""
    denied = {"__type": "AccessDeniedException", "message": "no"}
    with aws_fake((400, denied)) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", aws.url)
        with pytest.raises(ClientsUnavailableError):
            _cold_start("converter").handler({"Records": [record(_personal_item())]}, CONTEXT)

    assert _metric(capsys.readouterr().out, "BatchesNotDelivered") == [[1.0]]


def test_registrations_cannot_crowd_out_events(parked_events, monkeypatch, capsys):
    """With more registrations than there is room for, the event is delivered to the first; the others are told of."""
    ssm = boto3.client("ssm")
    for number in range(350):
        value = json.dumps({"queueUrl": client(f"{number:03}")["queueUrl"]})
        ssm.put_parameter(Name=f"/stack/clients/{number:03}", Value=value, Type="String")
    monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
    with aws_fake((200, {"executionArn": "x", "startDate": 1, "stopDate": 2, "status": "SUCCEEDED"})) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
        _cold_start("converter").handler({"Records": [record(_personal_item())]}, CONTEXT)

    output = capsys.readouterr().out
    served = [one["name"] for one in json.loads(aws.requests[0]["input"])["clients"]]
    (event,) = json.loads(aws.requests[0]["input"])["batch"]["events"]
    assert served == [f"{number:03}" for number in range(len(served))]
    assert "unfit" not in event
    assert [line["level"] for line in _lines(output) if "clients get nothing" in line.get("message", "")] == ["ERROR"]


def _held_at_gate() -> dict[str, Any]:
    """Have a broken event held, and its sound follower, of a mark with an event before them; return the answers."""
    personal = json.dumps({"nomineeName": PERSONAL[0]})
    events = [event_input(1, "B"), event_input(2, "A", personal), event_input(3, "A"), event_input(4, "B", personal)]
    validated = _cold_start("validator").handler(_given(events), CONTEXT)
    gate = _cold_start("gate").handler
    first = gate(validated, CONTEXT)
    return {"first": first, "second": gate(first | {"plan": planned([])}, CONTEXT)}


def test_the_gate_holds_and_counts_what_it_held(parked_events, capsys):
    """What it holds in each of its two calls is counted in that one, followers too; no event is logged."""
    answers = _held_at_gate()

    output = capsys.readouterr().out
    assert [len(answer["withheld"]) for answer in answers.values()] == [1, 0]
    assert _metric(output, "EventsQuarantined") == [[2.0], [1.0]]
    assert _metric(output, "EventsRejected") == [[2.0]]
    _assert_no_personal_data(output)


def test_a_gate_that_holds_nothing_new_counts_nought(parked_events, capsys):
    """It looks at every batch while anything is held: other marks are none of its business."""
    _held_at_gate()
    validated = _cold_start("validator").handler(_given([event_input(5, "C")]), CONTEXT)
    capsys.readouterr()

    answer = _cold_start("gate").handler(validated, CONTEXT)

    assert answer["counts"] == {"valid": 1, "rejected": 0, "behind": 0}
    assert _metric(capsys.readouterr().out, "EventsQuarantined") == [[0.0]]


def test_what_followed_through_the_gate_is_counted_as_held(parked_events, capsys):
    """A sound event behind a held mark is quarantined like what it follows."""
    _held_at_gate()
    validated = _cold_start("validator").handler(_given([event_input(5, "A")]), CONTEXT)
    capsys.readouterr()

    answer = _cold_start("gate").handler(validated, CONTEXT)

    assert answer["counts"] == {"valid": 0, "rejected": 0, "behind": 1}
    assert _metric(capsys.readouterr().out, "EventsQuarantined") == [[1.0]]


def test_a_release_puts_what_is_held_through_the_machine(parked_events, monkeypatch, capsys):
    """The machine gets the events, marked as released, and today's clients; what it did not withhold has left."""
    boto3.client("ssm").put_parameter(
        Name="/stack/clients/archive", Value=json.dumps({"queueUrl": client()["queueUrl"]}), Type="String"
    )
    held = _held_at_gate()["first"]["withheld"]
    capsys.readouterr()
    monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
    output = json.dumps({"counts": {}, "clients": [], "withheld": held})
    ended = {"executionArn": "x", "startDate": 1, "stopDate": 2, "status": "SUCCEEDED", "output": output}
    with aws_fake((200, ended)) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
        answer = _cold_start("release").handler({"groupIds": ["A", "B"]}, CONTEXT)

    told = capsys.readouterr().out
    (request,) = aws.requests
    given = json.loads(request["input"])
    assert [event["eventId"] for event in given["batch"]["events"]] == [event_id(2), event_id(4), event_id(3)]
    assert (given["released"], given["clients"]) == (True, [client()])
    assert given["batch"]["held"] == {"recipients": ["gate"], "atGate": True}
    assert len(request["name"]) <= 80
    assert answer == {"groupIds": [], "delivered": 2, "stopped": [{"groupId": "B", "error": "ContractBroken"}]}
    assert _metric(told, "EventsReleased") == [[2.0]]
    _assert_no_personal_data(told)


def test_a_release_without_time_starts_no_execution(parked_events, monkeypatch):
    """What is left of an invocation has to suffice for the wait for an execution; else the next one goes on."""
    _held_at_gate()
    with aws_fake((500, {})) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", aws.url)
        release = _cold_start("release").handler

        answer = release({"groupIds": ["A"]}, LambdaContextFake(remaining_time_in_millis=READ_TIMEOUT_SECONDS * 1000))

    assert answer == {"groupIds": ["A"], "delivered": 0, "stopped": []}
    assert aws.requests == []


def test_the_survey_measures_the_gate_and_the_clients(parked_events, monkeypatch, capsys):
    """What the alarms watch is there for everybody together, the gate apart, and by client beside."""
    monkeypatch.setenv("UNDELIVERED_RECORDS_BUCKET", "undelivered")
    boto3.client("s3").create_bucket(
        Bucket="undelivered", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"}
    )
    _held_at_gate()
    lost = {"client": "archive", "plan": planned(["A"]), "sent": round_lost("Sqs.QueueDoesNotExistException")}
    _cold_start("parking").handler(lost, CONTEXT)
    capsys.readouterr()

    boto3.client("ssm").put_parameter(Name="/stack/clients/broken", Value="no JSON", Type="String")
    for number in range(350):
        value = json.dumps({"queueUrl": client(f"{number:03}")["queueUrl"]})
        boto3.client("ssm").put_parameter(Name=f"/stack/clients/{number:03}", Value=value, Type="String")

    _cold_start("survey").handler({}, CONTEXT)

    output = capsys.readouterr().out
    assert _metric(output, "MalformedRegistrations") == [[1.0]]
    ((crowded_out,),) = _metric(output, "ClientsCrowdedOut")
    assert 0 < crowded_out < 350
    assert _metric(output, "QuarantinedEvents") == [[3.0]]
    assert _counts(output, "ParkedEvents") == {(): [1], ("archive",): [1]}
    assert _metric(output, "UndeliveredObjects") == [[0.0]]
    ages = {"OldestQuarantinedAge", "QuarantinedWithoutProgress", "OldestParkedAge", "ParkedWithoutProgress"}
    assert ages <= {name for line in _lines(output) for name in line}


def _register(**said: Any) -> None:
    """Register the client archive, with whatever else its registration says."""
    value = json.dumps({"queueUrl": client()["queueUrl"]} | said)
    boto3.client("ssm").put_parameter(Name="/stack/clients/archive", Value=value, Type="String", Overwrite=True)


def test_parking_and_selecting_meet_in_the_table(parked_events, capsys):
    """What one handler parks, the other holds further events behind; both count per client and log no event."""
    _register()
    parking = _cold_start("parking")
    failed = planned(["A", "B"])
    failed["waves"][0][0]["MessageBody"] = json.dumps({"nomineeName": PERSONAL[0]})

    sent = refused_alone("Sqs.InvalidMessageContents", "0-0")
    gone_on = parking.handler({"client": "archive", "plan": failed, "sent": sent}, CONTEXT)
    asked = {"client": "archive", "plan": planned(["A", "B", "A"])}
    selected = _cold_start("selection").handler(asked, CONTEXT)

    output = capsys.readouterr().out
    assert (gone_on["parked"], gone_on["last"]) == (1, -1)
    assert [numbers(wave) for wave in selected["plan"]["waves"]] == [[2]]
    assert _counts(output, "EventsParked") == {(): [1], ("archive",): [1]}
    assert _counts(output, "EventsHeldBehind") == {(): [2], ("archive",): [2]}
    assert "Sqs.InvalidMessageContents" in output
    _assert_no_personal_data(output)


def test_a_redrive_goes_through_its_steps(parked_events, monkeypatch, capsys):
    """What was parked is found, told of, given up or delivered, and counted per client; no event is logged."""
    _register()
    failed = planned(["A", "A", "A"])
    failed["waves"][0][0]["MessageBody"] = json.dumps({"nomineeName": PERSONAL[0]})
    sent = refused_alone("Sqs.QueueDoesNotExistException", "0-0")
    _cold_start("parking").handler({"client": "archive", "plan": failed, "sent": sent}, CONTEXT)

    with aws_fake((200, {"Successful": []})) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", aws.url)
        redrive = _cold_start("redrive").handler

        def step(name: str, request: Any) -> Any:
            return redrive({"step": name, "request": request}, CONTEXT)

        asked = {"client": "archive", "action": "discard", "mark": "A", "reason": "by hand", "by": "jo"}
        request = step("check", asked)
        told = step("describe", request)
        given_up = step("discard", request)
        page = {"after": "", "listed": False, "turn": 0}
        totals = {"sequences": 0, "delivered": 0, "stoppedSequences": 0, "errors": []}
        listed = step("list", request | {"page": page, "totals": totals, "lanes": []})
        delivered = step("redrive", request | {"groupIds": listed["page"]["lanes"][0]})
        last = step("list", request | listed | {"lanes": [delivered]})
        concluded = step("conclude", {"request": given_up, "totals": last["totals"]})

    output = capsys.readouterr().out
    assert request["eventId"] == event_id(1)
    assert (told["wouldDiscard"], told["wouldDeliver"]) == (1, 2)
    assert given_up == request | {"discarded": 1, "after": "A", "more": False}
    assert last["page"]["lanes"] == []
    assert [sent["QueueUrl"] for sent in aws.requests] == [client()["queueUrl"]] * 2
    assert [numbers(sent["Entries"]) for sent in aws.requests] == [[2], [3]]
    assert (concluded["delivered"], concluded["discarded"], concluded["nothingHeld"]) == (2, 1, True)
    assert _counts(output, "EventsDiscarded") == {(): [1], ("archive",): [1]}
    assert _counts(output, "EventsRedriven") == {(): [2], ("archive",): [2]}
    _assert_no_personal_data(output)


def test_a_redrive_without_time_starts_no_call(parked_events, monkeypatch):
    """What is left of an invocation has to suffice for a call with all its retries; else the next one goes on."""
    lost = {"client": "archive", "plan": planned(["A"]), "sent": round_lost("Sqs.QueueDoesNotExistException")}
    _cold_start("parking").handler(lost, CONTEXT)
    lane = {"recipient": "archive", "queueUrl": client()["queueUrl"], "groupIds": ["A"]}
    with aws_fake((200, {"Successful": []})) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", aws.url)
        redrive = _cold_start("redrive").handler

        answer = redrive({"step": "redrive", "request": lane}, LambdaContextFake(remaining_time_in_millis=25_000))

    assert answer == {"groupIds": ["A"], "delivered": 0, "stopped": []}
    assert aws.requests == []


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize(
    ("function", "setting"),
    [
        ("converter", "CLIENTS_PATH"),
        ("converter", "STATE_MACHINE_ARN"),
        ("converter", "TRACKS"),
        ("converter", "PARKED_EVENTS_TABLE"),
        ("validator", "REJECTED_EVENTS"),
        ("gate", "PARKED_EVENTS_TABLE"),
        ("gate", "REJECTED_EVENTS"),
        ("parking", "PARKED_EVENTS_TABLE"),
        ("redrive", "CLIENTS_PATH"),
        ("redrive", "PARKED_EVENTS_TABLE"),
        ("release", "CLIENTS_PATH"),
        ("release", "STATE_MACHINE_ARN"),
        ("release", "PARKED_EVENTS_TABLE"),
        ("release", "REJECTED_EVENTS"),
        ("selection", "CLIENTS_PATH"),
        ("forgetting", "PARKED_EVENTS_TABLE"),
        ("history", "EVENT_TABLE"),
        ("history", "CLIENTS_CACHE_SECONDS"),
        ("survey", "PARKED_EVENTS_TABLE"),
    ],
)
def test_a_missing_setting_shows_itself_at_the_cold_start(monkeypatch, function, setting, value):
    """A function that cannot do its work does not start, and names the setting."""
    monkeypatch.setenv(setting, value or "")
    if value is None:
        monkeypatch.delenv(setting)

    with pytest.raises(SettingsError, match=setting):
        _cold_start(function)
