"""What the states of an execution call: the real functions, queues that only note what arrives, an empty table."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from bench.virtual.clock import Clock
from mark_event_queue.domain.rounds import Entry, number_of

Function = Callable[[Any], Any]


class Message(NamedTuple):
    """A message in a queue: when its call began and ended, and which call of all it was."""

    group_id: str
    event_id: str
    number: str
    sent: float
    arrived: float
    call: int


class Services:
    """Calls that take a set time each, and what they leave behind: messages by queue."""

    def __init__(self, clock: Clock, call_seconds: float, functions: Mapping[str, Function]) -> None:
        self._clock, self._seconds, self._functions = clock, call_seconds, functions
        self._calls = 0
        self.queues: dict[str, list[Message]] = {}

    def call(self, resource: str, parameters: dict[str, Any]) -> Any:
        """Do what a Task asks for.

        Raises:
            NotImplementedError: it asks for what no batch of sound events for clients without filters needs.
        """
        began = self._clock.now
        self._clock.advance(self._seconds)
        self._calls += 1
        match resource.rpartition(":::")[2]:
            case "lambda:invoke" if parameters["FunctionName"] in self._functions:
                function = self._functions[parameters["FunctionName"]]
                return {"StatusCode": 200, "Payload": function(parameters["Payload"])}
            case "aws-sdk:sqs:sendMessageBatch":
                self._arrive(parameters["QueueUrl"], parameters["Entries"], began)
                return {"Successful": [{"Id": entry["Id"]} for entry in parameters["Entries"]]}
            case "aws-sdk:sqs:sendMessage":
                self._arrive(parameters["QueueUrl"], [parameters], began)
                return {"MessageId": str(self._calls)}
            case "aws-sdk:dynamodb:query":
                return {"Items": [], "Count": 0, "ScannedCount": 0}
        raise NotImplementedError(f"{resource} {parameters.get('FunctionName', '')}")

    def _arrive(self, queue_url: str, entries: Iterable[Entry], began: float) -> None:
        self.queues.setdefault(queue_url, []).extend(
            Message(
                entry["MessageGroupId"],
                entry["MessageDeduplicationId"],
                number_of(entry),
                began,
                self._clock.now,
                self._calls,
            )
            for entry in entries
        )


def in_order(messages: Iterable[Message]) -> bool:
    """Tell whether no message of a group was on its way before the one before it had arrived, nor has a lower number.

    Those of one call arrive in the order in which the call has them.
    """
    last: dict[str, Message] = {}
    for message in sorted(messages, key=lambda one: one.arrived):
        before = last.get(message.group_id)
        if before and (
            message.number <= before.number or (message.call != before.call and message.sent < before.arrived)
        ):
            return False
        last[message.group_id] = message
    return True
