"""Proves, on the deployed stack, that a client can stop and go on, and take a part, and that nobody else notices."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from local.marks import Item, Mark
from local.queues import drain
from local.session import Session
from meq.__main__ import commands
from tests.by_mark import received, written

CLIENT = "Police"


@pytest.fixture
def registered(stack: Session) -> Iterator[None]:
    """The client's registration as it was, after the test."""
    yield
    _say(stack)


def _say(stack: Session, **said: Any) -> None:
    """Register the client with its queue and what else is said, and wait until every function knows."""
    value = json.dumps({"queueUrl": stack.queues[CLIENT]} | said)
    name = f"{stack.outputs['ClientsPath']}/{CLIENT}"
    stack.engine.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
    _let_all_know()


def _let_all_know() -> None:
    time.sleep(6)  # the converter keeps a registration for 2 s here, the selection for 5


def _meq(stack: Session, *arguments: str) -> Result:
    return CliRunner(mix_stderr=False).invoke(commands, arguments, obj={"clients": stack.engine})


def test_a_paused_client_loses_nothing_and_nobody_else_notices(stack: Session, registered: None):
    """300 events while it is paused, 100 more while it is resumed: all in order, each once; no redrive before."""
    marks = [Mark(f"PAU {number}") for number in range(20)]
    assert _meq(stack, "pause", CLIENT, "--reason", "a new house", "--by", "jo").exit_code == 0
    _let_all_know()
    items = [mark.lock() for _ in range(15) for mark in marks]
    stack.deliver(items)
    refused = _meq(stack, "redrive", CLIENT)
    others = {client: drain(stack.engine, url) for client, url in stack.queues.items()}

    ssm, path = stack.engine.client("ssm"), stack.outputs["ClientsPath"]
    assert others.pop(CLIENT) == []
    for messages in others.values():
        assert received(messages) == written(items)
    assert (refused.exit_code, f"{CLIENT} is paused" in refused.stderr) == (2, True)
    assert json.loads(ssm.get_parameter(Name=f"{path}/{CLIENT}")["Parameter"]["Value"])["paused"] is True

    ssm.put_parameter(
        Name=f"{path}/{CLIENT}", Value=json.dumps({"queueUrl": stack.queues[CLIENT]}), Type="String", Overwrite=True
    )
    more = [mark.lock() for _ in range(5) for mark in marks]
    stack.deliver(more[:50])
    _let_all_know()
    stack.deliver(more[50:75])
    redriven = _meq(stack, "redrive", CLIENT, "--json")
    stack.deliver(more[75:])

    assert (redriven.exit_code, json.loads(redriven.stdout)["errors"]) == (0, [])
    assert received(drain(stack.engine, stack.queues[CLIENT])) == written([*items, *more])


def test_a_filter_lets_through_what_is_wanted_in_order(stack: Session, registered: None):
    """Two event types of 1,000 events: exactly those, in order; the others get everything."""
    wanted = {"LockEvent", "DuplicateCertificateEvent"}
    _say(stack, filter={"properties": {"eventName": {"enum": sorted(wanted)}}})
    marks = [Mark(f"FIL {number}") for number in range(100)]
    items: list[Item] = []
    for _ in range(5):
        items += [mark.lock() for mark in marks]
        items += [mark.unlock() for mark in marks]
    items[-100:] = [mark.lose_certificate() for mark in marks]

    stack.deliver(items)

    got = drain(stack.engine, stack.queues[CLIENT])
    assert received(got) == written([item for item in items if item["eventName"]["S"] in wanted])
    assert len(drain(stack.engine, stack.queues["Insurer"])) == len(items)
    unwanted = next(item for item in items if item["eventName"]["S"] not in wanted)
    why = _meq(stack, "explain", CLIENT, unwanted["eventId"]["S"], "--mark", unwanted["mark"]["S"], "--json")
    (told,) = json.loads(why.stdout)
    assert (told["answer"], told["violations"]) == ("filtered", [{"path": "/eventName", "rule": "enum"}])
