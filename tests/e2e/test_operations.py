"""Proves, on the deployed stack, what operators do by `meq` from a wheel: see, redrive, release, discard, replay.

MiniStack writes no records to an on-failure bucket; the test writes an object there as AWS documents it.
"""

import json
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from local import inspection
from local.marks import Mark
from local.queues import drain
from local.session import Session
from local.stack import ROOT
from tests.builders import DENY_ALL, given_up, item


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this project in a virtual environment of its own: what `pip install .` leaves, and no clone around it.

    The packages that it needs are those of the test environment, so that no index is asked; that a resolver finds
    them by the wheel's metadata is not shown here.
    """
    folder = tmp_path_factory.mktemp("installed")
    uv = str(Path(sys.executable).with_name("uv"))
    build = [uv, "build", "--quiet", "--offline", "--wheel", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*build, "--out-dir", str(folder), str(ROOT)], check=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(python), str(wheel)], check=True
    )
    purelib = [sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}), sysconfig.get_path("purelib")]
    Path(purelib[0], "test-environment.pth").write_text(purelib[1])
    return folder


def test_the_contract_comes_with_the_command(installed: Path, tmp_path: Path):
    """Without a clone, a stack or AWS settings an item is judged by the contract that the wheel has."""
    (tmp_path / "item.json").write_text(json.dumps(item()))
    tried = subprocess.run(
        [str(installed / "venv" / "bin" / "meq"), "contract", "try", "item.json", "--json"],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [one["valid"] for one in json.loads(tried.stdout)] == [True]


def meq(stack: Session, installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as an operator would, from a folder that has nothing to do with the project."""
    return subprocess.run(
        [str(installed / "venv" / "bin" / "meq"), *arguments],
        cwd=installed,
        env=stack.engine.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def survey(stack: Session) -> list[dict[str, Any]]:
    """Have the survey function measure, as its schedule would; return the metrics that it wrote to its log."""
    functions = stack.engine.client("lambda")
    names = [
        one["FunctionName"]
        for page in functions.get_paginator("list_functions").paginate()
        for one in page["Functions"]
    ]
    (name,) = [one for one in names if "SurveyFunction" in one]
    answer = functions.invoke(FunctionName=name, Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()
    return [
        json.loads(line) for line in inspection.logs(stack.engine) if '"service":"survey"' in line and "_aws" in line
    ]


@contextmanager
def refused_access(stack: Session, client: str) -> Iterator[None]:
    """Have a client's queue refuse everything for the length of the context."""
    sqs, url = stack.engine.client("sqs"), stack.queues[client]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": DENY_ALL})
    yield
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def test_an_installed_meq_needs_no_clone(stack: Session, installed: Path):
    """What runs is the wheel's; from a folder of its own it finds the stack, its clients and what waits."""
    python = str(installed / "venv" / "bin" / "python")
    where = [python, "-c", "import meq, mark_event_queue; print(meq.__file__, mark_event_queue.__file__)"]
    told = subprocess.run(where, cwd=installed, capture_output=True, text=True, check=True).stdout
    assert [Path(path).is_relative_to(installed) for path in told.split()] == [True, True]

    assert "redrive" in meq(stack, installed, "--help").stdout
    clients = json.loads(meq(stack, installed, "clients", "--json").stdout)
    assert {(name, None) for name in stack.queues if name != "fan-out"} <= {
        (one["name"], one["problem"]) for one in clients
    }
    assert json.loads(meq(stack, installed, "--stack", "mark-event-queue", "held", "--json").stdout) == []
    status = json.loads(meq(stack, installed, "status", "--json").stdout)
    assert (status["held"], status["undeliveredObjects"]) == ([], 0)


def test_what_is_held_at_the_gate_is_seen_shown_and_released_or_given_up(stack: Session, installed: Path):
    """`held` names the rule, `show` the event; a release says what stays and why; a discard lets the rest go.

    That a mended contract releases it is shown in test_gate.
    """
    mark = Mark("ST UCK")
    items = [mark.lock(), mark.unlock(), mark.lock()]
    items[0]["RegistrationNumber"]["M"]["Status"] = {"S": "SOLD"}
    stack.deliver(items)
    ids = [item["eventId"]["S"] for item in items]

    result = meq(stack, installed, "held", "--gate", "--mark", "ST UCK", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    (held,) = json.loads(result.stdout)
    assert datetime.fromisoformat(held["since"]) <= datetime.now(UTC)
    assert held | {"since": ""} == {
        "recipient": "gate",
        "mark": "ST UCK",
        "events": 3,
        "since": "",
        "reason": "quarantined",
        "firstEventId": ids[0],
        "violations": [{"path": "/RegistrationNumber/Status", "rule": "enum"}],
        "error": "ContractBroken",
    }
    status = json.loads(meq(stack, installed, "status", "--json").stdout)
    assert status["held"] == [{"recipient": "gate", "marks": 1, "events": 3}]

    shown = meq(stack, installed, "show", "--gate", "--mark", "ST UCK", ids[1], "--body", "--json")
    event = json.loads(shown.stdout)
    assert (event["eventId"], event["violations"], "personal data" in shown.stderr) == (ids[1], [], True)
    assert json.loads(event["body"])["eventId"] == ids[1]

    result = meq(stack, installed, "release", "--mark", "ST UCK", "--dry-run", "--json")
    assert (result.returncode, json.loads(result.stdout)["wouldDeliver"]) == (0, 3)
    result = meq(stack, installed, "release", "--mark", "ST UCK", "--json")
    told = json.loads(result.stdout)
    assert (result.returncode, told["delivered"], told["errors"]) == (1, 0, ["ContractBroken"])
    assert told["stillHeld"] == [held]
    assert drain(stack.engine, stack.queues["Insurer"]) == []

    discard = ("discard", "--gate", "ST UCK", "--reason", "sent by a test of theirs", "--by", "a test", "--json")
    result = meq(stack, installed, *discard)
    told = json.loads(result.stdout)
    assert (result.returncode, told["discarded"], told["delivered"], told["nothingHeld"]) == (0, 1, 2, True)
    assert [message.event_id for message in drain(stack.engine, stack.queues["Insurer"])] == ids[1:]
    assert meq(stack, installed, "release").returncode == 1


def test_records_that_the_stream_gave_up_are_delivered_from_the_bucket(stack: Session, installed: Path):
    """An object goes through the converter, reaches every client and leaves the bucket; a foreign one stays in it.

    A later event of the mark was delivered meanwhile: `meq` finds it in the producer's table, and the clients are told.
    """
    mark = Mark("RE PLY")
    items = [mark.lock(), mark.unlock()]
    stack.deliver([mark.lock()])
    for url in stack.queues.values():
        drain(stack.engine, url)
    bucket, store = stack.outputs["UndeliveredRecordsBucketName"], stack.engine.client("s3")
    key = "aws/lambda/mapping/shard/2026/03/01/one"
    store.put_object(Bucket=bucket, Key="0-note.txt", Body=b"a note")
    store.put_object(Bucket=bucket, Key=key, Body=given_up(items))

    result = meq(stack, installed, "replay", "--json")
    assert result.returncode == 1
    told = json.loads(result.stdout)
    assert told["delivered"] == [{"key": key, "records": 2}]
    assert (told["late"], told["tableProblem"]) == ([{"mark": "RE PLY", "records": 2}], None)
    assert told["passedOver"] == [{"key": "0-note.txt", "problem": "is not JSON"}]
    for client in ("Insurer", "Police", "original", "fan-out"):
        messages = drain(stack.engine, stack.queues[client])
        delivered = [(message.event_id, message.attributes["late"]) for message in messages]
        assert delivered == [(item["eventId"]["S"], "true") for item in items]
    store.delete_object(Bucket=bucket, Key="0-note.txt")
    result = meq(stack, installed, "replay")
    assert (result.returncode, result.stdout) == (0, "There is nothing to replay.\n")


def test_what_is_held_is_seen_described_and_redriven(stack: Session, installed: Path):
    """`held` names recipient, mark, number, time and error; a dry run changes nothing; a redrive delivers."""
    url = stack.queues["Police"]
    mark = Mark("SE EN")
    items = [mark.lock(), mark.unlock(), mark.lock()]
    with refused_access(stack, "Police"):
        stack.deliver(items)

    result = meq(stack, installed, "held", "--client", "Police", "--mark", "SE EN", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    (held,) = json.loads(result.stdout)
    assert datetime.fromisoformat(held.pop("since")) <= datetime.now(UTC)
    assert held == {
        "recipient": "Police",
        "mark": "SE EN",
        "events": 3,
        "reason": "parked",
        "firstEventId": items[0]["eventId"]["S"],
        "violations": [],
        "error": "Sqs.AccessDenied",
    }

    of_police = [one for one in survey(stack) if one.get("client") == "Police"]
    in_table = inspection.held(stack.engine, stack.outputs["ParkedEventsTableName"])["Police"]
    assert [one["ParkedEvents"] for one in of_police if "ParkedEvents" in one] == [[len(in_table)]]
    assert [one["OldestParkedAge"][0] >= 0 for one in of_police if "OldestParkedAge" in one] == [True]

    result = meq(stack, installed, "redrive", "Police", "--mark", "SE EN", "--dry-run", "--json")
    assert (result.returncode, json.loads(result.stdout)["wouldDeliver"]) == (0, 3)
    assert drain(stack.engine, url) == []

    result = meq(stack, installed, "redrive", "Police", "--mark", "se en")
    assert (result.returncode, "Did you mean 'SE EN'?" in result.stderr) == (1, True)

    result = meq(stack, installed, "redrive", "Police", "--mark", "SE EN", "--json")
    assert (result.returncode, json.loads(result.stdout)["delivered"]) == (0, 3)
    assert [message.event_id for message in drain(stack.engine, url)] == [item["eventId"]["S"] for item in items]


def test_a_discard_frees_what_follows(stack: Session, installed: Path):
    """The first event is given up, those behind it are delivered; a second discard finds nothing of the mark."""
    mark = Mark("DI SC")
    items = [mark.lock(), mark.unlock(), mark.lock()]
    with refused_access(stack, "Police"):
        stack.deliver(items)

    discard = ("discard", "Police", "DI SC", "--reason", "no use", "--by", "a test", "--json")
    result = meq(stack, installed, *discard)
    assert (result.returncode, json.loads(result.stdout)["nothingHeld"]) == (0, True)
    delivered = [message.event_id for message in drain(stack.engine, stack.queues["Police"])]
    assert delivered == [item["eventId"]["S"] for item in items[1:]]
    assert meq(stack, installed, *discard).returncode == 1


def test_stacks_that_are_not_there_or_not_ours_are_told_of(stack: Session, installed: Path):
    """Each in a line or two, with the stack that is there."""
    for name, problem in (("nosuch", "There is no stack nosuch"), ("mark-api", "is not of this application")):
        result = meq(stack, installed, "held", "--stack", name)
        assert (result.returncode, result.stdout) == (2, "")
        assert problem in result.stderr
        assert "Of this application there are: mark-event-queue." in result.stderr
        assert len(result.stderr.splitlines()) == 2
