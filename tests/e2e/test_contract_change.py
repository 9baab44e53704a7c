"""Proves, on the deployed stack, the way of a change of the contract, from the proposal to the last client.

The commands are those of docs/contract/README.md, run in a copy of what they work on.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local import inspection
from local import stack as deployment
from local.environment import PROGRAMS
from local.marks import Item, Mark, put_in_batches
from local.queues import Message, drain, until
from local.session import Session
from mark_event_queue.domain.held import GATE

PAGE = deployment.ROOT / "docs" / "contract" / "README.md"
PARTS = ("template.yaml", "functions", "schemas", "statemachines")
PINNED = "Police"
_LABELS = "LockEvent/2.0.0", "UnLockEvent/1.1.0"


@pytest.fixture
def clone(stack: Session, tmp_path: Path) -> Iterator[Path]:
    """A copy of the sources to change; the contract as it is is deployed again afterwards, and nothing is pinned."""
    root = tmp_path / "clone"
    root.mkdir()
    for part in PARTS:
        source = deployment.ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, root / part)
    yield root
    _say(stack)
    deployment.deploy_pipeline(stack.engine, deployment.built())


def _say(stack: Session, **said: Any) -> None:
    """Register the client with its queue and what else is said, and have every function know."""
    value = json.dumps({"queueUrl": stack.queues[PINNED]} | said)
    name = f"{stack.outputs['ClientsPath']}/{PINNED}"
    stack.engine.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
    stack.forget_registrations()


def _documented(beginning: str) -> list[str]:
    """Return the block of commands of the page that begins so."""
    blocks: list[str] = re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if block.startswith(beginning)]
    return block.splitlines()


def _run(stack: Session, clone: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=clone,
        env=stack.engine.environment | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


def _edit(path: Path, change: Any) -> None:
    schema = json.loads(path.read_text("utf-8"))
    change(schema)
    path.write_text(json.dumps(schema, indent=2), "utf-8")


def _allow_leased(schema: Any) -> None:
    schema["$defs"]["status"]["enum"].append("MARK_LEASED")


def _add_event_type(folder: Path, name: str) -> None:
    _edit(folder / "envelope.json", lambda schema: schema["properties"]["eventName"]["enum"].append(name))
    (folder / f"{name}.json").write_text((folder / "LockEvent.json").read_text("utf-8").replace("LockEvent", name))


def _leased(mark: Mark) -> Item:
    item = mark.lock()
    item["RegistrationNumber"]["M"]["Status"] = {"S": "MARK_LEASED"}
    return item


def _renewed(mark: Mark) -> Item:
    return mark.lock() | {"eventName": {"S": "RenewEvent"}}


def _told(messages: list[Message], mark: str) -> list[tuple[str, str]]:
    """Return the ids of a mark's events with the schema that each tells."""
    return [(one.event_id, one.attributes["schema"]) for one in messages if one.event["mark"] == mark]


def _ids(items: list[Item], *schemas: str) -> list[tuple[str, str]]:
    return [(item["eventId"]["S"], schema) for item, schema in zip(items, schemas, strict=True)]


def _until_there(stack: Session, client: str, found: list[Message], number: int) -> None:
    """Take what comes out of a client's queue until so many messages are there."""

    def all_there() -> bool:
        found.extend(drain(stack.engine, stack.queues[client]))
        return len(found) >= number

    until(all_there, f"{number} messages to be there", 60)


def _publish(stack: Session, clone: Path, leased: Item) -> None:
    """Publish 1.1.0 with a new event type, and 2.0.0, which allows the item; a change in place is refused."""
    v1, v2 = clone / "schemas" / "v1", clone / "schemas" / "v2"
    check, publish, _make = _documented("meq contract check")
    shared = (v1 / "shared.json").read_text("utf-8")
    _edit(v1 / "shared.json", _allow_leased)
    (v1 / "VERSION").write_text("1.1.0\n")
    refused = _run(stack, clone, check)
    assert refused.returncode == 1, refused
    assert "/RegistrationNumber/Status" in refused.stdout
    assert _run(stack, clone, publish).returncode == 1

    (v1 / "shared.json").write_text(shared, "utf-8")
    _add_event_type(v1, "RenewEvent")
    for command in _documented("cp -r"):
        assert _run(stack, clone, command).returncode == 0
    _edit(v2 / "shared.json", _allow_leased)
    for command in (check, publish, check):
        done = _run(stack, clone, command)
        assert done.returncode == 0, done
    assert done.stdout.count("nothing changed") == len((v1, v2)), done
    (item,) = _documented("meq contract try")
    (clone / "item.json").write_text(json.dumps(leased), "utf-8")
    tried = _run(stack, clone, item)
    assert "LockEvent/2.0.0" in tried.stdout, tried


def test_a_change_of_the_contract_loses_nothing_and_harms_no_client(stack: Session, clone: Path):
    """A new event type by a minor version, a new status by a major one: who has pinned the old one decides when.

    What was held at the gate is released while more arrives, in order.
    """
    _say(stack, major=1)
    renewed, leased = Mark("CR 1"), Mark("CL 1")
    renewals = [renewed.lock(), _renewed(renewed), renewed.unlock()]
    leases = [leased.lock(), _leased(leased), leased.unlock()]
    stack.deliver([*renewals, *leases[:2]])
    stack.deliver(leases[2:])
    held = inspection.held(stack.engine, stack.outputs["ParkedEventsTableName"])
    assert {one["mark"] for one in held[GATE]} == {"CR 1", "CL 1"}
    early = drain(stack.engine, stack.queues[PINNED])
    assert _told(early, "CR 1") == _ids(renewals[:1], "LockEvent/1.0.0")

    _publish(stack, clone, leases[1])
    deployment.deploy_pipeline(stack.engine, deployment.build(clone / "built", clone))
    leases += [leased.lock(), _leased(leased), leased.unlock()]
    put_in_batches(stack.engine, leases[3:])
    (release,) = _documented("meq release")
    released = _run(stack, clone, release)
    assert released.returncode == 0, released
    everything: list[Message] = []
    _until_there(stack, "Insurer", everything, len(renewals) + len(leases))
    labels = ["LockEvent/1.0.0", *_LABELS, "LockEvent/1.1.0", *_LABELS]
    assert _told(everything, "CR 1") == _ids(renewals, "LockEvent/1.0.0", "RenewEvent/1.1.0", "UnLockEvent/1.1.0")
    assert _told(everything, "CL 1") == _ids(leases, *labels)
    both = next(one for one in everything if one.attributes["schema"] == "UnLockEvent/1.1.0")
    second = next(one for one in everything if one.attributes["schema"] == "LockEvent/2.0.0")
    assert both.attributes["schemaVersions"] == "1.1.0 2.0.0"
    assert "schemaVersions" not in second.attributes

    got = drain(stack.engine, stack.queues[PINNED])
    assert _told(got, "CR 1") == _ids(renewals[1:], "RenewEvent/1.1.0", "UnLockEvent/1.1.0")
    assert _told(got, "CL 1") == []
    shown = json.loads(_run(stack, clone, f"meq held --client {PINNED} --json").stdout)
    assert [(one["mark"], one["events"], one["reason"]) for one in shown] == [("CL 1", 5, "pinned")]
    stays = _run(stack, clone, f"meq redrive {PINNED} --json")
    assert (stays.returncode, json.loads(stays.stdout)["errors"]) == (1, ["NotValidInPinnedMajor"])

    _say(stack)
    later = leased.lock()
    stack.deliver([later])
    assert _run(stack, clone, f"meq redrive {PINNED}").returncode == 0
    rest: list[Message] = []
    _until_there(stack, PINNED, rest, len(leases))
    assert _told(rest, "CL 1") == _ids([*leases[1:], later], *labels[1:], "LockEvent/1.1.0")
