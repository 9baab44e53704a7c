"""A deployed stack under attack, and the model that knows what each queue and the table must hold.

The attacks come from outside: calls that anybody could make, a killed process, and the faults that
engine_process.py puts between the application and the engine. They do not wait for one another: events
are put, redrives started and queues deleted while earlier ones are on their way. What a queue holds can
be held against the model at any time: first deliveries of a mark come in the order in which they were
put, and none behind an event that no contract has allowed. That nothing was lost is seen when the stack
is quiet: the stream has been handled to its end, and no execution runs, not even one that was stopped.
Then each event has been delivered, is parked for the client, is held at the gate, or was discarded, on
record, because somebody had asked for it.

A fault is counted when it has met something, once, however many calls it has failed: a queue that refuses marks
is one fault from its first refusal to the last, and none if no event of the marks comes. What engine_process.py
puts in the way, it tells so itself. A killed function counts when an invocation dies of it, a stopped redrive when
it was running, an event that breaks the contract, and records that come twice, when they are put.

A contract changes as by a deployment, but for the build: the wider schemas are published once, as a
further version of the real layer, and the real validator is switched from one version to the other.
"""

import io
import json
import os
import signal
import zipfile
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from local import inspection
from local.marks import Item, Mark, put_in_batches
from local.queues import drain, until
from local.session import Session, deployed
from local.stack import SCHEMAS, STACK, go_live
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.held import GATE
from tests.builders import DENY_ALL

MENDABLE = "MARK_LEASED"
"""A status that the published contract does not know, and the mended one does."""
HOPELESS = "SOLD"
"""A status that no contract knows."""

CLIENTS = ("Insurer", "Police")
FUNCTIONS = ("Converter", "Validator", "Gate", "Select", "Park", "Redrive", "Release")
PASSING = (
    *((kind, name) for kind in ("throttled call", "failed call", "failed entry") for name in (*CLIENTS, "fan-out")),
    *(("throttled function", name) for name in FUNCTIONS if name != "Converter"),
    *((kind, "machine") for kind in ("execution not started", "answer lost")),
    *((kind, "table") for kind in ("failed write", "failed read")),
    *(("kill", name) for name in ("Validator", "Park")),
)
"""Faults that pass of themselves: the next calls of a kind fail. Of each its kind, and where it is.

The queue of the original client is left alone: the engine takes a function's session for its role, so that the
queue's policy would refuse a redrive there.
"""
Held = defaultdict[str, defaultdict[str, list[str]]]
_QUEUE_SETTINGS = ("FifoQueue", "DeduplicationScope", "FifoThroughputLimit", "SqsManagedSseEnabled", "Policy")


@dataclass
class Tally:
    """What a run did, and what it found."""

    events: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    contracts: int = 0
    redrives: int = 0
    releases: int = 0
    discards: int = 0
    lost: int = 0
    overtaken: int = 0
    duplicated: int = 0
    withheld: int = 0
    problems: list[str] = field(default_factory=list)
    """What was found, one by one, in the order in which it was."""

    @property
    def clean(self) -> bool:
        """Whether no guarantee was found broken."""
        return not (self.lost or self.overtaken or self.duplicated or self.withheld)

    def __str__(self) -> str:
        faults = ", ".join(f"{count} x {name}" for name, count in sorted(self.faults.items()))
        return (
            f"events sent {self.events}, faults injected {sum(self.faults.values())} ({faults}), "
            f"contract changes {self.contracts}, redrives {self.redrives}, releases {self.releases}, "
            f"discards {self.discards}: lost {self.lost}, overtaken {self.overtaken}, "
            f"duplicated in the window {self.duplicated}, held without cause {self.withheld}"
        )


@dataclass
class World:
    """The stack, the faults on it, and the model."""

    session: Session
    folder: Path
    """Where the engine takes orders and tells what it does: see engine_process.py."""
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.ordered = self.told_met = 0
        self.queue_settings = {client: self._settings(client) for client in CLIENTS}
        self.closed: set[str] = set()
        self.deletions: Counter[str] = Counter()
        self.written = self.written_before = 0
        self.redrives: list[str] = []
        self.stream: dict[str, str] = {}
        self.functions = {name: self._physical(f"{name}Function") for name in FUNCTIONS}
        self.published, self.mended = self._layers()
        self.is_mended = False
        self.begin()

    def begin(self) -> None:
        """Forget what was; later events are of other marks."""
        self.put: dict[str, list[str]] = defaultdict(list)
        self.broken: dict[str, str] = {}
        self.breakable: set[str] = set()
        self.allowed: set[str] = set()
        self.asked: dict[tuple[str, str], float] = defaultdict(float)
        self.records: list[dict[str, Any]] = []
        self.repeats = 0
        self.received: dict[str, dict[str, list[str]]] = {client: defaultdict(list) for client in self.queues()}
        self.seen: dict[str, set[tuple[str, int, int]]] = {client: set() for client in self.queues()}
        self.take_back()
        self.deploy_contract(mended=False)

    def queues(self) -> Sequence[str]:
        """The names under which the session knows the queues that get every event."""
        return list(self.session.queues)

    # -- what happens to the stack -----------------------------------------------------------------

    def order(self, kind: str, target: str, name: str, *, times: int | None = None, **more: Any) -> None:
        """Order a fault from the engine: the next times that something is there for it, or until it is taken back."""
        self.ordered += 1
        fault = {"number": self.ordered, "kind": kind, "target": target, "name": name, "times": times, "ids": []}
        self._give_orders([*self.orders, fault | more])

    def take_back(self, *kinds: str, target: str | None = None) -> None:
        """Take orders back: all, or those of some kinds, at a target or anywhere."""
        self._give_orders(
            [
                one
                for one in self.orders
                if (kinds and one["kind"] not in kinds) or (target is not None and one["target"] != target)
            ]
        )

    def _give_orders(self, orders: list[dict[str, Any]]) -> None:
        self.orders = orders
        draft = self.folder / "orders.draft"
        draft.write_text(json.dumps(self.orders))
        draft.replace(self.folder / "orders.json")

    def fail_next(self, kind: str, where: str, times: int, after: float = 0) -> None:
        """Have the next calls of a kind fail, or a function die so many seconds after it was called."""
        if where in self.functions:
            target, name = self.functions[where], self._killed(where) if kind == "kill" else kind
        elif where in self.session.queues:
            target, name = self._queue_name(where), kind
        else:
            target, name = {"table": self._table, "machine": self.session.outputs["StateMachineArn"]}[where], kind
        self.order(kind, target, name, times=times, after=after)

    def refuse_marks(self, client: str, marks: Sequence[str]) -> None:
        """Have a client's queue refuse the events of these marks, and no others."""
        self._refuse(client, [to_group_id(mark) for mark in marks])

    def refuse_events(self, client: str, items: Sequence[Item]) -> None:
        """Have a client's queue refuse just these events: it would take the ones behind them."""
        self._refuse(client, [item["eventId"]["S"] for item in items])

    def _refuse(self, client: str, ids: list[str]) -> None:
        self.take_back("failed entry", target=self._queue_name(client))
        if ids:
            self.order("failed entry", self._queue_name(client), "entries refused", ids=ids)

    def delete_queue(self, client: str) -> None:
        """Delete a client's queue; what it held is read first, and what came meanwhile is read afterwards."""
        self.order("queue deleted", self._queue_name(client), "queue deleted")
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
        self.order("access taken", self._queue_name(client), "access taken")
        self._sqs.set_queue_attributes(QueueUrl=self.session.queues[client], Attributes={"Policy": DENY_ALL})

    def heal(self, client: str) -> None:
        """Give a client its queue, access to it and acceptance of every mark back."""
        url = self.session.queues[client]
        if client in self.closed:
            self._sqs.create_queue(QueueName=url.rsplit("/", 1)[-1], Attributes=self.queue_settings[client])
            self.closed.discard(client)
        self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": self.queue_settings[client]["Policy"]})
        self.take_back("failed entry", "queue deleted", "access taken", target=self._queue_name(client))

    def forget_window(self) -> None:
        """Let five minutes pass for the queues, in which they forget what they have had."""
        self.order("window", "", "window passed", times=1)

    def refuse_writes(self) -> None:
        """Have the table of what waits refuse every write."""
        self.order("failed write", self._table, "table refuses writes")

    def allow_writes(self) -> None:
        """Have the table of what waits take writes again."""
        self.take_back("failed write")

    def kill(self, function: str) -> None:
        """Kill the processes that run a function, whatever they are doing."""
        for process_id in self._workers(self.functions[function]):
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(process_id, signal.SIGKILL)

    def deploy_contract(self, mended: bool) -> None:
        """Have the validator judge by the published contract, or by the mended one."""
        if mended == self.is_mended:
            return
        self.tally.contracts += 1
        mendable = {event_id for event_id, status in self.broken.items() if status == MENDABLE}
        # From the call on either may judge what is on its way.
        if mended:
            self.allowed |= mendable
        else:
            self.breakable |= mendable
        self.is_mended = mended
        self.session.engine.client("lambda").update_function_configuration(
            FunctionName=self.functions["Validator"], Layers=[self.mended if mended else self.published]
        )
        go_live(self.session.engine, self.session.outputs["StateMachineArn"], self.functions["Validator"])

    # -- what goes through it ----------------------------------------------------------------------

    def events(self, marks: Sequence[Mark], each: int = 1, padding: int = 0) -> list[Item]:
        """The next events of some marks; with so many bytes of padding, for batches that run side by side."""
        items = [mark.lock() for _ in range(each) for mark in marks]
        for item in items:
            self.put[item["mark"]["S"]].append(item["eventId"]["S"])
            if padding:
                item["padding"] = {"S": "x" * padding}
        self.tally.events += len(items)
        return items

    def poison(self, item: Item, status: str = HOPELESS) -> None:
        """Have an event that was not written yet break the contract."""
        self.tally.faults["poison event"] += 1
        item["RegistrationNumber"]["M"]["Status"] = {"S": status}
        event_id = item["eventId"]["S"]
        self.broken[event_id] = status
        if status == MENDABLE and self.is_mended:
            self.allowed.add(event_id)
        else:
            self.breakable.add(event_id)

    def write(self, items: list[Item]) -> None:
        """Put events into the table."""
        put_in_batches(self.session.engine, items)
        self.written += len(items)

    def keep_up(self) -> None:
        """Wait until what was put before the latest step was handled, but not for long: a fault may hold it up."""
        wanted, self.written_before = self.written_before, self.written
        with suppress(TimeoutError):
            until(lambda: self._progress()["handled"] >= wanted, "the stream to keep up", seconds=0.4)

    def let_handle(self) -> None:
        """Wait until everything that was put was handled, and a fault has met it, but not for ever."""
        with suppress(TimeoutError):
            until(self._is_handled, "the stream to be handled", seconds=3)

    def send(self, items: list[Item]) -> None:
        """Put events into the table and wait until the stack is quiet again."""
        self.write(items)
        self.settle()

    def redeliver(self) -> None:
        """Have the converter handle the whole stream once more, as after a lost answer, and until it has."""
        self.tally.faults["records delivered twice"] += 1
        self.allow_writes()
        until(self._is_handled, "the converter to handle every record", 120)
        batch = json.dumps({"Records": self._records()}).encode()
        until(lambda: self._handles(batch), "the converter to handle every record again", 120)

    def start_redrives(self, recipient: str, at_once: int = 1) -> None:
        """Start redrives of a client's events, or releases of those at the gate."""
        if recipient == GATE:
            self.tally.releases += at_once
        else:
            self.tally.redrives += at_once
        for _ in range(at_once):
            self._start(recipient)

    def start_discard(self, recipient: str, mark: str, everything: bool = False) -> None:
        """Start giving up the first of a mark's held events, or all of them; the followers go on."""
        self.tally.discards += 1
        self.asked[recipient, mark] += inf if everything else 1
        self._start(recipient, mark=mark, action="discard", all=everything, reason="a test", by="a test")

    def held(self, recipient: str) -> dict[str, list[str]]:
        """The ids of the events that are held for a client, or at the gate, by mark and in order."""
        held = self._held()[recipient]
        return {mark: held[to_group_id(mark)] for mark in self.put if to_group_id(mark) in held}

    def stop_redrive(self) -> None:
        """Stop the latest of the redrives, whatever it is doing."""
        machine, arn = self.session.engine.client("stepfunctions"), self.redrives[-1]
        if machine.describe_execution(executionArn=arn)["status"] == "RUNNING":
            self.tally.faults["redrive stopped half way"] += 1
            with suppress(machine.exceptions.ClientError):  # it has ended meanwhile
                machine.stop_execution(executionArn=arn)

    def redrive(self, *recipients: str, at_once: int = 1) -> None:
        """Redrive or release, several times at once if asked, and wait until the stack is quiet again."""
        for recipient in recipients:
            self.start_redrives(recipient, at_once)
        self.settle()

    def mend(self) -> None:
        """Make everything as it should be, and have everybody get what waits for them.

        What the mended contract does not release either can only be an event that no contract knows: it
        is given up.
        """
        for client in CLIENTS:
            self.heal(client)
        self.take_back()
        self.settle()
        self.redrive(*(client for client in self.queues() if client in self._held()))
        while GATE in self._held():
            self.deploy_contract(mended=True)
            self.redrive(GATE)
            held = self.held(GATE)
            self.tally.withheld += sum(self.broken.get(ids[0]) != HOPELESS for ids in held.values())
            self._demand_clean()
            for mark in held:
                self.start_discard(GATE, mark)
            self.settle()

    # -- what has to be true -----------------------------------------------------------------------

    def settle(self) -> None:
        """Wait until every record has been handled, and nothing moves any more."""
        self.allow_writes()
        until(self._is_quiet, "the stack to be quiet", 120)
        self.redrives.clear()
        self.count_faults()

    def count_faults(self) -> None:
        """Count the faults that have met something since they were counted."""
        met = (self.folder / "met.txt").read_text().splitlines()
        killed = {function: self._killed(name) for name, function in self.functions.items()}
        self.tally.faults.update(killed.get(name, name) for name in met[self.told_met :])
        self.told_met = len(met)

    def _killed(self, function: str) -> str:
        return f"{function.lower()} killed"

    def _queue_name(self, client: str) -> str:
        return self.session.queues[client].rsplit("/", 1)[-1]

    def check(self) -> None:
        """Hold the model against the queues and the table."""
        self.collect()
        held, discarded, before = self._held(), self._discarded(), str(self.tally)
        for mark in self.put:
            self._check_gate(mark, held[GATE][to_group_id(mark)])
            for client in self.queues():
                self._check_client(client, mark, held, discarded[GATE] | discarded[client])
            self._check_barred(mark, held, discarded[GATE])
            if str(self.tally) != before:
                before = str(self.tally)
                self.tally.problems.append(self._told(mark, held, discarded))
        self._demand_clean()

    def check_all_received(self) -> None:
        """After everything was mended, released and redriven: every client has everything but what was given up."""
        self.check()
        held = {recipient: dict(events) for recipient, events in self._held().items()}
        reasons = {recipient: inspection.reasons(self.session.engine, self._table, recipient) for recipient in held}
        assert not held, f"still held, because of {reasons}: {held}"

    def _demand_clean(self) -> None:
        assert self.tally.clean, "\n".join([str(self.tally), *self.tally.problems])

    def _told(self, mark: str, held: Held, discarded: dict[str, set[str]]) -> str:
        """What is known of a mark, its events told by their place in it."""
        ids = self.put[mark]

        def places(of: Iterable[str]) -> list[int]:
            return [ids.index(event_id) for event_id in of if event_id in ids]

        told = [f"{mark}: {len(ids)} events, broken {places(self.broken)}, allowed {places(self.allowed)}"]
        for recipient in (*self.queues(), GATE):
            got = places(self.received[recipient][mark]) if recipient != GATE else []
            waiting = places(held[recipient][to_group_id(mark)])
            told.append(f"{recipient}: received {got}, held {waiting}, discarded {places(discarded[recipient])}")
        return "; ".join(told)

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

    def _check_gate(self, mark: str, held: list[str]) -> None:
        """Only what breaks the contract is held, and what comes behind it."""
        ids = self.put[mark]
        first = next((place for place, event_id in enumerate(ids) if event_id in self.breakable), len(ids))
        self.tally.withheld += not set(held) <= set(ids[first:])

    def _check_client(self, client: str, mark: str, held: Held, discarded: set[str]) -> None:
        """A prefix of the mark's events was received; the rest waits, in order."""
        got = [event_id for event_id in self.received[client][mark] if event_id not in discarded]
        expected = [event_id for event_id in self.put[mark] if event_id not in discarded]
        self.tally.overtaken += got != expected[: len(got)]
        # Held may be what was delivered as well: sent, and the redrive killed before it could forget it. And what
        # is parked may be at the gate as well: what was delivered comes again, and the contract has changed.
        waiting = dict.fromkeys(held[client][to_group_id(mark)] + held[GATE][to_group_id(mark)])
        unsent = [event_id for event_id in expected if event_id not in got]
        self.tally.lost += [one for one in waiting if one not in got and one not in discarded] != unsent

    def _check_barred(self, mark: str, held: Held, discarded: set[str]) -> None:
        """No client gets what no contract has allowed, nor what is behind it until it is given up."""
        ids = self.put[mark]
        barred = self.broken.keys() - self.allowed
        stuck = (place for place, event_id in enumerate(ids) if event_id in barred - discarded)
        behind = ids[next(stuck, len(ids)) :]
        for client in self.queues():
            passed = {*self.received[client][mark], *held[client][to_group_id(mark)]}
            self.tally.overtaken += not passed.isdisjoint(barred | set(behind))

    def _held(self) -> Held:
        """What waits in the table: ids of events by client (or the gate) and group, in order."""
        by_recipient: Held = defaultdict(lambda: defaultdict(list))
        for recipient, events in inspection.held(self.session.engine, self._table).items():
            for event in events:
                by_recipient[recipient][event["groupId"]].append(event["eventId"])
        return by_recipient

    def _discarded(self) -> dict[str, set[str]]:
        """The ids of events that are on record as given up, by client (or the gate); each was asked for."""
        found = {recipient: self._records_of(recipient) for recipient in (*self.queues(), GATE)}
        for recipient, by_mark in found.items():
            self.tally.lost += sum(len(ids) > self.asked[recipient, mark] for mark, ids in by_mark.items())
        return {recipient: set().union(*by_mark.values()) for recipient, by_mark in found.items()}

    def _records_of(self, recipient: str) -> dict[str, set[str]]:
        by_mark: dict[str, set[str]] = {}
        pages = (
            self.session.engine.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=self._table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"DISCARDED#{recipient}"}},
                ConsistentRead=True,
            )
        )
        for page in pages:
            for item in page["Items"]:
                if (mark := item["mark"]["S"]) in self.put:
                    by_mark.setdefault(mark, set()).add(item["eventId"]["S"])
        return by_mark

    def _is_handled(self) -> bool:
        return self._progress()["handled"] == self.written

    def _handles(self, batch: bytes) -> bool:
        answer = self.session.engine.client("lambda").invoke(
            FunctionName=self.session.outputs["ConverterFunctionName"], Payload=batch
        )
        return bool(json.loads(answer["Payload"].read()) == {"batchItemFailures": []})

    def _is_quiet(self) -> bool:
        # A redrive that was just started may not run yet. The stream comes first: what it starts ends before it.
        machine = self.session.engine.client("stepfunctions")
        while self.redrives and machine.describe_execution(executionArn=self.redrives[0])["status"] != "RUNNING":
            self.redrives.pop(0)
        return not self.redrives and self._progress() == {"handled": self.written, "running": 0}

    def _start(self, recipient: str, **asked: Any) -> None:
        whose = {"gate": True} if recipient == GATE else {"client": recipient}
        started = self.session.engine.client("stepfunctions").start_execution(
            stateMachineArn=self.session.outputs["RedriveStateMachineArn"], input=json.dumps(whose | asked)
        )
        self.redrives.append(started["executionArn"])

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
            with suppress(OSError):  # it has ended meanwhile
                if folder.name.isdigit() and _parent(folder) == self.session.engine.process_id:
                    environment = (folder / "environ").read_bytes().split(b"\0")
                    if f"AWS_LAMBDA_FUNCTION_NAME={function_name}".encode() in environment:
                        found.append(int(folder.name))
        return found

    def _settings(self, client: str) -> dict[str, str]:
        url = self.session.queues[client]
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return {name: attributes[name] for name in _QUEUE_SETTINGS}

    def _physical(self, name: str) -> str:
        resources = self.session.engine.client("cloudformation")
        described = resources.describe_stack_resource(StackName=STACK, LogicalResourceId=name)
        return str(described["StackResourceDetail"]["PhysicalResourceId"])

    def _layers(self) -> tuple[str, str]:
        """The version of the layer that is deployed, and a further one with the mended contract."""
        functions = self.session.engine.client("lambda")
        (layer,) = functions.get_function_configuration(FunctionName=self.functions["Validator"])["Layers"]
        shared = json.loads((SCHEMAS / "shared.json").read_text("utf-8"))
        shared["$defs"]["status"]["enum"].append(MENDABLE)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for path in SCHEMAS.iterdir():
                text = json.dumps(shared) if path.name == "shared.json" else path.read_text("utf-8")
                archive.writestr(f"{SCHEMAS.name}/{path.name}", text)
        published = functions.publish_layer_version(
            LayerName=layer["Arn"].split(":")[-2], Content={"ZipFile": content.getvalue()}
        )
        return layer["Arn"], published["LayerVersionArn"]

    @property
    def _table(self) -> str:
        return self.session.outputs["ParkedEventsTableName"]

    @property
    def _sqs(self) -> Any:
        return self.session.engine.client("sqs")


@contextmanager
def attacked() -> Iterator[World]:
    """Deploy a stack whose engine takes orders for faults."""
    with TemporaryDirectory(prefix="mark-event-queue-") as name:
        folder = Path(name)
        (folder / "orders.json").write_text("[]")
        (folder / "progress.json").write_text(json.dumps({"handled": 0, "running": 0}))
        for empty in ("windows.txt", "left.jsonl", "met.txt"):
            (folder / empty).touch()
        with deployed(*CLIENTS, module="tests.faults.engine_process", FAULTS=str(folder)) as session:
            yield World(session, folder)


def _parent(folder: Path) -> int:
    return int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
