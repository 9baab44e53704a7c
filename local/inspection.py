"""What the running stack did: its executions and its parked events, read as an operator would."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from local.engine import Engine


class Execution(NamedTuple):
    """An execution of the state machine, and what it counted."""

    name: str
    status: str
    clients: list[str]
    valid: int
    rejected: int
    parked: dict[str, int]


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
        return sum(one.valid + one.rejected for one in self.all() if one.status == "SUCCEEDED")

    def history(self, name: str) -> list[dict[str, Any]]:
        """Return the history of an execution."""
        arn = f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
        pages = self._machine.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def _described(self, listed: dict[str, Any]) -> Execution:
        arn = listed["executionArn"]
        if arn in self._ended:
            return self._ended[arn]
        execution = _execution(self._machine.describe_execution(executionArn=arn))
        if execution.status != "RUNNING":
            self._ended[arn] = execution
        return execution


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


def parked(engine: Engine, table: str) -> dict[str, list[dict[str, str]]]:
    """Return the parked events by client, each client's by mark and in order."""
    by_client: dict[str, list[dict[str, str]]] = {}
    for item in _items(engine, table):
        kind, _, rest = item["pk"].partition("#")
        if kind == "SEQUENCE":
            by_client.setdefault(rest.split("#", 1)[0], []).append(item)
    return {
        client: sorted(events, key=lambda event: (event["pk"], event["sk"])) for client, events in by_client.items()
    }


def reasons(engine: Engine, table: str, client: str) -> list[str]:
    """Return the names of the errors for which a client's sequences are parked."""
    return sorted({item["error"] for item in _items(engine, table) if item["pk"] == f"CLIENT#{client}"})


def _items(engine: Engine, table: str) -> Iterator[dict[str, str]]:
    for page in engine.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            yield {name: next(iter(value.values())) for name, value in item.items()}


def _execution(description: dict[str, Any]) -> Execution:
    output = json.loads(description.get("output") or "{}")
    counts = output.get("counts", {})
    return Execution(
        description["name"],
        description["status"],
        [client["name"] for client in json.loads(description["input"])["clients"]],
        counts.get("valid", 0),
        counts.get("rejected", 0),
        {client["client"]: sum(client["parkedPerLane"]) for client in output.get("clients", [])},
    )
