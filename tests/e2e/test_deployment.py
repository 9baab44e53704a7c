"""Proves, on the deployed stack, that a deployment under traffic, and each way back, loses and overtakes nothing.

A version of the machine calls the versions of the functions that it was deployed with, and no batch is half of each.
The engine moves an alias at once whatever the preference says: shifting bit by bit, and back by alarm, is AWS's alone.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from local import stack as deployment
from local.environment import PROGRAMS
from local.guarantees import Evidence, verdicts
from local.marks import Item, Mark, put_in_batches
from local.queues import Message, drain, until
from local.session import Session

PAGE = deployment.ROOT / "docs" / "deployments.md"
PARTS = ("template.yaml", "functions", "schemas", "statemachines")
MARKS = 10

Called = frozenset[str]
"""The functions that an execution called, each by the ARN that it was called by."""


class Traffic:
    """Events that are put without a pause, and what came of them."""

    def __init__(self, stack: Session, marks: str) -> None:
        self._stack = stack
        self._marks = [Mark(f"{marks} {number}") for number in range(MARKS)]
        self._over = Event()
        self._delivered: dict[str, list[Message]] = {client: [] for client in stack.queues}
        self._earlier = {execution.name for execution in stack.executions.all()}
        self.items: list[Item] = []

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Put events for the length of the context, some before it begins and some before it ends."""
        thread = Thread(target=self._put)
        thread.start()
        try:
            self._until_more(3 * MARKS)
            yield
            self._until_more(3 * MARKS)
        finally:
            self._over.set()
            thread.join()

    def _put(self) -> None:
        while not self._over.wait(0.5):
            items = [mark.lock() for mark in self._marks]
            put_in_batches(self._stack.engine, items)
            self.items += items

    def _until_more(self, number: int) -> None:
        before = len(self.items)
        until(lambda: len(self.items) >= before + number, "more events to be put")

    def found_against(self) -> list[object]:
        """Wait until everything is there; return what speaks against any guarantee."""
        until(self._are_all_there, f"{len(self.items)} events in every queue", 120)
        return [one for one in verdicts(Evidence(self.items, self._delivered, {}, [])) if one.found]

    def _are_all_there(self) -> bool:
        for client, messages in self._delivered.items():
            messages.extend(drain(self._stack.engine, self._stack.queues[client]))
        return all(len(messages) >= len(self.items) for messages in self._delivered.values())

    def called(self) -> list[Called]:
        """Return what each execution of these events called, oldest first."""
        new = [one.name for one in self._stack.executions.all() if one.name not in self._earlier]
        return [_called(self._stack, name) for name in new]


def _called(stack: Session, execution: str) -> Called:
    tasks = [event.get("taskScheduledEventDetails", {}) for event in stack.executions.history(execution)]
    given = [json.loads(task["parameters"]) for task in tasks if task.get("resourceType") == "lambda"]
    return frozenset(one["FunctionName"] for one in given)


def _versions(called: list[Called]) -> list[set[str]]:
    """Return the versions of functions that were called together, in the order in which they took turns."""
    turns: list[set[str]] = []
    for functions in called:
        if not turns or not functions & turns[-1]:
            turns.append(set())
        turns[-1] |= functions
    return turns


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of what is deployed, with other code and another definition; return its built template."""
    root = tmp_path / "clone"
    root.mkdir()
    for part in PARTS:
        source = deployment.ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, root / part)
    package = root / "functions" / "mark_event_queue" / "__init__.py"
    package.write_text(package.read_text("utf-8") + "\nCHANGED = True\n", "utf-8")
    definition = root / "statemachines" / "deliver-events.asl.json"
    machine = json.loads(definition.read_text("utf-8"))
    definition.write_text(json.dumps(machine | {"Comment": "Changed."}), "utf-8")
    return deployment.build(root / "built", root)


def _code(stack: Session, functions: set[str]) -> dict[str, str]:
    """Return the digest of what each of these versions of functions runs, by the function's name."""
    described = [stack.engine.client("lambda").get_function_configuration(FunctionName=one) for one in functions]
    return {one["FunctionName"]: one["CodeSha256"] for one in described}


def _run_documented(stack: Session, version: str) -> str:
    """Run the commands of the page that go back to a version; return what they print."""
    blocks: list[str] = re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (commands,) = [block for block in blocks if "update-state-machine-alias" in block]
    return subprocess.run(
        ["/bin/sh", "-ec", commands.replace("NUMBER", version)],
        env=stack.engine.environment | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def _under_traffic(stack: Session, marks: str, deploy: Callable[[], object]) -> list[set[str]]:
    """Deploy while events flow, and check that nothing is lost or overtaken; return the versions that were called."""
    traffic = Traffic(stack, marks)
    with traffic.flowing():
        deploy()
    assert traffic.found_against() == []
    return _versions(traffic.called())


def test_a_deployment_under_traffic_and_both_ways_back_lose_and_overtake_nothing(stack: Session, changed: Path):
    """What is under way ends with what it began with; every client gets everything, each mark in order, once."""
    machines, machine = stack.engine.client("stepfunctions"), stack.outputs["StateMachineArn"]

    def live() -> str:
        alias = machines.describe_state_machine_alias(stateMachineAliasArn=f"{machine}:live")
        (target,) = alias["routingConfiguration"]
        return str(target["stateMachineVersionArn"])

    def deploy_former() -> None:
        deployment.deploy_pipeline(stack.engine, deployment.built())

    with ExitStack() as whatever_happens:
        whatever_happens.callback(deploy_former)
        first = live()
        former, newer = _under_traffic(stack, "DEP", lambda: deployment.deploy_pipeline(stack.engine, changed))
        second = live()
        assert second != first
        assert all(re.search(r":function:[^:]+:\d+$", one) for one in former | newer)

        listed: list[str] = []
        number = first.rpartition(":")[2]
        assert _under_traffic(stack, "SWI", lambda: listed.append(_run_documented(stack, number))) == [newer, former]
        assert second in listed[0]

        before, again = _under_traffic(stack, "BAC", deploy_former)
        whatever_happens.pop_all()
    assert before == former
    assert not again & (former | newer)
    assert _code(stack, again) == _code(stack, former) != _code(stack, newer)
