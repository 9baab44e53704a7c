"""Runs real code up to its next call: anew each time, with the answers that it has had so far.

A stage is a piece of a process that starts from plain data: a function of `(data, port)`, which asks the
port for whatever is outside. Given the same answers it does the same, so a process is no more than its
stage, the data and the answers. That makes it a value: kept, compared, and gone on with in many ways.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.domain.errors import BatchNotDeliveredError
from mark_event_queue.domain.events import Event
from mark_event_queue.domain.held import GATE
from mark_event_queue.domain.rounds import Entry
from tests.dynamodb_in_memory import ConditionalCheckFailedException, DynamoDBInMemory, TransactionCanceledException

TABLE = "held"


class Go(NamedTuple):
    """The process goes on with a stage."""

    stage: str
    data: Any


class Fork(NamedTuple):
    """Children run side by side; the stage `then` gets the data and, as `results`, what came of them."""

    children: Sequence[Go]
    then: Go


class Done(NamedTuple):
    """The process has come to its end."""

    result: Any = None


class Died(NamedTuple):
    """The process has failed, and whatever it is a part of."""


Outcome = Go | Fork | Done | Died
Stage = Callable[[Any, "Port"], Outcome]


class NextCallError(BaseException):
    """A call that has no answer yet: no code between here and the stage may catch it."""

    def __init__(self, request: str) -> None:
        super().__init__(request)
        self.request = request


class Port:
    """All that a stage can reach: it answers from the answers so far, and stops the stage at the next call."""

    def __init__(self, answers: Sequence[str]) -> None:
        self._answers = iter(answers)

    def ask(self, kind: str, **what: Any) -> Any:
        """Return the answer to a request, or stop."""
        answer = next(self._answers, None)
        if answer is None:
            raise NextCallError(json.dumps([kind, what], sort_keys=True))
        return json.loads(answer)


class DynamoDBPort:
    """A DynamoDB client whose calls are the steps of a stage."""

    exceptions = DynamoDBInMemory.exceptions

    def __init__(self, port: Port) -> None:
        self._port = port

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return partial(self._call, operation)

    def _call(self, operation: str, **arguments: Any) -> Any:
        answer = self._port.ask("dynamodb", operation=operation, arguments=arguments)
        for kind in (ConditionalCheckFailedException, TransactionCanceledException):
            if answer.get("raises") == kind.__name__:
                raise kind(answer["response"], operation)
        return answer


class QueuePort:
    """A client's queue, as a redrive has it."""

    def __init__(self, port: Port) -> None:
        self._port = port

    def send(self, queue_url: str, wave: Sequence[Entry]) -> dict[str, str]:
        """Send a wave; return the errors of those entries that were not accepted."""
        answer = self._port.ask("send", queue=queue_url, entries=list(wave))
        return dict.fromkeys(answer["refused"], "Fault")


def held(port: Port) -> dict[str, Any]:
    """Read of whom anything is held, as whoever starts an execution does."""
    recipients = HeldEventsTable(TABLE, DynamoDBPort(port)).mentions()
    return {"recipients": recipients, "atGate": GATE in recipients}


class PipelinePort:
    """The state machine, as a release has it."""

    room = 200_000

    def __init__(self, port: Port) -> None:
        self._port = port

    def put_through(self, events: Sequence[Event]) -> list[Entry]:
        """Have a batch judged and delivered; return what was withheld."""
        batch = {"events": [event.as_input() for event in events], "held": held(self._port)}
        answer = self._port.ask("execute", batch=batch, released=True)
        if answer is None:
            raise BatchNotDeliveredError("its execution failed")
        withheld: list[Entry] = answer["withheld"]
        return withheld


TableOf = Callable[[str, Any], HeldEventsTable]


def always(*_: Any) -> bool:
    """Say that there is time left."""
    return True


def without_counts(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plan without what is only told: two ways to the same place are the same."""
    return {**plan, "parked": 0}
