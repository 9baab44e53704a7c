"""The deployed stack under measurement: clients by number, batches of a known make, and the calls that they took."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from local.engine import Engine
from local.marks import Item, put_in_batches
from local.queues import until
from local.session import Session, deployed
from local.stack import STACK

_SECONDS = 300


class Calls(NamedTuple):
    """What was asked of AWS's services, by call (`sqs:SendMessageBatch`), and how long functions ran."""

    by_call: Counter[str]
    seconds_by_function: dict[str, list[float]]

    @property
    def queue_calls(self) -> int:
        """Calls of SQS."""
        return sum(number for call, number in self.by_call.items() if call.startswith("sqs:"))

    @property
    def invocations(self) -> int:
        """Invocations of functions, by whomever."""
        return self.by_call["lambda:Invocation"]

    def seconds_of(self, function: str) -> float:
        """Return how long functions ran whose name holds this."""
        return sum(sum(seconds) for name, seconds in self.seconds_by_function.items() if function in name)

    @property
    def total(self) -> int:
        """Calls of any service; an invocation by a poller is none, one by a state machine is."""
        return sum(self.by_call.values()) - self.invocations


class StateSize(NamedTuple):
    """A state, or an iteration of a Map, that an execution went through: its bytes, and what of them JSON escapes."""

    kind: str
    name: str
    input: int
    output: int
    escapes: int


@dataclass
class Rig:
    """A deployed stack whose calls are written down."""

    session: Session
    calls_file: Path
    states_file: Path
    _offset: int = 0
    _executions: set[str] = field(default_factory=set)

    @property
    def engine(self) -> Engine:
        """The engine that it runs on."""
        return self.session.engine

    def function_name(self, logical_id: str) -> str:
        """Return the physical name of a function of the stack."""
        resource = self.engine.client("cloudformation").describe_stack_resource(
            StackName=STACK, LogicalResourceId=logical_id
        )
        name: str = resource["StackResourceDetail"]["PhysicalResourceId"]
        return name

    def have_clients(self, number: int) -> None:
        """Subscribe or unsubscribe clients until there are so many, and let the converter know at once."""
        sqs, ssm = self.engine.client("sqs"), self.engine.client("ssm")
        path = self.session.outputs["ClientsPath"]
        present = {name for name in self.session.queues if name != "fan-out"}
        wanted = {"original", *(f"Bench{n}" for n in range(1, number))}
        for name in wanted - present:
            attributes = {"FifoQueue": "true", "DeduplicationScope": "messageGroup"}
            url = sqs.create_queue(QueueName=f"MarkFanOutClient{name}.fifo", Attributes=attributes)["QueueUrl"]
            ssm.put_parameter(Name=f"{path}/{name}", Type="String", Value=json.dumps({"queueUrl": url}))
            self.session.queues[name] = url
        for name in present - wanted:
            ssm.delete_parameter(Name=f"{path}/{name}")
            sqs.delete_queue(QueueUrl=self.session.queues.pop(name))
        self.session.forget_registrations()

    def enable(self, function_name: str, enabled: bool) -> None:
        """Let the poller of a function's source run, or wait."""
        functions = self.engine.client("lambda")
        (mapping,) = functions.list_event_source_mappings(FunctionName=function_name)["EventSourceMappings"]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)

    def deliver_at_once(self, items: Sequence[Item]) -> None:
        """Put events into the table, then let the stream go, and wait until all have been handled."""
        converter = self.function_name("ConverterFunction")
        self.enable(converter, False)
        put_in_batches(self.engine, items)
        expected = self.session.executions.handled() + len(items)
        self.enable(converter, True)
        until(lambda: self.session.executions.handled() >= expected, f"{len(items)} events to be handled", _SECONDS)

    def let_calls_end(self) -> None:
        """Wait until for a second no call is made: a poller still deletes the last message that was delivered."""
        size = -1
        while size != (size := self.calls_file.stat().st_size):
            time.sleep(1)

    def take_calls(self) -> Calls:
        """Return the calls since this was last asked."""
        with self.calls_file.open(encoding="utf-8") as calls:
            calls.seek(self._offset)
            taken = [json.loads(line) for line in calls]
            self._offset = calls.tell()
        by_call = Counter(call["call"] for call in taken)
        seconds: dict[str, list[float]] = {}
        for call in taken:
            if call["call"] == "lambda:Invocation":
                seconds.setdefault(call["name"], []).append(call["seconds"])
        return Calls(by_call, seconds)

    def states_of(self, work: Callable[[], object]) -> list[StateSize]:
        """Do some work and return the states that it went through, with the bytes that entered and left each."""
        self.states_file.touch()
        work()
        with self.states_file.open(encoding="utf-8") as states:
            sizes = [StateSize(**json.loads(line)) for line in states]
        self.states_file.unlink()
        return sizes

    def take_histories(self) -> list[list[dict[str, Any]]]:
        """Return the histories of the executions since this was last asked, oldest first."""
        fresh = [one.name for one in self.session.executions.all() if one.name not in self._executions]
        self._executions.update(fresh)
        return [self.session.executions.history(name) for name in fresh]


@contextmanager
def rig() -> Iterator[Rig]:
    """Run the stack under measurement for the length of the context."""
    with tempfile.TemporaryDirectory(prefix="mark-event-queue-") as folder:
        calls_file = Path(folder) / "calls.jsonl"
        calls_file.touch()
        states_file = Path(folder) / "states.jsonl"
        with deployed(module="bench.engine_process", CALLS=str(calls_file), STATES=str(states_file)) as session:
            events = session.engine.client("events")
            for rule in events.list_rules()["Rules"]:
                events.disable_rule(Name=rule["Name"])  # the survey's calls are none of a batch
            yield Rig(session, calls_file, states_file)
