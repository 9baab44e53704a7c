"""Unit tier, the command `meq`: proves what each command prints and asks of a stack, and how it ends.

Table, parameters and bucket are moto's, filled by the application's own adapters; CloudFormation, Step Functions
and Lambda are fakes. That the real services answer like this is for tests/e2e.
"""

import getpass
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    SSLError,
    TokenRetrievalError,
)
from click.testing import CliRunner, Result
from moto import mock_aws

from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.domain.errors import ClientsUnavailableError
from mark_event_queue.domain.held import CONTRACT_BROKEN, GATE, PARKED, QUARANTINED
from mark_event_queue.domain.rounds import Entry, entry_of
from meq.__main__ import commands
from meq.errors import explain
from meq.executions import DRY_RUN
from meq.redrive import Asked
from tests.builders import NOW, client, entries, event_id, event_input, record, sequence_number
from tests.dynamodb_in_memory import DynamoDBInMemory, ignore

TABLE, PATH = "parked-events", "/mark-event-queue/clients"
ARN = "arn:aws:states:eu-west-2:123456789012:execution:redrive:one"
OUTPUTS = {
    "StateMachineArn": "arn:deliver",
    "ClientsPath": PATH,
    "RedriveStateMachineArn": "arn:redrive",
    "HistoryStateMachineArn": "arn:history",
    "ParkedEventsTableName": TABLE,
    "UndeliveredRecordsBucketName": "undelivered",
    "ConverterFunctionName": "converter",
}


BROKEN = [{"path": "/RegistrationNumber/Status", "rule": "enum"}]


def _redriven(delivered: int = 0, *errors: str, discarded: int = 0) -> dict[str, Any]:
    output = {
        "recipient": "Police",
        "sequences": 1,
        "delivered": delivered,
        "discarded": discarded,
        "stoppedSequences": len(errors),
        "errors": list(errors),
        "nothingHeld": not errors,
    }
    return _succeeded(output)


def _succeeded(output: dict[str, Any]) -> dict[str, Any]:
    return {"status": "SUCCEEDED", "output": json.dumps(output)}


@dataclass
class StacksFake:
    """CloudFormation: stacks by name, or an error instead."""

    stacks: dict[str, dict[str, str]]
    error: Exception | None = None

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Return one stack."""
        if self.error:
            raise self.error
        if StackName not in self.stacks:
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        return {"Stacks": [self._described(StackName)]}

    def get_paginator(self, operation: str) -> "StacksFake":
        """Return what lists the stacks."""
        assert operation == "describe_stacks"
        return self

    def paginate(self) -> list[dict[str, Any]]:
        """Return a page for each stack."""
        return [{"Stacks": [self._described(name)]} for name in self.stacks]

    def _described(self, name: str) -> dict[str, Any]:
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.stacks[name].items()]
        described = {"StackName": name, "StackStatus": "CREATE_COMPLETE"}
        return described | ({"Outputs": outputs} if outputs else {})


@dataclass
class MachineFake:
    """The redrive machine: notes what it is started with; each look at an execution gives the next answer."""

    answers: list[dict[str, Any] | BaseException] = field(default_factory=list)
    started: list[dict[str, Any]] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def start_execution(self, stateMachineArn: str, name: str, input: str) -> dict[str, str]:  # noqa: A002, N803
        """Note the input."""
        assert stateMachineArn in ("arn:redrive", "arn:history")
        self.started.append(json.loads(input))
        self.names.append(name)
        return {"executionArn": ARN}

    def describe_execution(self, executionArn: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Give the next answer."""
        self.looked_at.append(executionArn)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@dataclass
class ListingFake:
    """S3: a bucket of so many objects."""

    objects: int

    def get_paginator(self, operation: str) -> "ListingFake":
        """Return what lists the objects."""
        return self

    def paginate(self, Bucket: str) -> list[dict[str, Any]]:  # noqa: N803 - boto3's names
        """Return the pages."""
        return [{"Contents": [{"Key": str(number), "LastModified": NOW}]} for number in range(self.objects)]


@dataclass
class World:
    """A stack as operators see it, and the command to see it by."""

    stacks: StacksFake
    machine: MachineFake
    table: HeldEventsTable
    services: dict[str, Any]

    def client(self, service: str, **options: Any) -> Any:
        """Return the fake of a service, or a client of moto's."""
        return ({"cloudformation": self.stacks, "stepfunctions": self.machine} | self.services)[service]

    def meq(self, *arguments: str) -> Result:
        """Run a command."""
        return CliRunner(mix_stderr=False).invoke(commands, arguments, obj={"clients": self}, prog_name="meq")

    def json(self, *arguments: str) -> Any:
        """Run a command that does all it was to do, and return what it prints."""
        result = self.meq(*arguments, "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        return json.loads(result.stdout)

    def register(self, name: str, value: str = "") -> None:
        """Register a client."""
        value = value or json.dumps({"queueUrl": client(name)["queueUrl"]})
        self.services["ssm"].put_parameter(Name=f"{PATH}/{name}", Value=value, Type="String", Overwrite=True)

    def park(self, name: str, of_one_mark: list[Entry]) -> None:
        """Hold entries for a client, for an error of a name that SQS gives."""
        self.table.hold(name, [of_one_mark], PARKED, "Sqs.AccessDenied")

    def quarantine(self, of_one_mark: list[Entry]) -> None:
        """Hold entries at the gate, the first of which breaks the contract."""
        first = of_one_mark[0] | {"Violations": json.dumps(BROKEN)}
        self.table.hold(GATE, [[first, *of_one_mark[1:]]], QUARANTINED, CONTRACT_BROKEN)

    @contextmanager
    def calls(self) -> Iterator[list[tuple[str, Any]]]:
        """Give a list that gains every call of the table, its name and parameters, within the context."""
        calls: list[tuple[str, Any]] = []
        dynamodb: DynamoDBInMemory = self.services["dynamodb"]
        dynamodb.before = lambda operation, arguments: calls.append((operation, arguments))
        yield calls
        dynamodb.before = ignore


@pytest.fixture(scope="module")
def moto() -> Iterator[dict[str, Any]]:
    """One moto for the file, and clients of it: to make them anew costs more than any of these tests."""
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        environment.setenv("AWS_DEFAULT_REGION", "eu-west-2")
        yield {name: boto3.client(name) for name in ("ssm", "s3")}


@pytest.fixture
def world(moto: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A stack with two clients, Insurer and Police, and nothing held; gone afterwards."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # the commands set it
    dynamodb = DynamoDBInMemory()
    table = HeldEventsTable(TABLE, dynamodb)
    world = World(StacksFake({"mark-event-queue": OUTPUTS}), MachineFake(), table, moto | {"dynamodb": dynamodb})
    for name in ("Insurer", "Police"):
        world.register(name)
    yield world
    for parameter in moto["ssm"].get_parameters_by_path(Path=PATH, Recursive=True)["Parameters"]:
        moto["ssm"].delete_parameter(Name=parameter["Name"])


# ----------------------------------------------------------------------------------------------------------------------
# What is held
# ----------------------------------------------------------------------------------------------------------------------
def test_held_lists_what_is_held_by_recipient_and_mark(world):
    """The keys are those that programs rely on; `since` is an instant, the gate comes first, and no body is there."""
    world.park("Police", entries(["AFC 6"] * 3))
    world.park("Insurer", entries(["B1 GAP"]))
    world.quarantine(entries(["Z 1"] * 4))

    found = world.json("held")

    sinces = [one.pop("since") for one in found]
    parked = {"reason": "parked", "firstEventId": event_id(1), "violations": [], "error": "Sqs.AccessDenied"}
    broken = {"reason": "quarantined", "firstEventId": event_id(1), "violations": BROKEN, "error": "ContractBroken"}
    assert found == [
        {"recipient": "gate", "mark": "Z 1", "events": 4} | broken,
        {"recipient": "Insurer", "mark": "B1 GAP", "events": 1} | parked,
        {"recipient": "Police", "mark": "AFC 6", "events": 3} | parked,
    ]
    assert all(since.endswith("Z") for since in sinces)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--client", "Police"], [("Police", "A"), ("Police", "B")]),
        (["--gate"], [("gate", "A")]),
        (["--mark", "A"], [("gate", "A"), ("Insurer", "A"), ("Police", "A")]),
        (["--client", "Police", "--mark", '"B"'], [("Police", "B")]),
        (["--gate", "--mark", "B"], []),
    ],
)
def test_held_tells_of_one_recipient_or_mark_if_asked(world, options, expected):
    """A mark may be given as it is or as a JSON string."""
    for recipient, mark in (("Police", "A"), ("Police", "B"), ("Insurer", "A")):
        world.park(recipient, entries([mark]))
    world.quarantine(entries(["A"]))

    assert [(one["recipient"], one["mark"]) for one in world.json("held", *options)] == expected


def test_held_asks_for_pages_not_for_sequences(world):
    """Three hundred sequences take a call for the recipients and one for each of these; a mark is looked up."""
    marks = [[entry] for entry in entries([f"M {number}" for number in range(150)])]
    for recipient in ("Insurer", "Police"):
        world.table.hold(recipient, marks, PARKED, "Sqs.AccessDenied")

    with world.calls() as calls:
        assert len(world.json("held")) == 300
    assert [name for name, _ in calls] == ["query"] * 3
    with world.calls() as calls:
        assert len(world.json("held", "--mark", "M 7")) == 2
    assert [name for name, _ in calls] == ["query", "get_item", "get_item"]


def test_a_listing_of_many_pages_is_whole(world):
    """The table answers a megabyte at a time; rules of this length make several pages of them."""
    rules = json.dumps([{"path": "/x", "rule": "r" * 200_000}])
    for entry in entries([f"M {number}" for number in range(8)]):
        world.table.hold(GATE, [[entry | {"Violations": rules}]], QUARANTINED, CONTRACT_BROKEN)

    with world.calls() as calls:
        assert len(world.json("held", "--gate")) == 8
    assert len(calls) > 1


def test_held_shows_marks_so_that_they_can_be_pasted_back_and_says_how_much_there_is(world):
    """In text a mark with a space is quoted, one with a control character escaped; no colour off a terminal."""
    world.park("Police", entries(["AFC 6"] * 2))
    world.park("Police", entries(["A\x1b[2J"]))

    result = world.meq("held")

    assert "'AFC 6'" in result.stdout
    assert "'\"A\\u001b[2J\"'" in result.stdout
    assert result.stdout.splitlines()[-1] == "Held: 3 events of 2 sequences."
    assert "\x1b" not in result.stdout


def test_held_names_the_rules_that_are_broken(world):
    """Of what is held at the gate the rule counts, of what is held for a client the error."""
    world.quarantine(entries(["A"]))
    world.park("Police", entries(["A"]))

    _, gate, police, _ = world.meq("held").stdout.splitlines()

    assert gate.endswith(f"{event_id(1)}  /RegistrationNumber/Status enum")
    assert police.endswith(f"{event_id(1)}  Sqs.AccessDenied")


def test_a_mark_whose_group_is_a_hash_is_shown_and_found_as_the_mark(world):
    """The mark is kept with what is held."""
    long_mark = "long " * 40
    (entry,) = [entry_of(event_input(1, long_mark))]
    assert entry["MessageGroupId"].startswith("%sha256:")
    world.park("Police", [entry])

    assert [one["mark"] for one in world.json("held", "--mark", long_mark)] == [long_mark]


def test_a_sequence_without_events_is_shown_too(world):
    """A redrive that was stopped before its last step leaves one: it is still held."""
    world.park("Police", entries(["A"]))
    world.table.forget("Police", entries(["A"]), {})

    assert [(one["events"], one["firstEventId"]) for one in world.json("held")] == [(0, None)]
    assert "none left" in world.meq("held").stdout


def test_nothing_held_is_said_to_be_nothing(world):
    """An empty list for programs, a word for people."""
    assert world.json("held") == []
    assert (world.meq("held").stdout, world.meq("held").exit_code) == ("None.\n", 0)


# ----------------------------------------------------------------------------------------------------------------------
# One event
# ----------------------------------------------------------------------------------------------------------------------
def test_show_tells_all_of_the_first_event_but_its_body(world):
    """Ids, number, times, rules, and why its mark is held; a program gets the body as null."""
    world.quarantine(entries(["AFC 6"] * 2))

    told = world.json("show", "--gate", "--mark", "AFC 6")

    assert told.pop("heldAt").endswith("Z")
    assert told == {
        "recipient": "gate",
        "mark": "AFC 6",
        "eventId": event_id(1),
        "sequenceNumber": sequence_number(1),
        "late": False,
        "violations": BROKEN,
        "unfit": None,
        "reason": "quarantined",
        "error": "ContractBroken",
        "body": None,
    }
    text = world.meq("show", "--gate", "--mark", "AFC 6").stdout.splitlines()
    assert text[0].split() == ["recipient", "gate"]
    assert text[-1].split() == ["breaks", "/RegistrationNumber/Status", "enum"]


def test_show_finds_the_event_that_is_named(world):
    """Whether it broke the contract itself, or waits behind one that did; one that is not held is no success."""
    world.quarantine(entries(["A"] * 3))

    told = world.json("show", "--gate", "--mark", "A", event_id(3))
    missing = world.meq("show", "--gate", "--mark", "A", "nosuch")

    assert (told["eventId"], told["violations"]) == (event_id(3), [])
    assert (missing.exit_code, missing.stderr) == (
        1,
        "Error: The event nosuch is not held of the mark A at the gate.\n",
    )


def test_show_tells_why_a_record_could_not_become_an_event(world):
    """Of such a record there is no rule at a place, but a reason; that it came late is told, too."""
    (entry,) = [entry_of(event_input(1, "A") | {"late": "true"})]
    world.table.hold(GATE, [[entry | {"Unfit": "the item has no eventId"}]], QUARANTINED, CONTRACT_BROKEN)

    told = world.json("show", "--gate", "--mark", "A")

    assert (told["unfit"], told["violations"], told["late"]) == ("the item has no eventId", [], True)


def test_show_tells_the_body_only_when_asked_and_says_that_it_is_personal_data(world):
    """The warning goes to stderr, the body, as it was sent, to stdout; control characters in it are shown."""
    (entry,) = [entry_of(event_input(1, "A", body='{"name":"Ann","price":0.10}'))]
    world.park("Police", [entry])
    asked = ("show", "--client", "Police", "--mark", "A")

    without, with_body, for_programs = (
        world.meq(*asked),
        world.meq(*asked, "--body"),
        world.meq(*asked, "--body", "--json"),
    )

    assert ("Ann" in without.stdout, without.stderr) == (False, "")
    assert with_body.stdout.splitlines()[-1].split(None, 1) == ["body", '{"name":"Ann","price":0.10}']
    assert "personal data" in with_body.stderr
    assert "personal data" in for_programs.stderr
    assert json.loads(for_programs.stdout)["body"] == entry["MessageBody"]


def test_show_asks_for_no_body_that_it_does_not_tell(world):
    """What is not asked for does not even come over the wire."""
    world.park("Police", entries(["A"]))

    with world.calls() as calls:
        world.json("show", "--client", "Police", "--mark", "A")

    assert ["body" in asked["ProjectionExpression"] for name, asked in calls if name == "query"] == [False]


@pytest.mark.parametrize("recipient", [["--client", "Police"], ["--gate"]])
def test_show_of_a_mark_that_is_not_held_is_no_success(world, recipient):
    """One that differs in case and spaces only is asked for."""
    world.park("Police", entries(["AFC 6"]))
    world.quarantine(entries(["AFC 6"]))

    result = world.meq("show", *recipient, "--mark", "afc6")

    assert (result.exit_code, "Did you mean 'AFC 6'?" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["show", "--mark", "A"], "--gate, or --client"),
        (["held", "--gate", "--client", "Police"], "either --client or --gate"),
        (["held", "--client", "gate"], "The gate is no client"),
        (["redrive", "gate"], "meq release"),
        (["discard", "gate", "A", "--reason", "x"], "The gate is no client"),
        (["discard", "--reason", "x", "--all"], "CLIENT, or --gate"),
        (["discard", "Police", "A", "--gate", "--reason", "x"], "either CLIENT MARK, or --gate MARK"),
        (["discard", "--gate", "--reason", "x"], "--all"),
    ],
)
def test_whose_events_are_meant_has_to_be_plain(world, command, told):
    """Nothing is started; the gate is not taken for a client of that name."""
    world.quarantine(entries(["A"]))

    result = world.meq(*command)

    assert (result.exit_code, told in result.stderr) == (2, True)
    assert world.machine.started == []


# ----------------------------------------------------------------------------------------------------------------------
# The clients, and numbers
# ----------------------------------------------------------------------------------------------------------------------
def test_clients_are_listed_with_what_is_wrong_with_them(world):
    """One that makes no sense gets nothing, and is in the list with the reason."""
    world.register("Broken", "{}")
    world.register("deep/er")

    *listed, deep = world.json("clients")
    assert (deep["name"], deep["problem"].split(":")[0]) == ("deep/er", "lies a level too deep")
    plain = {"paused": False, "filter": False, "since": None, "history": None, "notices": [], "major": None}
    assert listed == [
        {"name": "Broken", "queue": None, "problem": 'has no text "queueUrl"'} | plain,
        {"name": "Insurer", "queue": client("Insurer")["queueUrl"], "problem": None} | plain,
        {"name": "Police", "queue": client("Police")["queueUrl"], "problem": None} | plain,
    ]
    assert [line.split()[0] for line in world.meq("clients").stdout.splitlines()] == [
        "name",
        "Broken",
        "Insurer",
        "Police",
        "deep/er",
    ]


def test_an_error_of_an_adapter_is_told_with_what_aws_said():
    """The adapter of the functions says that it could not read the parameters; the command adds why."""
    error = ClientsUnavailableError("the parameters under /x cannot be read")
    error.__cause__ = Exception()
    error.__cause__.__cause__ = _refused("ExpiredToken")

    assert [line.split(":")[0] for line in explain(error).splitlines()[:2]] == [
        "the parameters under /x cannot be read",
        "AWS does not accept these credentials",
    ]


def test_status_counts_what_waits(world):
    """By recipient, the gate among them."""
    world.park("Police", entries(["A"] * 3))
    world.park("Police", entries(["B"]))
    world.register("Broken", "{}")
    world.quarantine(entries(["A"] * 5))
    world.services["s3"] = ListingFake(2)

    told = world.json("status")

    gate, police = told["held"]
    assert gate == {"recipient": "gate", "marks": 1, "events": 5}
    assert police == {"recipient": "Police", "marks": 2, "events": 4}
    del told["held"]
    assert told == {"stack": "mark-event-queue", "undeliveredObjects": 2, "clients": 3, "clientsWithAProblem": 1}
    assert world.meq("status").stdout.splitlines()[1].split() == ["gate", "1", "5"]


# ----------------------------------------------------------------------------------------------------------------------
# Redrive and discard
# ----------------------------------------------------------------------------------------------------------------------
def test_a_redrive_starts_the_machine_waits_and_tells_what_came_of_it(world):
    """Progress goes to stderr, the outcome to stdout."""
    world.park("Police", entries(["AFC 6"] * 3))
    world.machine.answers += [{"status": "RUNNING"}, _redriven(3)]

    result = world.meq("redrive", "Police", "--mark", "AFC 6")

    assert world.machine.started == [{"client": "Police", "action": "redrive", "dryRun": False, "mark": "AFC 6"}]
    assert result.exit_code == 0
    assert result.stderr == "Police: 3 events still held\n"
    assert result.stdout.splitlines() == ["Delivered 3 events to Police.", "Nothing is held for Police any more."]


def test_a_redrive_of_a_client_counts_its_events(world):
    """How far it is, is asked by one question, however many marks there are."""
    world.table.hold("Police", [[entry] for entry in entries(["A", "B", "C"])], PARKED, "Sqs.AccessDenied")
    world.machine.answers += [{"status": "RUNNING"}, _redriven(3)]

    with world.calls() as calls:
        assert world.meq("redrive", "Police").stderr == "Police: 3 events still held\n"
    assert [name for name, _ in calls].count("get_item") == 1


def test_a_redrive_that_goes_on_in_another_execution_is_followed(world):
    """The last one has the outcome, and is the one that can be looked at."""
    world.park("Police", entries(["A"]))
    second, third = f"{ARN}-2", f"{ARN}-3"
    world.machine.answers += [
        {"status": "RUNNING"},
        _succeeded({"continuedBy": second}),
        _succeeded({"continuedBy": third}),
        _redriven(9),
    ]

    result = world.meq("redrive", "Police", "--json")

    assert world.machine.looked_at == [ARN, ARN, second, third]
    assert (json.loads(result.stdout)["delivered"], json.loads(result.stdout)["executionArn"]) == (9, third)


@pytest.mark.parametrize("interruption", ["ctrl-c", "credentials"])
def test_an_interrupted_wait_names_the_execution_that_goes_on(world, interruption):
    """Not the first one, which has ended."""
    world.park("Police", entries(["A"]))
    end = KeyboardInterrupt() if interruption == "ctrl-c" else _refused("ExpiredToken")
    world.machine.answers += [_succeeded({"continuedBy": f"{ARN}-2"}), end]

    assert f"stop-execution --execution-arn {ARN}-2\n" in world.meq("redrive", "Police").stderr


def test_what_a_queue_still_refuses_stays_and_makes_the_exit_code_1(world):
    """The error is told; nobody is told that nothing is held."""
    world.park("Police", entries(["AFC 6"]))
    world.machine.answers.append(_redriven(2, "Sqs.KmsDisabled"))

    result = world.meq("redrive", "Police")

    assert result.exit_code == 1
    delivered, stopped, _, still_held = result.stdout.splitlines()
    assert delivered == "Delivered 2 events to Police."
    assert stopped == "Stopped: 1 sequence (Sqs.KmsDisabled). Still held for Police:"
    assert still_held.split() == ["'AFC", "6'", "1", "Sqs.AccessDenied"]


@pytest.mark.parametrize(
    ("cause", "told"),
    [
        (json.dumps({"errorMessage": "no such client\n", "stackTrace": ["secret.py"]}), "E: no such client\\n"),
        ("stopped by hand", "E: stopped by hand"),
    ],
)
def test_an_execution_that_failed_is_told_without_its_traceback(world, cause, told):
    """Nobody knows then what was delivered; the ARN says where to look."""
    world.park("Police", entries(["A"]))
    world.machine.answers.append({"status": "FAILED", "error": "E", "cause": cause})

    result = world.meq("redrive", "Police", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "recipient": "Police",
        "mark": None,
        "status": "FAILED",
        "sequences": None,
        "delivered": None,
        "discarded": None,
        "stoppedSequences": None,
        "errors": [told],
        "stillHeld": [],
        "nothingHeld": None,
        "executionArn": ARN,
    }


def test_ctrl_c_ends_the_wait_and_says_that_the_redrive_goes_on(world):
    """It says where, how to look at it and how to stop it; the exit code says that something stays."""
    world.park("Police", entries(["A"]))
    world.machine.answers.append(KeyboardInterrupt())

    result = world.meq("redrive", "Police", "--json")

    assert result.exit_code == 1
    assert f"It goes on in Step Functions: {ARN}" in result.stderr
    assert f"describe-execution --execution-arn {ARN}" in result.stderr
    assert json.loads(result.stdout)["status"] == "RUNNING"


def test_credentials_that_expire_while_it_waits_do_not_hide_the_redrive(world):
    """The error says that it goes on, and where, as Ctrl-C does."""
    world.park("Police", entries(["A"]))
    world.machine.answers.append(_refused("ExpiredToken"))

    result = world.meq("redrive", "Police")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "AWS does not accept these credentials" in result.stderr
    assert f"It goes on in Step Functions: {ARN}" in result.stderr


def test_a_dry_run_tells_what_would_be_done(world):
    """Sequence by sequence, marks as marks."""
    world.park("Police", entries(["AFC 6"]))
    why = {"since": "2026-03-01T09:30:00Z", "reason": "parked", "error": "Sqs.X"}
    sequence = {"mark": "AFC 6", "events": 3} | why
    described = {"wouldDiscard": 0, "wouldDeliver": 3, "sequences": [sequence], "moreSequences": 1}
    world.machine.answers += [_succeeded(described | {"recipient": "Police"})] * 2

    told = world.json("redrive", "Police", "--dry-run")

    assert world.machine.started[0]["dryRun"] is True
    assert world.machine.names[0].startswith(DRY_RUN)
    assert told == described | {"recipient": "Police", "mark": None}
    assert world.meq("redrive", "Police", "--dry-run").stdout.splitlines()[-2:] == [
        "… and 1 sequence more.",
        "Would discard 0 events and deliver 3 to Police.",
    ]


def test_a_dry_run_says_when_not_all_was_counted(world):
    """Its numbers then are the least that would be done."""
    world.park("Police", entries(["AFC 6"]))
    described = {"wouldDiscard": 0, "wouldDeliver": 9_000, "sequences": [], "moreSequences": True}
    world.machine.answers += [_succeeded(described | {"recipient": "Police"})] * 2

    assert world.json("redrive", "Police", "--dry-run")["moreSequences"] is True
    assert world.meq("redrive", "Police", "--dry-run").stdout.splitlines()[-2:] == [
        "… and more sequences than were counted.",
        "Would discard at least 0 events and deliver at least 9000 to Police.",
    ]


def test_an_empty_mark_is_never_asked_for(world):
    """It is neither sent nor taken for all marks."""
    world.park("Police", entries(["A"]))

    for empty in ("", '""'):
        assert "a mark is not empty" in world.meq("redrive", "Police", "--mark", empty).stderr
        discarded = world.meq("discard", "Police", empty, "--all", "--reason", "no use", "--by", "Ann")
        assert "a mark is not empty" in discarded.stderr
    assert world.machine.started == []
    assert Asked("Police", "").as_input()["mark"] == ""


def test_a_discard_goes_on_record_with_who_asked_and_why(world):
    """The first event of a mark, or all of it."""
    world.park("Police", entries(["A"]))
    world.machine.answers += [_redriven(1), _redriven()]

    assert world.meq("discard", "Police", "A", "--reason", "no use", "--by", "Ann").exit_code == 0
    assert world.meq("discard", "Police", "--all", "--reason", "no use", "--by", "Ann").exit_code == 0

    common = {"client": "Police", "action": "discard", "dryRun": False, "by": "Ann", "reason": "no use"}
    assert world.machine.started == [common | {"mark": "A", "all": False}, common | {"all": True}]


def test_a_discard_at_the_gate_takes_the_mark_alone(world):
    """Nobody gets what is given up, so there is no client to name."""
    world.quarantine(entries(["AFC 6"] * 3))
    world.machine.answers += [_redriven(2, discarded=1), _redriven(discarded=3)]

    one = world.meq("discard", "--gate", "AFC 6", "--reason", "no use", "--by", "Ann")
    assert (one.exit_code, one.stdout.splitlines()) == (
        0,
        ["Discarded 1 event.", "Delivered 2 events to everybody.", "Nothing is held at the gate any more."],
    )
    assert world.meq("discard", "--gate", "--all", "--reason", "no use", "--by", "Ann").exit_code == 0

    common = {"gate": True, "action": "discard", "dryRun": False, "by": "Ann", "reason": "no use"}
    assert world.machine.started == [common | {"mark": "AFC 6", "all": False}, common | {"all": True}]


# ----------------------------------------------------------------------------------------------------------------------
# Release
# ----------------------------------------------------------------------------------------------------------------------
def test_a_release_is_a_redrive_of_the_gate(world):
    """It tells how much is still held, and what everybody got."""
    world.quarantine(entries(["AFC 6"] * 3))
    world.machine.answers += [{"status": "RUNNING"}, _redriven(3)]

    result = world.meq("release", "--mark", "AFC 6")

    assert world.machine.started == [{"gate": True, "action": "release", "dryRun": False, "mark": "AFC 6"}]
    assert (result.exit_code, result.stderr) == (0, "gate: 3 events still held\n")
    assert result.stdout.splitlines() == ["Delivered 3 events to everybody.", "Nothing is held at the gate any more."]


def test_a_release_names_the_marks_that_stay_and_the_rules_that_they_break(world):
    """Something stays, so the exit code is 1; programs get the same as from `held`."""
    world.quarantine(entries(["AFC 6"] * 2))
    world.machine.answers += [_redriven(5, "ContractBroken")] * 2

    result, for_programs = world.meq("release"), world.meq("release", "--json")

    assert (result.exit_code, for_programs.exit_code) == (1, 1)
    assert result.stdout.splitlines()[1] == "Stopped: 1 sequence (ContractBroken). Still held at the gate:"
    assert result.stdout.splitlines()[3].split() == ["'AFC", "6'", "2", "/RegistrationNumber/Status", "enum"]
    assert json.loads(for_programs.stdout)["stillHeld"] == world.json("held", "--gate")


def test_a_release_tells_a_hundred_of_the_marks_that_stay(world):
    """For people; how many more there are is said, and where to see them."""
    sequences = [[entry] for entry in entries([f"M {number}" for number in range(101)])]
    world.table.hold(GATE, sequences, QUARANTINED, CONTRACT_BROKEN)
    world.machine.answers.append(_redriven(0, "ContractBroken"))

    lines = world.meq("release").stdout.splitlines()

    assert (len(lines), lines[-1]) == (3 + 100 + 1, "… and 1 sequence more: meq held")


def test_a_dry_run_of_a_release_tells_what_it_would_take(world):
    """Whether the contract allows it by now, only the release can say."""
    world.quarantine(entries(["A"]))
    described = {"recipient": "gate", "wouldDiscard": 0, "wouldDeliver": 1, "sequences": [], "moreSequences": 0}
    world.machine.answers.append(_succeeded(described))

    result = world.meq("release", "--dry-run")

    assert world.machine.started == [{"gate": True, "action": "release", "dryRun": True}]
    assert result.stdout.splitlines()[-1].endswith("deliver 1 to everybody, where the contract allows it.")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--mark", "afc6"], "Nothing of the mark afc6 is held at the gate. Did you mean 'AFC 6'?"),
        (["--mark", "B"], "Nothing of the mark B is held at the gate. See: meq held."),
    ],
)
def test_a_release_of_a_mark_that_is_not_held_is_no_success(world, arguments, told):
    """What is held for a client does not count."""
    world.quarantine(entries(["AFC 6"]))
    world.park("Police", entries(["B"]))

    result = world.meq("release", *arguments)

    assert (result.exit_code, result.stderr) == (1, f"Error: {told}\n")
    assert world.machine.started == []


def test_a_release_of_nothing_is_no_success(world):
    """Nothing is started."""
    result = world.meq("release")

    assert (result.exit_code, result.stderr) == (1, "Error: Nothing is held at the gate.\n")
    assert world.machine.started == []


def test_a_discard_says_whose_it_is_if_this_machine_knows(world, monkeypatch):
    """The name comes from the environment or the password file."""
    monkeypatch.setattr(getpass, "getuser", lambda: "ann")
    world.park("Police", entries(["A"]))
    world.machine.answers.append(_redriven(1))

    assert world.meq("discard", "Police", "A", "--reason", "no use").exit_code == 0
    assert world.machine.started[0]["by"] == "ann"


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no username"), ImportError("pwd")])
def test_a_user_without_a_name_is_asked_for_one_by_a_discard_and_by_nothing_else(world, monkeypatch, error):
    """Python's releases and systems differ in what they raise of such a user."""

    def nobody() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nobody)
    world.park("Police", entries(["A"]))
    world.machine.answers.append(_redriven(1))

    refused = world.meq("discard", "Police", "A", "--reason", "no use")
    assert (refused.exit_code, "--by" in refused.stderr) == (2, True)
    assert world.meq("held").exit_code == 0
    assert world.meq("discard", "Police", "A", "--reason", "no use", "--by", "Ann").exit_code == 0


def test_a_discard_of_everything_has_to_be_asked_for(world):
    """Without a mark it does nothing unless --all is said."""
    world.park("Police", entries(["A"]))

    result = world.meq("discard", "Police", "--reason", "no use")

    assert (result.exit_code, "--all" in result.stderr) == (2, True)
    assert world.machine.started == []


# ----------------------------------------------------------------------------------------------------------------------
# Replay: what it does is in test_replay
# ----------------------------------------------------------------------------------------------------------------------
@dataclass
class ConverterFake:
    """Lambda: the converter delivers what it is handed, or is interrupted."""

    interrupted: bool = False

    def invoke(self, **asked: Any) -> dict[str, Any]:
        """Deliver."""
        if self.interrupted:
            raise KeyboardInterrupt
        return {"Payload": io.BytesIO(b'{"batchItemFailures": []}')}

    def list_event_source_mappings(self, **asked: Any) -> dict[str, Any]:
        """Tell of no stream."""
        return {"EventSourceMappings": []}


@pytest.fixture
def bucket(world: World) -> Iterator[Any]:
    """The bucket of undelivered records, with a note and an object of one record; gone afterwards."""
    s3 = world.services["s3"]
    s3.create_bucket(Bucket="undelivered", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    s3.put_object(Bucket="undelivered", Key="0\x1b-note", Body=b"a note")
    content = json.dumps({"payload": json.dumps({"Records": [record()]})})
    s3.put_object(Bucket="undelivered", Key="one", Body=content.encode())
    yield s3
    for found in s3.list_objects_v2(Bucket="undelivered").get("Contents", []):
        s3.delete_object(Bucket="undelivered", Key=found["Key"])
    s3.delete_bucket(Bucket="undelivered")


def test_a_replay_names_what_it_delivered_and_what_stays(world, bucket):
    """A foreign object has one line, without its control characters; something stays, so the exit code is 1.

    How many records of a mark were late is told, and if that could not be seen.
    """
    world.services["lambda"] = ConverterFake()

    result = world.meq("replay")

    assert result.exit_code == 1
    assert sorted(result.stdout.splitlines()) == [
        "All of it counts as late, for the table of the events cannot be read: "
        "the converter does not read exactly one stream",
        "Delivered 1 record of one.",
        "Late: 1 record of 'AFC 6', behind later events.",
        "Passed over '\"0\\u001b-note\"', which stays: it is not JSON.",
        "Still in the bucket: 1 object.",
    ]
    assert result.stderr == "looking at object 1 of 2\n"

    bucket.delete_object(Bucket="undelivered", Key="0\x1b-note")
    done = world.meq("replay")
    assert (done.exit_code, done.stdout) == (0, "There is nothing to replay.\n")


def test_an_interrupted_replay_says_that_what_it_had_in_hand_goes_again(world, bucket):
    """The exit code says that something stays; JSON says so, too."""
    world.services["lambda"] = ConverterFake(interrupted=True)

    result = world.meq("replay", "--json")

    assert (result.exit_code, "run meq replay again" in result.stderr) == (1, True)
    told = json.loads(result.stdout)
    assert (told["interrupted"], told["delivered"], told["remaining"]) == (True, [], 2)


# ----------------------------------------------------------------------------------------------------------------------
# What is not there
# ----------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "command",
    [["redrive", "Police", "--mark"], ["discard", "Police", "--reason", "x", "--by", "Ann"]],
    ids=lambda one: one[0],
)
@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ("afc 6", "Nothing of the mark 'afc 6' is held for Police. Did you mean 'AFC 6'?"),
        ("AFC6", "Nothing of the mark AFC6 is held for Police. Did you mean 'AFC 6'?"),
        ("B1 GAP", "Nothing of the mark 'B1 GAP' is held for Police. See: meq held."),
    ],
)
def test_a_mark_that_is_not_held_is_no_success(world, command, mark, told):
    """Nothing is started; a mark that differs in case and spaces only is asked for."""
    world.park("Police", entries(["AFC 6"]))

    result = world.meq(*command, mark)

    assert (result.exit_code, result.stderr) == (1, f"Error: {told}\n")
    assert world.machine.started == []


def test_a_client_of_whom_nothing_is_held_is_no_success(world):
    """Nothing is started."""
    result = world.meq("redrive", "Police")

    assert (result.exit_code, result.stderr) == (1, "Error: Nothing is held for Police.\n")
    assert world.machine.started == []


@pytest.mark.parametrize(
    "command", [["redrive"], ["discard", "--all", "--reason", "x", "--by", "Ann"], ["held", "--client"]]
)
def test_a_client_that_does_not_exist_is_met_with_those_that_do(world, command):
    """Those that are registered, and those that are not any more but of whom something is held."""
    world.park("Archive", entries(["A"]))

    result = world.meq(*command, "insuror")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "Error: There is no client insuror. Did you mean Insurer?\nThere are: Archive, Insurer, Police.\n"
    )


def test_what_is_held_for_a_client_that_has_gone_can_be_given_up_and_not_delivered(world):
    """A redrive says so at once; a discard of all goes through."""
    world.park("Archive", entries(["A"]))
    world.machine.answers.append(_redriven())

    for options in ([], ["--dry-run"]):
        refused = world.meq("redrive", "Archive", *options)
        assert (refused.exit_code, "has unsubscribed" in refused.stderr) == (2, True)
    assert world.machine.started == []
    assert world.meq("discard", "Archive", "--all", "--reason", "gone", "--by", "Ann").exit_code == 0


def test_a_client_whose_registration_makes_no_sense_cannot_be_delivered_to(world):
    """The reason is that of `meq clients`."""
    world.register("Police", "[]")
    world.park("Police", entries(["A"]))

    result = world.meq("redrive", "Police")

    assert (result.exit_code, 'has no text "queueUrl"' in result.stderr) == (2, True)


def test_a_stack_that_is_not_there_is_met_with_those_that_are(world):
    """Only those of this application."""
    world.stacks.stacks |= {"blue": OUTPUTS, "web-shop": {"Url": "https://…"}}

    result = world.meq("held", "--stack", "mark-event-queu")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "Error: There is no stack mark-event-queu here. Did you mean mark-event-queue?\n"
        "Of this application there are: blue, mark-event-queue. Choose by --stack.\n"
    )


@pytest.mark.parametrize("outputs", [{}, {"StateMachineArn": "arn:other"}])
def test_a_stack_of_something_else_is_told_from_ours(world, outputs):
    """It has not the outputs that every stack of this application has, or has none yet."""
    world.stacks.stacks = {"web-shop": outputs}

    result = world.meq("held", "--stack", "web-shop")

    assert result.exit_code == 2
    assert "web-shop (CREATE_COMPLETE) is not of this application" in result.stderr
    assert "Of this application there is none: another --region or --profile?" in result.stderr


def test_a_stack_of_another_version_is_said_to_be_one(world):
    """An output that a command needs may be missing."""
    world.stacks.stacks["mark-event-queue"] = {
        name: value for name, value in OUTPUTS.items() if name != "ParkedEventsTableName"
    }

    result = world.meq("held")

    assert (result.exit_code, "no output ParkedEventsTableName" in result.stderr) == (2, True)


# ----------------------------------------------------------------------------------------------------------------------
# AWS out of reach, and the options of every command
# ----------------------------------------------------------------------------------------------------------------------
def _refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "you shall\x1b not pass"}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NoRegionError(), "--region"),
        (NoCredentialsError(), "aws sso login"),
        (TokenRetrievalError(provider="sso", error_msg="Token has expired"), "aws sso login"),
        (_refused("ExpiredToken"), "AWS does not accept these credentials: ExpiredToken"),
        (_refused("AccessDenied"), "These credentials may not do DescribeStacks"),
        (_refused("Throttling"), "DescribeStacks failed: Throttling"),
        (EndpointConnectionError(endpoint_url="https://x"), "AWS does not answer"),
        (SSLError(endpoint_url="https://x", error=OSError("no such file")), "AWS_CA_BUNDLE"),
        (BotoCoreError(), "An unspecified error occurred"),
    ],
    ids=str,
)
def test_what_aws_refuses_is_told_in_a_line_or_two(world, error, told):
    """No traceback, no control characters, nothing on stdout, exit code 2."""
    world.stacks.error = error

    result = world.meq("held")

    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert len(result.stderr.splitlines()) <= 2
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("command", [["redrive", "Police"], ["replay"], ["release"], ["clients"], ["status"]])
def test_every_command_tells_what_aws_refuses(world, command):
    """As `held` does."""
    world.stacks.error = NoCredentialsError()

    result = world.meq(*command)

    assert (result.exit_code, result.stdout, "credentials" in result.stderr) == (2, "", True)


def test_a_profile_that_does_not_exist_is_met_with_those_that_do(world, monkeypatch, tmp_path):
    """From the option or the environment."""
    config = tmp_path / "config"
    config.write_text("[profile work]\nregion = eu-west-1\n[profile home]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))

    result = world.meq("held", "--profile", "wrok")
    assert result.exit_code == 2
    assert "There is no profile wrok. Did you mean work? There are: home, work." in result.stderr
    monkeypatch.setenv("AWS_PROFILE", "nosuch")
    assert "There is no profile nosuch." in world.meq("held").stderr


def test_nonsense_for_an_endpoint_is_told(monkeypatch):
    """AWS_ENDPOINT_URL has to be a URL."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")

    result = CliRunner(mix_stderr=False).invoke(commands, ["held"])

    assert (result.exit_code, result.stderr) == (2, "Error: Invalid endpoint: nonsense\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["held"], "mark-event-queue"),
        (["--stack", "blue", "held"], "blue"),
        (["held", "--stack", "blue"], "blue"),
        (["--stack", "green", "held", "--stack", "blue"], "blue"),
    ],
)
def test_the_stack_may_be_named_before_the_command_or_behind_it(world, arguments, expected):
    """What stands behind the command counts more."""
    asked = []
    describe: Callable[..., dict[str, Any]] = world.stacks.describe_stacks
    world.stacks.stacks["blue"] = OUTPUTS
    world.stacks.describe_stacks = lambda StackName: asked.append(StackName) or describe(StackName)  # noqa: N803

    assert world.meq(*arguments).exit_code == 0
    assert asked == [expected]


def test_region_comes_from_the_option_or_from_what_either_variable_says(world, monkeypatch):
    """AWS_REGION, which boto3 does not read, goes before AWS_DEFAULT_REGION, as in the AWS CLI."""
    regions = []
    world.client = lambda service, **options: regions.append(boto3.DEFAULT_SESSION.region_name) or world.stacks
    world.stacks.stacks = {}
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    world.meq("held", "--region", "us-east-1")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    world.meq("held")
    monkeypatch.delenv("AWS_REGION")
    world.meq("held")

    assert list(dict.fromkeys(regions)) == ["us-east-1", "eu-west-1", "eu-central-1"]


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_every_command_has_help_that_says_what_it_does(name):
    """Its first line fits the list of commands, and every option is explained."""
    listed = CliRunner().invoke(commands, ["--help"]).stdout
    own = CliRunner().invoke(commands, [name, "--help"])

    assert own.exit_code == 0
    (line,) = [line for line in listed.splitlines() if line.strip().startswith(f"{name} ")]
    assert line.endswith(".")
    assert not line.endswith("...")
    for option in commands.commands[name].params:
        assert getattr(option, "help", "an argument")


def test_the_version_is_that_of_the_package():
    """What pip installed."""
    assert CliRunner().invoke(commands, ["--version"]).stdout == f"meq, version {version('mark-event-queue')}\n"
