"""Proves that a client that joins late gets the past and the present once and in order, whatever fails meanwhile.

What happens is drawn by a seeded random number. The engine's waits are shortened here, so the test itself waits until
every function knows the client. What the client makes of its queue is held against examples/consumer.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from local.marks import Mark
from local.queues import Message, drain, until
from mark_consumer.consumer import Verdict
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.history import Progress
from meq.histories import Histories
from tests.builders import DENY_ALL
from tests.client_view import ClientView
from tests.faults.world import World

STEPS = 12
_BETWEEN_STEPS_SECONDS = 0.7


class Joiner:
    """A client that registers while the stack is at work, and what is done to it."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        engine = world.session.engine
        self._sqs, self._machine, self._ssm = (engine.client(of) for of in ("sqs", "stepfunctions", "ssm"))
        self.url: str = self._sqs.create_queue(
            QueueName=f"MarkFanOutClient{name}.fifo",
            Attributes={"FifoQueue": "true", "DeduplicationScope": "messageGroup"},
        )["QueueUrl"]
        self._parameter = f"{world.session.outputs['ClientsPath']}/{name}"
        self.execution = ""

    def register(self) -> None:
        """Register, and wait until every function knows."""
        value = json.dumps({"queueUrl": self.url, "from": "beginning"})
        self._ssm.put_parameter(Name=self._parameter, Value=value, Type="String")
        time.sleep(3)

    def leave(self) -> None:
        """Unregister, and take the queue away."""
        self._ssm.delete_parameters(Names=[self._parameter])
        time.sleep(3)
        self._sqs.delete_queue(QueueUrl=self.url)

    def start(self) -> None:
        """Start the history, or go on with it."""
        self.execution = self._machine.start_execution(
            stateMachineArn=self.world.session.outputs["HistoryStateMachineArn"],
            input=json.dumps({"client": self.name, "segments": 3}),
        )["executionArn"]

    def stop(self) -> None:
        """Stop the history, whatever it is doing, and start it again, unless it is over."""
        if self.status() == "RUNNING":
            self._machine.stop_execution(executionArn=self.execution)
            self.start()

    def take_access(self) -> None:
        """Let nobody write to the queue."""
        self._sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": DENY_ALL})

    def give_access(self) -> None:
        """Let everybody write to the queue again."""
        self._sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": ""})

    def status(self) -> str:
        """Return how the history stands."""
        return str(self._machine.describe_execution(executionArn=self.execution)["status"])

    def has_history(self) -> bool:
        """Tell whether all of the past has been sent; an execution may have failed later, at the redrive."""
        far = Histories(self.world.session.operated).progress(self.name)
        return far is not None and far.progress == Progress.DONE

    def finish(self) -> None:
        """Let the history come to its end, and what is still held come behind it."""
        self.give_access()
        self.world.take_back()
        until(lambda: self.status() != "RUNNING", "the history to end", 120)
        if not self.has_history():
            self.start()
            until(lambda: self.status() != "RUNNING", "the history to end", 120)
        assert self.has_history()
        self.world.settle()
        self.world.redrive(self.name)

    def got(self) -> list[Message]:
        """Take everything out of the queue."""
        return drain(self.world.session.engine, self.url)


@pytest.mark.parametrize("seed", [1, 5, 6])
def test_a_late_joiner_gets_everything_once_and_in_order_whatever_fails(world: World, seed: int):
    """Access taken, the history stopped, table and calls failing, executions lost, while events keep coming."""
    random = Random(seed)  # noqa: S311 (a draw that can be repeated)
    world.begin()
    now = datetime.now(UTC) - timedelta(minutes=10)
    lives = [Mark(f"J{seed}N{number}", begin=now + timedelta(seconds=number)) for number in range(15)]
    world.send(world.events(lives, each=4))
    joiner = Joiner(world, f"Joiner{seed}")
    joiner.register()
    joiner.start()
    steps: list[Callable[[], None]] = [
        joiner.stop,
        joiner.take_access,
        joiner.give_access,
        lambda: world.fail_next("failed write", "table", random.randint(1, 4)),
        lambda: world.fail_next("failed read", "table", random.randint(1, 4)),
        lambda: world.fail_next("answer lost", "machine", 1),
        lambda: world.fail_next("throttled function", "Select", 2),
    ]
    for _ in range(STEPS):
        world.write(world.events(random.sample(lives, 5)))
        random.choice(steps)()
        time.sleep(_BETWEEN_STEPS_SECONDS)
    joiner.finish()
    world.send(world.events(lives))
    # The table also has the marks of earlier tests, which are history like any other.
    messages = [message for message in joiner.got() if message.event["mark"] in world.put]
    joiner.leave()

    wanted = {mark: list(range(1, len(ids) + 1)) for mark, ids in world.put.items()}
    got: dict[str, list[int]] = defaultdict(list)
    for message in messages:
        got[message.event["mark"]].append(int(message.event["RegistrationNumber"]["version"]))
    assert dict(got) == wanted
    assert {"history" in message.attributes for message in messages} == {True, False}
    view = ClientView()
    for start in range(0, len(messages), 10):
        repeated = random.sample(messages[:start], min(5, start))
        assert view.consume([*repeated, *messages[start : start + 10]]) == []
    assert view.verdicts[Verdict.TAKEN_IN] == len(messages)
    kept = {mark: view.store.mark(to_group_id(mark)).version for mark in wanted}
    assert kept == {mark: versions[-1] for mark, versions in wanted.items()}
    world.check_all_received()
