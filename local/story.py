"""The story of `make demo` on the deployed stack: ordinary days, a broken event, a lost queue, a late joiner."""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

from local.guarantees import Deployed, Outage
from local.inspection import Watch, milliseconds
from local.marks import Item, Mark, put_in_batches
from local.queues import Message, drain, until
from local.session import Session
from local.stack import SCHEMAS
from local.widening import LEASED, widen
from mark_event_queue.domain.held import GATE
from meq import history, redrive
from meq.executions import RUNNING
from meq.text import many

BROKEN, LOST, LATE = "B1 GAP", "Police", "Archive"
"""The mark with the broken event, the client that loses its queue, the client that joins late."""
CLIENTS = "Insurer", LOST

# Slow enough that events are written while it comes.
_HISTORY = history.Asked(LATE, segments=1, rate=10)
_PAUSE, _SHORT_PAUSE, _BRIEF_PAUSE = 1.0, 0.45, 0.2
_LONGEST = 90
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


class Act(NamedTuple):
    """A release, a redrive or a history: from when until when (in milliseconds) its execution ran."""

    began: int
    ended: int


class Story:
    """What happens, step by step; what was written, and what every queue has had so far."""

    def __init__(self, session: Session, folder: Path) -> None:
        self._session = session
        self._folder = folder
        self.steps: list[Step] = []
        self.written: list[Written] = []
        self.queues = dict(session.queues)
        self.received: dict[str, list[Message]] = {name: [] for name in self.queues}
        self.contracts = [Deployed(SCHEMAS)]
        self.outages: list[Outage] = []
        self.acts: dict[str, Act] = {}
        """The release, the redrive and the history, by these names, once each has ended."""
        self.watch = Watch(session.engine, session.outputs["ParkedEventsTableName"])
        begin = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
        self._afc6 = Mark("AFC 6", begin=begin)
        self._afcf7 = Mark("AFC F7", price=Decimal("1250"), begin=begin)
        self._gap = Mark(BROKEN, price=Decimal("0.1"), begin=begin)
        self._more = _more_of(self._gap, self._afc6, self._afcf7)

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
        self.read()

    def read(self) -> None:
        """Read what is in the queues that are there."""
        for name in self.queues:
            with suppress(self._session.engine.client("sqs").exceptions.QueueDoesNotExist):
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
        self._command(f"meq history {LATE} --segments {_HISTORY.segments} --rate {_HISTORY.rate}")
        return history.start(self._session.operated, _HISTORY)

    def _an_event_breaks_the_contract(self) -> None:
        broken = self._gap.unlock()
        broken["RegistrationNumber"]["M"]["Status"] = {"S": LEASED}
        follower = self._gap.lock()
        self._step(
            "An event breaks the contract",
            f"Event {len(self.written) + 2}, of {BROKEN}, has a Status that no version of the contract knows. It is "
            "held at the gate, and what follows of its mark behind it; the other marks go on.",
        )
        self._let_come(self._afcf7.lock(), broken, self._afc6.nominate("Zoë Specimen"), follower)
        self._until_seen(GATE, "at the gate", [broken, follower])

    def _the_contract_is_widened(self) -> None:
        self._step(
            "The contract is widened, the gate released",
            "Major version 2 of the contract, which knows that Status, is put beside version 1 (here as a further "
            "version of the layer of schemas, else by sam deploy). Then the gate is released, while more events come.",
        )
        self.contracts = widen(self._session, self._folder)
        self._command("meq release")
        self._redrive("release", redrive.Asked(GATE), _SHORT_PAUSE)

    def _a_queue_is_lost(self) -> None:
        self._step(
            f"{LOST} loses its queue",
            f"{LOST} has read what was in its queue: what is unread in a deleted queue is lost. Then the queue is "
            f"deleted. What comes now is parked for {LOST}, and what follows of a mark behind it; the others get it.",
        )
        self._read(LOST)
        self._settings = self._queue_settings(self.queues[LOST])
        self._session.engine.client("sqs").delete_queue(QueueUrl=self.queues[LOST])
        self._gone_since = _now()
        self._let_come(
            self._afcf7.buy("Bob Instance"),
            _next_of(self._gap),
            self._afc6.lose_certificate(),
            *(next(self._more) for _ in range(6)),
            pause=_BRIEF_PAUSE,
        )
        self._until_seen(LOST, f"parked for {LOST}", [one.item for one in self.written if one.at >= self._gone_since])

    def _the_queue_comes_back(self) -> None:
        self._step(
            f"{LOST} has its queue again",
            "What was parked is redriven, in order, while more events come.",
        )
        self.outages.append(Outage(LOST, self._gone_since, _now(), waiting=[LATE]))
        name = self.queues[LOST].rsplit("/", 1)[-1]
        self._session.engine.client("sqs").create_queue(QueueName=name, Attributes=self._settings)
        self._command(f"meq redrive {LOST}")
        self._redrive("redrive", redrive.Asked(LOST), _BRIEF_PAUSE)

    def _history_comes(self, execution: str) -> None:
        self._step(
            f"{LATE} gets its history",
            f"{LATE} gets everything from the beginning, in order and once, while more events come: first the history, "
            "then what was held for it meanwhile, then what comes now. Nobody else notices.",
        )
        self._write_until_ended("history", execution, _PAUSE)
        came = history.wait(self._session.operated, _HISTORY, execution)
        if not came.done:
            raise StoryError(f"the history of {LATE} did not come: {came}")
        self._deliver(*(next(self._more) for _ in range(3)))

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

    def _let_come(self, *items: Item, pause: float = _PAUSE) -> None:
        for item in items:
            self._put(item)
            time.sleep(pause)
        self._until_handled()

    def _until_handled(self) -> None:
        executions, count = self._session.executions, len(self.written)
        until(lambda: executions.handled() >= count, f"{count} events to be handled", 120)

    def _until_seen(self, recipient: str, where: str, items: Iterable[Item]) -> None:
        """Wait until the watch has seen events waiting: it looks now and then only."""
        places = {(recipient, item["eventId"]["S"]) for item in items}
        until(lambda: places <= self.watch.seen.keys(), f"{many(len(places), 'event')} to be seen {where}", 20)

    def _write_until_ended(self, name: str, execution: str, pause: float) -> None:
        """Write one event after another for as long as an execution runs, and note when that was.

        Raises:
            StoryError: it does not end.
        """
        machine, deadline = self._session.engine.client("stepfunctions"), time.monotonic() + _LONGEST
        while (described := machine.describe_execution(executionArn=execution))["status"] == RUNNING:
            if time.monotonic() > deadline:
                raise StoryError(f"waited {_LONGEST} s in vain for the {name} to end")
            self._put(next(self._more))
            time.sleep(pause)
        self.acts[name] = Act(milliseconds(described["startDate"]), milliseconds(described["stopDate"]))

    def _read(self, name: str) -> None:
        self.received[name] += drain(self._session.engine, self.queues[name])

    def _redrive(self, name: str, asked: redrive.Asked, pause: float) -> None:
        operated = self._session.operated
        redrive.check(operated, asked)
        execution = redrive.start(operated, asked)
        self._write_until_ended(name, execution, pause)
        came = redrive.wait(operated, asked, execution)
        if not came.done:
            raise StoryError(f"what is held for {asked.recipient} was not let go: {came}")
        self._until_handled()

    def _queue_settings(self, url: str) -> dict[str, str]:
        asked = self._session.engine.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return {name: value for name, value in asked["Attributes"].items() if name in _QUEUE_SETTINGS}


def _more_of(*marks: Mark) -> Iterator[Item]:
    """Yield further events, of one mark after another, without an end."""
    for mark in cycle(marks):
        yield _next_of(mark)


def _next_of(mark: Mark) -> Item:
    if mark.entitlement:
        return mark.nominate("Cy Sample") if mark.version % 2 else mark.lose_certificate()
    return mark.unlock() if mark.locked else mark.lock()


def _now() -> int:
    return time.time_ns() // 1_000_000
