"""A deployed stack under attack, and the model that knows what each queue and the table must hold.

The attacks come from outside: calls that anybody could make, a killed process, and the faults that
engine_process.py puts between the application and the engine. They do not wait for one another: events
are put, redrives started and queues deleted while earlier ones are on their way. What a queue holds can
be held against the model at any time: first deliveries of a mark come in the order in which they were
put. That nothing was lost is seen when the stack is quiet: the stream has been handled to its end, and
no execution runs, not even one that was stopped.
"""

import json
import os
import signal
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from local import inspection
from local.marks import Item, Mark, put_in_batches
from local.queues import drain, until
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
NOTHING_WRONG: dict[str, Any] = {"refused": {}, "unwritable": "no such table", "window": 0}
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
    folder: Path
    """Where the engine takes orders and tells what it does: see engine_process.py."""
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.orders = dict(NOTHING_WRONG)
        self.queue_settings = {client: self._settings(client) for client in CLIENTS}
        self.closed: set[str] = set()
        self.deletions: Counter[str] = Counter()
        self.written = self.written_before = 0
        self.redrives: list[str] = []
        self.stream: dict[str, str] = {}
        self.begin()

    def begin(self) -> None:
        """Forget what was; later events are of other marks."""
        self.put: dict[str, list[str]] = defaultdict(list)
        self.rejected: set[str] = set()
        self.records: list[dict[str, Any]] = []
        self.repeats = 0
        self.received: dict[str, dict[str, list[str]]] = {client: defaultdict(list) for client in self.queues()}
        self.seen: dict[str, set[tuple[str, int, int]]] = {client: set() for client in self.queues()}
        self.order()

    def queues(self) -> Sequence[str]:
        """The names under which the session knows the queues that get every event."""
        return list(self.session.queues)

    # -- what happens to the stack -----------------------------------------------------------------

    def order(self, **changes: Any) -> None:
        """Order faults from the engine."""
        self.orders |= changes
        draft = self.folder / "orders.draft"
        draft.write_text(json.dumps(self.orders))
        draft.replace(self.folder / "orders.json")

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
        """Delete a client's queue; what it held is read first, and what came meanwhile is read afterwards."""
        self.tally.faults["queue deleted"] += 1
        self.collect(client)
        self._sqs.delete_queue(QueueUrl=self.session.queues[client])
        for line in (self.folder / "left.jsonl").read_text().splitlines():
            left = json.loads(line)
            self._receive(client, json.loads(left["body"]), int(left["sent"]))
        (self.folder / "left.jsonl").write_text("")
        self.closed.add(client)
        self.deletions[client] += 1

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

    def refuse_writes(self) -> None:
        """Have the table of parked events refuse every write."""
        self.tally.faults["table refuses writes"] += 1
        self.order(unwritable=self.session.outputs["ParkedEventsTableName"])

    def allow_writes(self) -> None:
        """Have the table of parked events take writes again."""
        self.order(unwritable=NOTHING_WRONG["unwritable"])

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

    def write(self, items: list[Item]) -> None:
        """Put events into the table."""
        put_in_batches(self.session.engine, items)
        self.written += len(items)

    def keep_up(self) -> None:
        """Wait until what was put before the latest step was handled, but not for long: a fault may hold it up."""
        wanted, self.written_before = self.written_before, self.written
        with suppress(TimeoutError):
            until(lambda: self._progress()["handled"] >= wanted, "the stream to keep up", seconds=1)

    def send(self, items: list[Item]) -> None:
        """Put events into the table and wait until the stack is quiet again."""
        self.write(items)
        self.settle()

    def redeliver(self) -> None:
        """Have the converter handle the whole stream once more, as after a lost answer."""
        self.tally.faults["records delivered twice"] += 1
        self.allow_writes()
        until(self._is_handled, "the converter to handle every record", 120)
        answer = self.session.engine.client("lambda").invoke(
            FunctionName=self.session.outputs["ConverterFunctionName"],
            Payload=json.dumps({"Records": self._records()}).encode(),
        )
        told = json.loads(answer["Payload"].read())
        assert told == {"batchItemFailures": []}, told

    def start_redrives(self, client: str, at_once: int = 1) -> None:
        """Start redrives of a client's events."""
        self.redrives += [redrive.start(self.session.operated, redrive.Asked(client)) for _ in range(at_once)]

    def stop_redrive(self) -> None:
        """Stop the latest of the redrives, whatever it is doing."""
        machine, arn = self.session.engine.client("stepfunctions"), self.redrives[-1]
        if machine.describe_execution(executionArn=arn)["status"] == "RUNNING":
            self.tally.faults["redrive stopped half way"] += 1
            with suppress(machine.exceptions.ClientError):  # it has ended meanwhile
                machine.stop_execution(executionArn=arn)

    def redrive(self, *clients: str, at_once: int = 1) -> None:
        """Redrive events of clients, several times at once if asked, and wait until the stack is quiet again."""
        for client in clients:
            self.start_redrives(client, at_once)
        self.settle()

    def mend(self) -> None:
        """Make everything as it should be, and have everybody get what waits for them."""
        self.allow_writes()
        for client in CLIENTS:
            self.heal(client)
        self.settle()
        self.redrive(*(client for client in CLIENTS if client in self._parked()))

    # -- what has to be true -----------------------------------------------------------------------

    def settle(self) -> None:
        """Wait until every record has been handled, and nothing moves any more."""
        self.allow_writes()
        until(self._is_quiet, "the stack to be quiet", 120)
        self.redrives.clear()

    def check(self) -> None:
        """Hold the model against the queues: a prefix of each mark's events received, the rest parked."""
        self.collect()
        parked = self._parked()
        for client in self.queues():
            self._check_client(client, parked[client])
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
                    self._receive(client, message.event, message.sent)

    def _receive(self, client: str, event: dict[str, Any], sent: int) -> None:
        event_id, got = event["eventId"], self.received[client][event["mark"]]
        place = (event_id, bisect(self._windows(), sent), self.deletions[client])
        self.tally.duplicated += place in self.seen[client]
        self.seen[client].add(place)
        if event_id in got:
            self.repeats += 1
        else:
            got.append(event_id)

    def _check_client(self, client: str, parked: dict[str, list[str]]) -> None:
        for mark, expected in self._valid_by_mark().items():
            got, waiting = self.received[client][mark], parked.get(to_group_id(mark), [])
            self.tally.overtaken += got != expected[: len(got)]
            unsent = [event_id for event_id in expected if event_id not in got]
            # Parked may be what was delivered as well: sent, and the redrive killed before it could forget it.
            self.tally.lost += [event_id for event_id in waiting if event_id not in got] != unsent

    def _valid_by_mark(self) -> dict[str, list[str]]:
        valid = {mark: [one for one in ids if one not in self.rejected] for mark, ids in self.put.items()}
        return {mark: ids for mark, ids in valid.items() if ids}

    def _parked(self) -> dict[str, dict[str, list[str]]]:
        """What waits in the table: ids of events by client and group, in order."""
        by_client: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        table = self.session.outputs["ParkedEventsTableName"]
        for client, events in inspection.held(self.session.engine, table).items():
            for event in events:
                by_client[client][event["groupId"]].append(event["eventId"])
        return by_client

    def _is_handled(self) -> bool:
        return self._progress()["handled"] == self.written

    def _is_quiet(self) -> bool:
        # A redrive that was just started may not run yet. The stream comes first: what it starts ends before it.
        machine = self.session.engine.client("stepfunctions")
        while self.redrives and machine.describe_execution(executionArn=self.redrives[0])["status"] != "RUNNING":
            self.redrives.pop(0)
        return not self.redrives and self._progress() == {"handled": self.written, "running": 0}

    def _progress(self) -> dict[str, int]:
        progress: dict[str, int] = json.loads((self.folder / "progress.json").read_text())
        return progress

    def _windows(self) -> list[int]:
        return [int(line) for line in (self.folder / "windows.txt").read_text().splitlines()]

    def _records(self) -> list[dict[str, Any]]:
        """Return the stream's records of the marks; what was read before is not read again."""
        streams = self.session.engine.client("dynamodbstreams")
        (described,) = streams.list_streams(TableName="RegistrationNumberEvent")["Streams"]
        arn = described["StreamArn"]
        for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            iterator = (
                self.stream.get(shard["ShardId"])
                or streams.get_shard_iterator(
                    StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
                )["ShardIterator"]
            )
            while (page := streams.get_records(ShardIterator=iterator))["Records"]:
                self.records += json.loads(json.dumps(page["Records"], default=str))
                iterator = page["NextShardIterator"]
            self.stream[shard["ShardId"]] = iterator
        return [record for record in self.records if record["dynamodb"]["Keys"]["mark"]["S"] in self.put]

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
    with TemporaryDirectory(prefix="mark-event-queue-") as name:
        folder = Path(name)
        (folder / "orders.json").write_text(json.dumps(NOTHING_WRONG))
        (folder / "progress.json").write_text(json.dumps({"handled": 0, "running": 0}))
        for empty in ("windows.txt", "left.jsonl"):
            (folder / empty).touch()
        with deployed(*CLIENTS, module="tests.faults.engine_process", FAULTS=str(folder)) as session:
            yield World(session, folder)


def _parent(folder: Path) -> int:
    try:
        return int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0
