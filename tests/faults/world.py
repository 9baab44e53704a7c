"""A deployed stack under attack, and the model that knows what each queue and the table must hold.

The attacks come from outside: calls that anybody could make, a killed process, and the faults that
engine_process.py puts between the application and the engine. Whenever the stack is quiet, the model
is held against what the queues really hold.
"""

import json
import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from local import inspection
from local.marks import Item, Mark, put_in_batches
from local.queues import Message, drain, until
from local.session import Session, deployed
from mark_event_queue.domain.events import to_group_id
from meq import redrive

CLIENTS = ("Insurer", "Police")
_DENY_ALL = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}],
    }
)
_QUEUE_SETTINGS = ("FifoQueue", "DeduplicationScope", "FifoThroughputLimit", "SqsManagedSseEnabled", "Policy")


@dataclass
class Tally:
    """What a run did, and what it found."""

    events: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    overtaken: int = 0
    duplicated: int = 0

    def __str__(self) -> str:
        faults = ", ".join(f"{count} x {name}" for name, count in sorted(self.faults.items()))
        return (
            f"events sent {self.events}, faults injected {sum(self.faults.values())} ({faults}): "
            f"lost {self.lost}, overtaken {self.overtaken}, duplicated in the window {self.duplicated}"
        )


@dataclass
class World:
    """The stack, the faults on it, and the model."""

    session: Session
    orders_file: Path
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.orders: dict[str, Any] = {"refused": {}, "unwritable": "no such table", "window": 0}
        self.queue_settings = {client: self._settings(client) for client in CLIENTS}
        self.closed: set[str] = set()
        self.begin()

    def begin(self) -> None:
        """Forget what was; later events are of other marks."""
        self.put: dict[str, list[str]] = defaultdict(list)
        self.rejected: set[str] = set()
        self.repeats = 0
        self.received: dict[str, dict[str, list[str]]] = {client: defaultdict(list) for client in self.queues()}
        self.seen: dict[str, set[tuple[str, int]]] = {client: set() for client in self.queues()}
        self.order()

    def queues(self) -> Sequence[str]:
        """The names under which the session knows the queues that get every event."""
        return list(self.session.queues)

    # -- what happens to the stack -----------------------------------------------------------------

    def order(self, **changes: Any) -> None:
        """Order faults from the engine."""
        self.orders |= changes
        draft = self.orders_file.with_suffix(".draft")
        draft.write_text(json.dumps(self.orders))
        draft.replace(self.orders_file)

    def refuse_marks(self, client: str, marks: Sequence[str]) -> None:
        """Have a client's queue refuse the events of these marks, and no others."""
        self._refuse(client, [to_group_id(mark) for mark in marks])

    def refuse_events(self, client: str, items: Sequence[Item]) -> None:
        """Have a client's queue refuse just these events: it would take the ones behind them."""
        self._refuse(client, [item["eventId"]["S"] for item in items])

    def _refuse(self, client: str, ids: list[str]) -> None:
        self.tally.faults["entries refused"] += bool(ids)
        self.order(refused=self.orders["refused"] | {self.session.queues[client].rsplit("/", 1)[-1]: ids})

    def delete_queue(self, client: str) -> None:
        """Delete a client's queue; what it held has been read."""
        self.tally.faults["queue deleted"] += 1
        self.collect()
        self._sqs.delete_queue(QueueUrl=self.session.queues[client])
        self.closed.add(client)

    def take_access(self, client: str) -> None:
        """Let nobody write to a client's queue."""
        self.tally.faults["access taken"] += 1
        self._sqs.set_queue_attributes(QueueUrl=self.session.queues[client], Attributes={"Policy": _DENY_ALL})

    def heal(self, client: str) -> None:
        """Give a client its queue, access to it and acceptance of every mark back."""
        url = self.session.queues[client]
        if client in self.closed:
            self._sqs.create_queue(QueueName=url.rsplit("/", 1)[-1], Attributes=self.queue_settings[client])
            self.closed.discard(client)
        self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": self.queue_settings[client]["Policy"]})
        self.order(refused=self.orders["refused"] | {url.rsplit("/", 1)[-1]: []})

    def forget_window(self) -> None:
        """Let five minutes pass for the queues, in which they forget what they have had."""
        self.tally.faults["window passed"] += 1
        self.order(window=self.orders["window"] + 1)

    @contextmanager
    def unwritable_table(self) -> Iterator[None]:
        """Have the table of parked events refuse every write."""
        self.tally.faults["table refuses writes"] += 1
        self.order(unwritable=self.session.outputs["ParkedEventsTableName"])
        try:
            yield
        finally:
            self.order(unwritable="no such table")

    def kill_converter(self) -> None:
        """Kill the processes that run the converter, whatever they are doing."""
        for process_id in self._workers(self.session.outputs["ConverterFunctionName"]):
            self.tally.faults["converter killed"] += 1
            os.kill(process_id, signal.SIGKILL)

    # -- what goes through it ----------------------------------------------------------------------

    def events(self, marks: Sequence[Mark], each: int = 1, poison: bool = False) -> list[Item]:
        """The next events of some marks; the last one breaks the contract if it is to be poison."""
        items = [mark.lock() for _ in range(each) for mark in marks]
        for item in items:
            self.put[item["mark"]["S"]].append(item["eventId"]["S"])
        if poison:
            self.tally.faults["poison event"] += 1
            items[-1]["RegistrationNumber"]["M"]["Status"] = {"S": "SOLD"}
            self.rejected.add(items[-1]["eventId"]["S"])
        self.tally.events += len(items)
        return items

    def send(self, items: list[Item]) -> None:
        """Put events into the table and wait until the stack is quiet again."""
        put_in_batches(self.session.engine, items)
        self.settle()

    def send_during(self, items: list[Item], act: Callable[[], object], pause: float = 0.3) -> None:
        """Put events into the table, and do something else while they are on their way."""
        sending = Thread(target=put_in_batches, args=(self.session.engine, items))
        sending.start()
        time.sleep(pause)
        act()
        sending.join()
        self.settle()

    def redeliver(self) -> None:
        """Have the converter handle the whole stream once more, as after a lost answer."""
        self.tally.faults["records delivered twice"] += 1
        answer = self.session.engine.client("lambda").invoke(
            FunctionName=self.session.outputs["ConverterFunctionName"],
            Payload=json.dumps({"Records": self._records()}).encode(),
        )
        told = json.loads(answer["Payload"].read())
        assert told == {"batchItemFailures": []}, told
        self.settle()

    def redrive(self, client: str, at_once: int = 1, stop_after: float | None = None) -> None:
        """Redrive a client's events, several times at once if asked; stop one of them half way if asked."""
        operated = self.session.operated
        asked = redrive.Asked(client)
        started = [redrive.start(operated, asked) for _ in range(at_once)]
        if stop_after is not None:
            self.tally.faults["redrive stopped half way"] += 1
            time.sleep(stop_after)
            machine = self.session.engine.client("stepfunctions")
            if machine.describe_execution(executionArn=started[0])["status"] == "RUNNING":
                machine.stop_execution(executionArn=started[0])
        for arn in started:
            redrive.wait(operated, asked, arn)
        self.settle()

    # -- what has to be true -----------------------------------------------------------------------

    def settle(self) -> None:
        """Wait until everything that was put is in the fan-out queue, and nothing moves any more."""
        wanted = {event_id for ids in self.put.values() for event_id in ids} - self.rejected

        def arrived() -> bool:
            self.collect("fan-out")
            return {one for ids in self.received["fan-out"].values() for one in ids} == wanted

        until(arrived, "every valid event to be in the fan-out queue", 120)
        until(self._quiet, "the executions to end", 120)

    def check(self) -> None:
        """Hold the model against the queues: a prefix of each mark's events received, the rest parked."""
        self.collect()
        for client in self.queues():
            self._check_client(client)
        assert (self.tally.lost, self.tally.overtaken, self.tally.duplicated) == (0, 0, 0), str(self.tally)

    def check_all_received(self) -> None:
        """After everything was healed and redriven: every client has everything."""
        self.check()
        for client in self.queues():
            assert self._valid_by_mark() == {mark: ids for mark, ids in self.received[client].items() if ids}, client

    def collect(self, *queues: str) -> None:
        """Read what is in the queues into the model."""
        for client in queues or self.queues():
            if client not in self.closed:
                for message in drain(self.session.engine, self.session.queues[client]):
                    self._receive(client, message)

    def _receive(self, client: str, message: Message) -> None:
        event = message.event
        got = self.received[client][event["mark"]]
        place = (message.event_id, self.orders["window"])
        if place in self.seen[client]:
            self.tally.duplicated += 1
        self.seen[client].add(place)
        if message.event_id in got:
            self.repeats += 1
        else:
            got.append(message.event_id)

    def _check_client(self, client: str) -> None:
        parked = self._parked(client)
        for mark, expected in self._valid_by_mark().items():
            got, waiting = self.received[client][mark], parked.get(to_group_id(mark), [])
            self.tally.overtaken += got != expected[: len(got)]
            unsent = [event_id for event_id in expected if event_id not in got]
            # Parked may be what was delivered as well: sent, and the redrive killed before it could forget it.
            self.tally.lost += [event_id for event_id in waiting if event_id not in got] != unsent

    def _valid_by_mark(self) -> dict[str, list[str]]:
        valid = {mark: [one for one in ids if one not in self.rejected] for mark, ids in self.put.items()}
        return {mark: ids for mark, ids in valid.items() if ids}

    def _parked(self, client: str) -> dict[str, list[str]]:
        by_group: dict[str, list[str]] = defaultdict(list)
        table = self.session.outputs["ParkedEventsTableName"]
        for event in inspection.held(self.session.engine, table).get(client, []):
            by_group[event["groupId"]].append(event["eventId"])
        return by_group

    def _quiet(self) -> bool:
        before = self._snapshot()
        time.sleep(0.6 if not self.tally.faults["converter killed"] else 2.5)  # a failed batch comes again after 1 s
        return all(status != "RUNNING" for status in before.values()) and self._snapshot() == before

    def _snapshot(self) -> dict[str, str]:
        executions = self.session.executions.all()
        return {execution.name: execution.status for execution in executions}

    def _records(self) -> list[dict[str, Any]]:
        stream = self.session.engine.client("dynamodbstreams")
        (described,) = stream.list_streams(TableName="RegistrationNumberEvent")["Streams"]
        arn = described["StreamArn"]
        records: list[dict[str, Any]] = []
        for shard in stream.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            iterator = stream.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while iterator:
                page = stream.get_records(ShardIterator=iterator)
                records += page["Records"]
                iterator = page.get("NextShardIterator") if page["Records"] else None
        mine = [record for record in records if record["dynamodb"]["Keys"]["mark"]["S"] in self.put]
        return json.loads(json.dumps(mine, default=str))  # type: ignore[no-any-return]

    def _workers(self, function_name: str) -> list[int]:
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and _parent(folder) == self.session.engine.process_id:
                environment = (folder / "environ").read_bytes().split(b"\0")
                if f"AWS_LAMBDA_FUNCTION_NAME={function_name}".encode() in environment:
                    found.append(int(folder.name))
        return found

    def _settings(self, client: str) -> dict[str, str]:
        url = self.session.queues[client]
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return {name: attributes[name] for name in _QUEUE_SETTINGS}

    @property
    def _sqs(self) -> Any:
        return self.session.engine.client("sqs")


@contextmanager
def attacked() -> Iterator[World]:
    """Deploy a stack whose engine takes orders for faults."""
    with TemporaryDirectory(prefix="mark-event-queue-") as folder:
        orders = Path(folder) / "orders.json"
        orders.write_text(json.dumps({"refused": {}, "unwritable": "no such table", "window": 0}))
        with deployed(*CLIENTS, module="tests.faults.engine_process", FAULTS=str(orders)) as session:
            yield World(session, orders)


def _parent(folder: Path) -> int:
    try:
        return int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0
