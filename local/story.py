"""The story of `make demo` on the deployed stack: ordinary days, a broken event, a lost queue, a late joiner."""

import io
import json
import shutil
import time
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

from local.inspection import Watch
from local.marks import Item, Mark, put_in_batches
from local.queues import Message, drain, until
from local.session import Session
from local.stack import ROOT, go_live
from mark_event_queue.domain.held import GATE
from meq import history, redrive

BROKEN, LOST, LATE = "B1 GAP", "Police", "Archive"
"""The mark with the broken event, the client that loses its queue, the client that joins late."""
CLIENTS = "Insurer", LOST

_LEASED = "MARK_LEASED"
_QUEUE_SETTINGS = ("FifoQueue", "DeduplicationScope", "FifoThroughputLimit", "SqsManagedSseEnabled", "Policy")


class StoryError(RuntimeError):
    """A step of the story did not come to what it should; says which, and what came of it."""


class Step(NamedTuple):
    """A step of the story: when it began (in milliseconds), its title, what happens."""

    at: int
    title: str
    text: str


class Written(NamedTuple):
    """An event as the producer wrote it, and when (in milliseconds)."""

    item: Item
    at: int


class Story:
    """What happens, step by step; what was written, and what every queue has had so far."""

    def __init__(self, session: Session, folder: Path) -> None:
        self._session = session
        self._folder = folder
        self.steps: list[Step] = []
        self.written: list[Written] = []
        self.queues = dict(session.queues)
        self.received: dict[str, list[Message]] = {name: [] for name in self.queues}
        self.contracts = [ROOT / "schemas" / "v1"]
        self.watch = Watch(session.engine, session.outputs["ParkedEventsTableName"])
        begin = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
        self._afc6 = Mark("AFC 6", begin=begin)
        self._afcf7 = Mark("AFC F7", price=Decimal("1250"), begin=begin)
        self._gap = Mark(BROKEN, price=Decimal("0.1"), begin=begin)

    def tell(self) -> None:
        """Let it happen."""
        with self.watch:
            self._ordinary_events()
            registered = self._a_client_joins_late()
            self._an_event_breaks_the_contract()
            self._the_contract_is_widened()
            self._a_queue_is_lost()
            self._the_queue_comes_back()
            self._history_comes(registered)
            until(self.watch.is_empty, "nothing to be held any more", 20)
        for name in self.queues:
            self._read(name)

    def _ordinary_events(self) -> None:
        afc6, afcf7, gap = self._afc6, self._afcf7, self._gap
        self._step("Ordinary events", "Six events of three marks go to three clients: original, Insurer and Police.")
        self._deliver(
            afc6.lock(),
            afcf7.lock(),
            gap.lock(),
            afc6.buy("Ann Example"),
            afcf7.unlock(),
            afc6.move_house("22 Specimen Road", "Sampleford", "SA1 1SA"),
        )

    def _a_client_joins_late(self) -> str:
        self._step(
            f"{LATE} joins late",
            f"{LATE} registers and wants everything from the beginning. Its history is read when every function is "
            "sure to know it, in about 20 s; what comes meanwhile waits for it.",
        )
        sqs, ssm = (self._session.engine.client(service) for service in ("sqs", "ssm"))
        settings = {"FifoQueue": "true", "DeduplicationScope": "messageGroup"}
        url = sqs.create_queue(QueueName=f"MarkFanOutClient{LATE}.fifo", Attributes=settings)["QueueUrl"]
        self.queues[LATE], self.received[LATE] = url, []
        value = json.dumps({"queueUrl": url, "from": "beginning"})
        ssm.put_parameter(Name=f"{self._session.outputs['ClientsPath']}/{LATE}", Value=value, Type="String")
        self._command(f"meq history {LATE} --segments 1")
        return history.start(self._session.operated, history.Asked(LATE, segments=1))

    def _an_event_breaks_the_contract(self) -> None:
        broken = self._gap.unlock()
        broken["RegistrationNumber"]["M"]["Status"] = {"S": _LEASED}
        self._step(
            "An event breaks the contract",
            f"Event {len(self.written) + 2}, of {BROKEN}, has a Status that no version of the contract knows. It is "
            "held at the gate, and what follows of its mark behind it; the other marks go on.",
        )
        self._let_come(self._afcf7.lock(), broken, self._afc6.nominate("Zoë Specimen"), self._gap.lock())

    def _the_contract_is_widened(self) -> None:
        self._step(
            "The contract is widened, the gate released",
            "Major version 2 of the contract, which knows that Status, is put beside version 1 (here as a further "
            "version of the layer of schemas, else by sam deploy). Then the gate is released, while more events come.",
        )
        self._widen_contract()
        with self._traffic(self._gap.unlock(), self._afc6.extend("2046-03-01T09:30:00Z"), self._gap.lock()):
            self._command("meq release")
            self._redrive(redrive.Asked(GATE))
        self._until_handled()

    def _a_queue_is_lost(self) -> None:
        self._step(
            f"{LOST} loses its queue",
            f"The queue of {LOST} is deleted. What comes is parked for {LOST}; the other clients get it.",
        )
        self._read(LOST)
        self._settings = self._queue_settings(self.queues[LOST])
        self._session.engine.client("sqs").delete_queue(QueueUrl=self.queues[LOST])
        self._let_come(
            self._afcf7.buy("Bob Instance"),
            self._gap.unlock(),
            self._afc6.lose_certificate(),
            self._afcf7.lose_certificate(),
        )

    def _the_queue_comes_back(self) -> None:
        self._step(
            f"{LOST} has its queue again",
            "What was parked is redriven, in order, while further events arrive.",
        )
        name = self.queues[LOST].rsplit("/", 1)[-1]
        self._session.engine.client("sqs").create_queue(QueueName=name, Attributes=self._settings)
        with self._traffic(
            self._afcf7.nominate("Cy Sample"),
            self._afc6.nominate("Di Template"),
            self._gap.lock(),
            self._afcf7.extend("2046-03-01T09:30:00Z"),
        ):
            self._command(f"meq redrive {LOST}")
            self._redrive(redrive.Asked(LOST))
        self._until_handled()

    def _history_comes(self, execution: str) -> None:
        self._step(
            f"{LATE} gets its history",
            f"{LATE} gets everything from the beginning, in order and once, then what comes now. Nobody else notices.",
        )
        live = self._gap.unlock(), self._afc6.lose_certificate(), self._gap.lock(), self._afcf7.nominate("Ed Pattern")
        with self._traffic(*live, pause=1.2):
            came = history.wait(self._session.operated, history.Asked(LATE, segments=1), execution)
        if not came.done:
            raise StoryError(f"the history of {LATE} did not come: {came}")
        self._deliver(self._gap.unlock(), self._afcf7.lose_certificate())

    # -- what the steps are made of ------------------------------------------------------------------------------------

    def _step(self, title: str, text: str) -> None:
        self.steps.append(Step(_now(), title, text))
        told = fill(text, 100, initial_indent="   ", subsequent_indent="   ")
        print(f"\n{len(self.steps)}  {title}\n{told}", flush=True)

    def _command(self, line: str) -> None:
        print(f"   $ {line}", flush=True)

    def _put(self, *items: Item) -> None:
        at = _now()
        put_in_batches(self._session.engine, items)
        self.written += [Written(item, at) for item in items]

    def _deliver(self, *items: Item) -> None:
        self._put(*items)
        self._until_handled()

    def _let_come(self, *items: Item) -> None:
        with self._traffic(*items, pause=0.6):
            pass
        self._until_handled()

    def _until_handled(self) -> None:
        executions, count = self._session.executions, len(self.written)
        until(lambda: executions.handled() >= count, f"{count} events to be handled", 120)

    @contextmanager
    def _traffic(self, *items: Item, pause: float = 0.4) -> Iterator[None]:
        """Have events written one by one beside what happens in the context, and be there at its end."""

        def write() -> None:
            for item in items:
                self._put(item)
                time.sleep(pause)

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            yield
            writing.result()

    def _read(self, name: str) -> None:
        self.received[name] += drain(self._session.engine, self.queues[name])

    def _redrive(self, asked: redrive.Asked) -> None:
        operated = self._session.operated
        redrive.check(operated, asked)
        came = redrive.wait(operated, asked, redrive.start(operated, asked))
        if not came.done:
            raise StoryError(f"what is held for {asked.recipient} was not let go: {came}")

    def _queue_settings(self, url: str) -> dict[str, str]:
        asked = self._session.engine.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return {name: value for name, value in asked["Attributes"].items() if name in _QUEUE_SETTINGS}

    def _widen_contract(self) -> None:
        """Put a major version 2 beside 1, in a further version of the layer of schemas, and have it judge."""
        self.contracts = _with_second_major(self._folder)
        functions = self._session.engine.client("lambda")
        pages = functions.get_paginator("list_functions").paginate()
        judging = [one for page in pages for one in page["Functions"] if one.get("Layers")]
        (name,) = {layer["Arn"].split(":")[-2] for one in judging for layer in one["Layers"]}
        published = functions.publish_layer_version(LayerName=name, Content={"ZipFile": _zipped(self.contracts)})
        called = json.dumps(self._session.executions.definition())
        for function in (one["FunctionName"] for one in judging):
            functions.update_function_configuration(FunctionName=function, Layers=[published["LayerVersionArn"]])
            if f":function:{function}:" in called:  # by version, so that a batch never meets half of a change
                go_live(self._session.engine, self._session.outputs["StateMachineArn"], function)


def _with_second_major(folder: Path) -> list[Path]:
    """Return the folders of the contract as it is, and of a major version 2 that knows one more Status."""
    first, second = (folder / major for major in ("v1", "v2"))
    shutil.copytree(ROOT / "schemas" / "v1", first)
    shutil.copytree(first, second)
    (second / "VERSION").write_text("2.0.0\n", "utf-8")
    for path in second.glob("*.json"):
        path.write_text(path.read_text("utf-8").replace("/schemas/v1/", "/schemas/v2/"), "utf-8")
    shared = json.loads((second / "shared.json").read_text("utf-8"))
    shared["$defs"]["status"]["enum"].append(_LEASED)
    (second / "shared.json").write_text(json.dumps(shared), "utf-8")
    return [first, second]


def _zipped(folders: Sequence[Path]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for folder in folders:
            for path in folder.iterdir():
                archive.write(path, f"{folder.name}/{path.name}")
    return content.getvalue()


def _now() -> int:
    return time.time_ns() // 1_000_000
