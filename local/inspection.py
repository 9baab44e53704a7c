"""What the running stack did: its executions and what it holds, read as an operator would."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Any, NamedTuple

from local.engine import Engine

_LOOK_SECONDS = 0.15


class Execution(NamedTuple):
    """An execution of the state machine: when it ran (in milliseconds), what it carried and what it counted."""

    name: str
    status: str
    released: bool
    clients: list[str]
    event_ids: list[str]
    began: int
    ended: int
    """0 while it runs."""
    valid: int
    rejected: int
    behind: int
    parked: dict[str, int]

    @property
    def events(self) -> int:
        """How many events it carried."""
        return self.valid + self.rejected + self.behind


class Executions:
    """The executions of a state machine; what an ended one did is asked only once."""

    def __init__(self, engine: Engine, state_machine_arn: str) -> None:
        self._machine = engine.client("stepfunctions")
        self._arn = state_machine_arn
        self._ended: dict[str, Execution] = {}

    def all(self) -> list[Execution]:
        """Return the executions, oldest first."""
        pages = self._machine.get_paginator("list_executions").paginate(stateMachineArn=self._arn)
        listed = [execution for page in pages for execution in page["executions"]]
        return [self._described(one) for one in sorted(listed, key=lambda execution: execution["startDate"])]

    def handled(self) -> int:
        """Return how many events successful executions have carried."""
        return sum(one.events for one in self.all() if one.status == "SUCCEEDED" and not one.released)

    def history(self, name: str) -> list[dict[str, Any]]:
        """Return the history of an execution."""
        arn = f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
        pages = self._machine.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def definition(self) -> dict[str, Any]:
        """Return the definition of the machine as it is deployed."""
        described = self._machine.describe_state_machine(stateMachineArn=self._arn)
        definition: dict[str, Any] = json.loads(described["definition"])
        return definition

    def _described(self, listed: dict[str, Any]) -> Execution:
        arn = listed["executionArn"]
        if arn in self._ended:
            return self._ended[arn]
        execution = _execution(self._machine.describe_execution(executionArn=arn))
        if execution.status != "RUNNING":
            self._ended[arn] = execution
        return execution


@dataclass
class Held:
    """An event that was seen in the table of what waits: since when (in milliseconds), and why."""

    recipient: str
    event_id: str
    since: int
    reason: str
    error: str
    violations: str
    """JSON text: a list of `{path, rule}`, empty for an event that waits behind another."""
    behind: str = ""
    """The id of the event that was the first of the sequence when this one was seen; empty if it was the first."""


class Watch:
    """Looks at the table of what waits, again and again for the length of a context, and remembers what it has seen."""

    def __init__(self, engine: Engine, table: str) -> None:
        self._engine = engine
        self._table = table
        self._over = Event()
        self._pool = ThreadPoolExecutor(1)
        self._looking: Future[None] | None = None
        self._first: dict[str, str] = {}
        self.seen: dict[tuple[str, str], Held] = {}
        """By recipient and id of the event; one that was held twice is there once."""

    def __enter__(self) -> "Watch":
        self._looking = self._pool.submit(self._look_on)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        self._pool.shutdown()
        if self._looking and not kind:
            self._looking.result()  # what it could not see would be missing without a word

    def is_empty(self) -> bool:
        """Look now, and tell whether anything is held."""
        return not self._look()

    def _look_on(self) -> None:
        over = False
        while not over:  # once more when it is over: something may have come to wait since the last look
            over = self._over.wait(_LOOK_SECONDS)
            self._look()

    def _look(self) -> int:
        items = list(_items(self._engine, self._table))
        at = time.time_ns() // 1_000_000
        heads = {(item["pk"], item["sk"]): item for item in items}
        events = sorted(
            (item for item in items if item["pk"].startswith("SEQUENCE#")), key=lambda item: (item["pk"], item["sk"])
        )
        first: dict[str, str] = {}
        for item in events:
            recipient, group_id = item["pk"].split("#", 2)[1:]
            head = heads.get((f"HELD#{recipient}", group_id), {})
            place = recipient, item["eventId"]
            first.setdefault(item["pk"], item["eventId"])
            # Of a sequence that was held a moment ago the first may have left since, for what came behind it.
            before = self._first.get(item["pk"], first[item["pk"]])
            behind = before if before != item["eventId"] else ""
            known = self.seen.setdefault(place, Held(*place, at, "", "", item.get("violations", "[]"), behind))
            known.reason = known.reason or head.get("reason", "")
            known.error = known.error or head.get("error", "")
        self._first = first
        return len(events)


def milliseconds(at: datetime) -> int:
    """Return a time as the picture and the queues tell it."""
    return round(at.timestamp() * 1000)


def logs(engine: Engine) -> list[str]:
    """Return every line that the functions have logged."""
    client = engine.client("logs")
    groups = [group["logGroupName"] for group in client.describe_log_groups()["logGroups"]]
    return [
        event["message"]
        for group in groups
        for page in client.get_paginator("filter_log_events").paginate(logGroupName=group)
        for event in page["events"]
    ]


def held(engine: Engine, table: str) -> dict[str, list[dict[str, str]]]:
    """Return the held events by recipient, each recipient's by mark and in order."""
    by_recipient: dict[str, list[dict[str, str]]] = {}
    for item in _items(engine, table):
        kind, _, rest = item["pk"].partition("#")
        if kind == "SEQUENCE":
            by_recipient.setdefault(rest.split("#", 1)[0], []).append(item)
    return {
        recipient: sorted(events, key=lambda event: (event["pk"], event["sk"]))
        for recipient, events in by_recipient.items()
    }


def reasons(engine: Engine, table: str, recipient: str) -> list[str]:
    """Return the names of the errors for which a recipient's sequences are held."""
    return sorted({item["error"] for item in _items(engine, table) if item["pk"] == f"HELD#{recipient}"})


def _items(engine: Engine, table: str) -> Iterator[dict[str, str]]:
    for page in engine.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            yield {name: next(iter(value.values())) for name, value in item.items()}


def _execution(description: dict[str, Any]) -> Execution:
    output = json.loads(description.get("output") or "{}")
    counts = output.get("counts", {})
    given = json.loads(description["input"])
    return Execution(
        description["name"],
        description["status"],
        given["released"],
        [client["name"] for client in given["clients"]],
        [event["eventId"] for event in given["batch"]["events"]],
        milliseconds(description["startDate"]),
        milliseconds(description["stopDate"]) if "stopDate" in description else 0,
        counts.get("valid", 0),
        counts.get("rejected", 0),
        counts.get("behind", 0),
        {client["client"]: client["parked"] for client in output.get("clients", [])},
    )
