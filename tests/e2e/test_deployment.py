"""Proves, on the deployed stack, that a deployment under traffic, and each way back, loses and overtakes nothing.

The traffic takes the whole way: one client has a filter, the queue of another refuses everything, a mark is held at the
gate, and marks are forgotten. So each version of the machine calls every function that it may call, in the versions
that it was deployed with, and no batch is half of each. The way back by the alias is taken while a long batch is under
way: what that calls afterwards is what it began with. Whether one is under way when a deployment moves the alias is
left to chance.

The engine moves an alias at once whatever the preference says: shifting bit by bit, and back by alarm, is AWS's alone.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from threading import Event

import pytest
from click.testing import CliRunner

from local import inspection
from local import stack as deployment
from local.environment import PROGRAMS
from local.guarantees import Evidence, verdicts
from local.marks import TABLE, Item, Mark, put_in_batches
from local.queues import Message, drain, until
from local.session import Session
from mark_event_queue.domain.held import GATE
from meq.__main__ import commands
from tests.builders import DENY_ALL

PAGE = deployment.ROOT / "docs" / "deployments.md"
PARTS = ("template.yaml", "functions", "schemas", "statemachines")
MARKS, LONG = 5, 150
FILTERED, WANTED = "Police", "LockEvent"
REFUSING = "Insurer"
PATIENCE = 240

Called = frozenset[str]
"""Functions, each by the ARN, with a version, that an execution called it by."""


class Traffic:
    """Events that are put without a pause and call every function of the machine, and what came of them."""

    def __init__(self, stack: Session, marks: str) -> None:
        self._stack = stack
        self._name = marks
        self._over = Event()
        self._delivered: dict[str, list[Message]] = {client: [] for client in stack.queues}
        self._earlier = {execution.name for execution in stack.executions.all()}
        self._called: dict[str, Called] = {}
        self.items: list[Item] = []
        """What every client has to get in the end, unless its filter says no."""
        self.at_gate = Mark(f"{marks} gate")
        """The mark that is held at the gate by its first event."""

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Put events for the length of the context; every function is called before it begins and before it ends."""
        with ThreadPoolExecutor(1) as pool:
            putting = pool.submit(self._put)
            try:
                self._until_all_called()
                yield
                self._until_all_called()
            finally:
                self._over.set()
                putting.result()

    def _put(self) -> None:
        """Put the next event of each mark, again and again.

        What is held already is not parked or quarantined again, so each round has a new mark to park and a broken one
        to quarantine, which the next round forgets.
        """
        put_in_batches(self._stack.engine, [_broken(self.at_gate)])
        marks = [self.at_gate, *(Mark(f"{self._name} {number}") for number in range(MARKS))]
        for number in count():
            items = [mark.unlock() if mark.locked else mark.lock() for mark in marks]
            items.append(Mark(f"{self._name} new {number}").lock())
            broken = _broken(Mark(f"{self._name} broken {number}"))
            put_in_batches(self._stack.engine, [*items, broken])
            self.items += items
            over = self._over.wait(1)
            key = {name: broken[name] for name in ("mark", "createTime")}
            self._stack.engine.client("dynamodb").delete_item(TableName=TABLE, Key=key)
            if over:
                return

    def put_long_batch(self) -> set[str]:
        """Put so many events of one mark that to deliver them takes seconds: one by one; return their ids."""
        mark = Mark(f"{self._name} long")
        items = [mark.unlock() if mark.locked else mark.lock() for _ in range(LONG)]
        put_in_batches(self._stack.engine, items)
        self.items += items
        return {item["eventId"]["S"] for item in items}

    def _until_all_called(self) -> None:
        expected = _functions(self._stack, _live(self._stack))
        until(lambda: expected <= frozenset().union(*self.called()), "every function to be called", PATIENCE)

    def called(self) -> list[Called]:
        """Return what each execution that has ended called, oldest first."""
        ended = [one.name for one in self._stack.executions.all() if one.ended and one.name not in self._earlier]
        for name in ended:
            if name not in self._called:
                self._called[name] = _called(self._stack, name)
        return [self._called[name] for name in ended]

    def settle(self) -> None:
        """Wait until every event is in every queue, or waits for its client or at the gate."""
        until(self._has_settled, "every event to be delivered or held", PATIENCE)
        assert self._delivered[REFUSING] == []

    def _has_settled(self) -> bool:
        held = inspection.held(self._stack.engine, self._stack.outputs["ParkedEventsTableName"])
        waiting = {recipient: {event["eventId"] for event in events} for recipient, events in held.items()}
        return all(
            {item["eventId"]["S"] for item in self._wanted(client)}
            <= {message.event_id for message in messages} | waiting.get(client, set()) | waiting.get(GATE, set())
            for client, messages in self._received().items()
        )

    def found_against(self) -> list[object]:
        """Wait until everything is there, and nothing waits; return what speaks against any guarantee."""
        until(self._are_all_there, f"{len(self.items)} events in every queue", PATIENCE)
        of_filtered = {FILTERED: self._delivered[FILTERED]}
        of_others = {client: messages for client, messages in self._delivered.items() if client != FILTERED}
        filtered = Evidence(self._wanted(FILTERED), of_filtered, {}, [])
        others = Evidence(self.items, of_others, {}, [])
        return [one for evidence in (filtered, others) for one in verdicts(evidence) if one.found]

    def _are_all_there(self) -> bool:
        come = all(len(messages) >= len(self._wanted(client)) for client, messages in self._received().items())
        held = inspection.held(self._stack.engine, self._stack.outputs["ParkedEventsTableName"])
        return come and not held and all(one.ended for one in self._stack.executions.all())

    def _received(self) -> dict[str, list[Message]]:
        for client, messages in self._delivered.items():
            messages.extend(drain(self._stack.engine, self._stack.queues[client]))
        return self._delivered

    def _wanted(self, client: str) -> list[Item]:
        return [item for item in self.items if client != FILTERED or item["eventName"]["S"] == WANTED]


def _broken(mark: Mark) -> Item:
    """Return the mark's next event, with a status that the contract does not know."""
    item = mark.lock()
    item["RegistrationNumber"]["M"]["Status"] = {"S": "MARK_LEASED"}
    return item


def _called(stack: Session, execution: str) -> Called:
    tasks = [event.get("taskScheduledEventDetails", {}) for event in stack.executions.history(execution)]
    given = [json.loads(task["parameters"]) for task in tasks if task.get("resourceType") == "lambda"]
    return frozenset(one["FunctionName"] for one in given)


def _turns(called: list[Called]) -> list[Called]:
    """Return the versions of functions that were called together, in the order in which they took turns."""
    turns: list[Called] = []
    for functions in called:
        if not turns or not functions & turns[-1]:
            turns.append(frozenset())
        turns[-1] |= functions
    return turns


def _live(stack: Session) -> str:
    """Return the version of the machine that the alias names."""
    alias = stack.engine.client("stepfunctions").describe_state_machine_alias(
        stateMachineAliasArn=f"{stack.outputs['StateMachineArn']}:live"
    )
    (target,) = alias["routingConfiguration"]
    return str(target["stateMachineVersionArn"])


def _functions(stack: Session, version: str) -> Called:
    """Return every function that a version of the machine may call."""
    machine = stack.engine.client("stepfunctions").describe_state_machine(stateMachineArn=version)
    return frozenset(re.findall(r"arn:aws:lambda:[^\"]+:function:[^\"]+", machine["definition"]))


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


@pytest.fixture
def filtered(stack: Session) -> Iterator[None]:
    """A client gets events of one type alone, until the test is over."""
    _register(stack, {"filter": {"properties": {"eventName": {"const": WANTED}}}})
    yield
    _register(stack, {})


def _register(stack: Session, said: dict[str, object]) -> None:
    name = f"{stack.outputs['ClientsPath']}/{FILTERED}"
    value = json.dumps({"queueUrl": stack.queues[FILTERED]} | said)
    stack.engine.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
    time.sleep(6)  # the converter keeps a registration for 2 s here, the selection for 5


@contextmanager
def _refusing(stack: Session, client: str) -> Iterator[None]:
    """Let a client's queue take nothing for the length of the context."""
    sqs, url = stack.engine.client("sqs"), stack.queues[client]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    former = answer.get("Attributes", {}).get("Policy", "")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": DENY_ALL})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": former})


def _meq(stack: Session, *arguments: str) -> None:
    done = CliRunner(mix_stderr=False).invoke(commands, arguments, obj={"clients": stack.engine})
    assert done.exit_code == 0, (arguments, done.stdout, done.stderr, done.exception)


def _code(stack: Session, functions: Called) -> dict[str, str]:
    """Return the digest of what each of these versions of functions runs, by the function's name."""
    described = [stack.engine.client("lambda").get_function_configuration(FunctionName=one) for one in functions]
    return {one["FunctionName"]: one["CodeSha256"] for one in described}


def _documented(stack: Session) -> tuple[Callable[[], str], Callable[[str], str]]:
    """Return how to list the versions, and how to go back to one, by the commands of the page."""
    blocks: list[str] = re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (block,) = [block for block in blocks if "update-state-machine-alias" in block]
    *looking, moving = block.splitlines()
    # The last command runs alone, and at once, while something is under way: it knows the machine from here.
    own = {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", "machine": stack.outputs["StateMachineArn"]}

    def run(script: str) -> str:
        environment = stack.engine.environment | own
        done = subprocess.run(["/bin/sh", "-ec", script], env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    return lambda: run("\n".join(looking)), lambda number: run(moving.replace("NUMBER", number))


def _move_while_open(stack: Session, traffic: Traffic, move: Callable[[], object]) -> list[str]:
    """Move the alias while a long batch is under way; return the executions that had yet to call functions then."""
    later = {one for one in _functions(stack, _live(stack)) if "SelectFunction" in one or "ParkFunction" in one}
    long = traffic.put_long_batch()

    def under_way() -> set[str]:
        return {one.name for one in stack.executions.all() if not one.ended and len(long & {*one.event_ids}) > LONG / 2}

    until(lambda: bool(under_way()), "the long batch to be under way", PATIENCE)
    before = under_way()
    move()
    return [name for name in before & under_way() if not later & _called(stack, name)]


def _under_traffic(stack: Session, marks: str, deploy: Callable[[Traffic], object]) -> list[Called]:
    """Deploy while events flow, and check that nothing is lost or overtaken; return what was called, turn by turn."""
    traffic = Traffic(stack, marks)
    with _refusing(stack, REFUSING):
        with traffic.flowing():
            deploy(traffic)
        traffic.settle()
    _meq(stack, "discard", "--gate", traffic.at_gate.name, "--reason", "the test is over")
    _meq(stack, "redrive", REFUSING)
    assert traffic.found_against() == []
    return _turns(traffic.called())


def test_a_deployment_under_traffic_and_both_ways_back_lose_and_overtake_nothing(
    stack: Session, changed: Path, filtered: None
):
    """What is under way ends with what it began with; every client gets everything, each mark in order, once."""
    look, move = _documented(stack)

    def deploy_former() -> None:
        deployment.deploy_pipeline(stack.engine, deployment.built())

    with ExitStack() as whatever_happens:
        whatever_happens.callback(deploy_former)
        first = _live(stack)
        turns = _under_traffic(stack, "DEP", lambda _: deployment.deploy_pipeline(stack.engine, changed))
        second = _live(stack)
        former, newer = _functions(stack, first), _functions(stack, second)
        assert turns == [former, newer]
        assert all(re.search(r":function:[^:]+:\d+$", one) for one in former | newer)
        assert not former & newer

        assert second in look()
        number, opened = first.rpartition(":")[2], list[str]()

        def go_back(traffic: Traffic) -> None:
            opened.extend(_move_while_open(stack, traffic, lambda: move(number)))

        assert _under_traffic(stack, "SWI", go_back) == [newer, former]
        ended = {one.name: one.status for one in stack.executions.all() if one.name in opened}
        assert ended == dict.fromkeys(opened, "SUCCEEDED") != {}
        selection = {one for one in newer if "SelectFunction" in one}
        assert all(selection <= _called(stack, name) <= newer for name in opened)

        turns = _under_traffic(stack, "BAC", lambda _: deploy_former())
        again = _functions(stack, _live(stack))
        assert turns == [former, again]
        whatever_happens.pop_all()
    assert not again & (former | newer)
    assert _code(stack, again) == _code(stack, former)
    assert not _code(stack, former).items() & _code(stack, newer).items()
