"""What the contract publishes as data: examples of events and notices, and counter-examples."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import md5
from string import punctuation
from typing import Any
from urllib.parse import quote

from mark_event_contracts.gate.contract import Violation, read_exactly
from mark_event_contracts.instants import Instant
from mark_event_contracts.items import body_of, item_of
from mark_event_contracts.judging import CONTRACT_VERSION, MAJOR, SCHEMAS, contract, read

_SEQUENCE_NUMBER_DIGITS = 40
_QUEUE = "arn:aws:sqs:eu-west-2:123456789012:MarkFanOutClientExample.fifo"
_SENT = "1772355600000"


@dataclass(frozen=True)
class Example:
    """A message as a client gets it: an event that the contract allows, or a notice."""

    name: str
    """Its type and its own name, like LockEvent/locked-for-sale."""
    body: str = field(repr=False)
    """The JSON text, to the letter."""
    attributes: dict[str, str] = field(repr=False, hash=False)
    """The message attributes, all of type String."""

    def __str__(self) -> str:
        """Return its name: `ids=str` names the tests by it."""
        return self.name

    @property
    def event_name(self) -> str:
        """The type of the event, or of the notice."""
        return self.name.partition("/")[0]

    @property
    def event(self) -> dict[str, Any]:
        """The body, read with all digits; each time another dict, which may be changed."""
        return read(self.body)

    @property
    def item(self) -> dict[str, Any]:
        """The event as an item of the producer's table, with DynamoDB's types."""
        return item_of(self.event)

    def as_sqs_record(self) -> dict[str, Any]:
        """Return the message as a record of the event that a Lambda function gets of its queue."""
        return {
            "messageId": f"00000000-0000-4000-8000-{self.attributes['sequenceNumber'][-12:]}",
            "receiptHandle": "receipt",
            "body": self.body,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "ApproximateFirstReceiveTimestamp": _SENT,
                "MessageDeduplicationId": self.attributes.get("eventId", self.name),
                "MessageGroupId": _group_of(self.event["mark"]),
                "SenderId": "AROAEXAMPLE:deliver",
                "SentTimestamp": _SENT,
                "SequenceNumber": self.attributes["sequenceNumber"][-20:],
            },
            "messageAttributes": {
                name: {"stringValue": text, "stringListValues": [], "binaryListValues": [], "dataType": "String"}
                for name, text in self.attributes.items()
            },
            "md5OfBody": md5(self.body.encode(), usedforsecurity=False).hexdigest(),
            "eventSource": "aws:sqs",
            "eventSourceARN": _QUEUE,
            "awsRegion": "eu-west-2",
        }


@dataclass(frozen=True)
class Counterexample:
    """An event that the contract forbids: no client gets it by this major version."""

    description: str
    body: str = field(repr=False)
    violations: tuple[Violation, ...]
    """Every rule that it breaks, and where."""

    def __str__(self) -> str:
        """Return what is wrong with it."""
        return self.description

    @property
    def event(self) -> dict[str, Any]:
        """The body, read with all digits; each time another dict, which may be changed."""
        return read(self.body)


def examples() -> Iterator[Example]:
    """Yield events that the contract allows, as a client gets them, in the order of their time."""
    in_time = sorted(_published(contract().event_names), key=lambda named: (Instant(named[1]["createTime"]), named[0]))
    for place, (name, event) in enumerate(in_time, 1):
        yield _example(name, event, place, {"eventId": event["eventId"]})


def notices() -> Iterator[Example]:
    """Yield messages that are no events, as clients get them that have asked for notices."""
    for place, (name, notice) in enumerate(_published(contract().notice_names), 1):
        yield _example(name, notice, place, {"notice": notice["notice"]})


def counterexamples() -> Iterator[Counterexample]:
    """Yield events that the contract forbids."""
    listed = SCHEMAS / "counterexamples" / f"v{MAJOR}" / "events.json"
    for one in read_exactly(listed.read_text("utf-8")):
        broken = tuple(Violation(path, rule) for path, rule in one["violations"])
        yield Counterexample(one["description"], body_of(item_of(one["data"])), broken)


def _published(types: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the examples of some types, each with its type and its own name."""
    for event_name in sorted(types):
        for path in sorted((SCHEMAS / "examples" / f"v{MAJOR}" / event_name).glob("*.json")):
            yield f"{event_name}/{path.stem}", read(path.read_bytes())


def _example(name: str, event: dict[str, Any], place: int, identity: dict[str, str]) -> Example:
    """Return an example with the attributes of its message; `place` is where it comes."""
    number = str(place).zfill(_SEQUENCE_NUMBER_DIGITS)
    told = {"sequenceNumber": number, "schema": f"{name.partition('/')[0]}/{CONTRACT_VERSION}"}
    return Example(name, body_of(item_of(event)), identity | told)


def _group_of(mark: str) -> str:
    return quote(mark, safe=punctuation.replace("%", ""))
