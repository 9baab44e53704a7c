"""What the contract publishes as data: examples of events and notices, and counter-examples."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path
from string import punctuation
from typing import Any
from urllib.parse import quote

from mark_event_contracts.gate.contract import Judgement, Violation, read_exactly
from mark_event_contracts.instants import Instant
from mark_event_contracts.items import body_of, item_of
from mark_event_contracts.judging import SCHEMAS, contracts, folders, read

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
    """An event that a major version of the contract forbids: who has pinned it does not get it."""

    description: str
    body: str = field(repr=False)
    violations: tuple[Violation, ...]
    """Every rule that it breaks, and where."""
    major: int

    def __str__(self) -> str:
        """Return what is wrong with it."""
        return self.description

    @property
    def event(self) -> dict[str, Any]:
        """The body, read with all digits; each time another dict, which may be changed."""
        return read(self.body)


def examples(major: int | None = None) -> Iterator[Example]:
    """Yield events that the contract allows, as a client gets them, in the order of their time.

    Of a major version they are as a client gets them that has pinned it, else as one that has not.
    """
    events = _published("Event", major).items()
    in_time = sorted(events, key=lambda named: (Instant(named[1]["createTime"]), named[0]))
    for place, (name, event) in enumerate(in_time, 1):
        body = body_of(item_of(event))
        judgement = contracts().judge(body)
        yield Example(name, body, {"eventId": event["eventId"]} | _told(place, judgement, major))


def notices(major: int | None = None) -> Iterator[Example]:
    """Yield messages that are no events, as clients get them that have asked for notices."""
    for place, (name, notice) in enumerate(_published("Notice", major).items(), 1):
        judgement = contracts().judge_notice(name.partition("/")[0])
        yield Example(name, body_of(item_of(notice)), {"notice": notice["notice"]} | _told(place, judgement, major))


def counterexamples(major: int | None = None) -> Iterator[Counterexample]:
    """Yield events that the contract forbids, of all major versions or of one."""
    for folder in _folders("counterexamples", major):
        of = int(folder.name[1:])
        for one in read_exactly((folder / "events.json").read_text("utf-8")):
            broken = tuple(Violation(path, rule) for path, rule in one["violations"])
            yield Counterexample(one["description"], body_of(item_of(one["data"])), broken, of)


def _published(kind: str, major: int | None) -> dict[str, dict[str, Any]]:
    """Return the examples of events or notices by name; one that several major versions have, once."""
    found: dict[str, dict[str, Any]] = {}
    for folder in _folders("examples", major):
        for path in sorted(folder.glob(f"*{kind}/*.json")):
            name, example = f"{path.parent.name}/{path.stem}", read(path.read_bytes())
            is_another = found.get(name, example) != example
            found[f"{name} ({folder.name})" if is_another else name] = example
    return found


def _folders(what: str, major: int | None) -> list[Path]:
    contracts(major)
    wanted = folders() if major is None else (major,)
    return [SCHEMAS / what / f"v{one}" for one in wanted]


def _told(place: int, judgement: Judgement, major: int | None) -> dict[str, str]:
    """Return the attributes that every message has; `place` is where it comes."""
    pinned = [version for version in judgement.versions if major in (None, int(version.partition(".")[0]))]
    told = {"sequenceNumber": str(place).zfill(_SEQUENCE_NUMBER_DIGITS), "schema": f"{judgement.name}/{pinned[0]}"}
    return told | ({"schemaVersions": " ".join(judgement.versions)} if len(judgement.versions) > 1 else {})


def _group_of(mark: str) -> str:
    return quote(mark, safe=punctuation.replace("%", ""))
