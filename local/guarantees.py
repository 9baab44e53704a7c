"""Whether the guarantees hold, judged by what went into the event table and where it ended."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from boto3.dynamodb.types import TypeDeserializer
from jsonschema import Draft202012Validator, TypeChecker
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from local.marks import Item
from local.queues import Message
from local.stack import SCHEMAS
from mark_event_queue.domain.events import to_group_id

_DESERIALIZER = TypeDeserializer()


def _is_integer(_checker: TypeChecker, value: Any) -> bool:
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    return bool(Draft202012Validator.TYPE_CHECKER.is_type(value, "integer"))


_Validator: type[Draft202012Validator] = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
)


class Verdict(NamedTuple):
    """Whether a guarantee was kept; `found` is empty when it was, else says what speaks against it."""

    guarantee: str
    found: list[str]


class Deployed(NamedTuple):
    """A major version of the contract: its folder, and since when (in milliseconds) events are judged by it, too."""

    folder: Path
    since: int = 0


class Outage(NamedTuple):
    """When (in milliseconds) a client's queue was gone, and who got nothing meanwhile for another reason."""

    client: str
    since: int
    until: int
    waiting: Sequence[str] = ()


@dataclass(frozen=True)
class Evidence:
    """What was put into the table, in order, and where it ended."""

    items: Sequence[Item]
    delivered: Mapping[str, Sequence[Message]]
    parked: Mapping[str, Sequence[str]]
    """Ids of parked events, in order within each mark, by client."""
    quarantined: Sequence[str]
    """Ids of events that are held at the gate, in order within each mark."""
    failing: Sequence[str] = ()
    """Clients whose queue was broken on purpose."""
    contracts: Sequence[Deployed] = (Deployed(SCHEMAS),)
    outages: Sequence[Outage] = ()
    written: Mapping[str, int] = field(default_factory=dict)
    """When (in milliseconds) events were put, by their ids: for what came while a queue was gone."""

    def ids(self) -> list[str]:
        """The ids of all events, in the order in which they were put."""
        return [item["eventId"]["S"] for item in self.items]


def verdicts(evidence: Evidence) -> list[Verdict]:
    """Judge every guarantee by the evidence; a message that is none of the events speaks against *exact*."""
    known = set(evidence.ids())
    foreign = [
        f"{client}: a message that nobody wrote"
        for client, messages in evidence.delivered.items()
        for message in messages
        if message.attributes.get("eventId") not in known
    ]
    delivered = {
        client: [message for message in messages if message.attributes.get("eventId") in known]
        for client, messages in evidence.delivered.items()
    }
    evidence = replace(evidence, delivered=delivered)
    return [
        Verdict("order: per client and mark, nothing overtakes", _out_of_order(evidence)),
        Verdict("nothing lost: delivered, parked or quarantined, for every client", _lost(evidence)),
        Verdict("nobody blocked: the others got everything in time", _blocked(evidence)),
        Verdict("contract: every event was valid when it came", _invalid(evidence)),
        Verdict("exact: every body says what its item says", foreign + _inexact(evidence)),
        Verdict("once: no event twice in a queue", _repeated(evidence)),
    ]


def _out_of_order(evidence: Evidence) -> list[str]:
    position = {event_id: number for number, event_id in enumerate(evidence.ids())}
    found = []
    for client, messages in evidence.delivered.items():
        last: dict[str, tuple[int, int]] = {}
        for message in messages:
            place = (position.get(message.event_id, -1), message.sequence_number)
            before = last.get(message.group_id, (-1, -1))
            if place[0] <= before[0] or place[1] <= before[1]:
                found.append(f"{client}: {message.event_id}")
            last[message.group_id] = place
        found += [
            f"{client}: {event_id} is held, a later one was delivered"
            for event_id in [*evidence.parked.get(client, []), *evidence.quarantined]
            if position[event_id] < last.get(_group(evidence, event_id), (-1, -1))[0]
        ]
    return found


def _group(evidence: Evidence, event_id: str) -> str:
    marks = {item["eventId"]["S"]: item["mark"]["S"] for item in evidence.items}
    return to_group_id(marks[event_id])


def _lost(evidence: Evidence) -> list[str]:
    found = []
    for client, messages in evidence.delivered.items():
        ends = Counter({message.event_id for message in messages})
        ends.update(set(evidence.parked.get(client, [])))
        ends.update(set(evidence.quarantined))
        found += [f"{client}: {one} ended {ends[one]} times" for one in evidence.ids() if ends[one] != 1]
    return found


def _blocked(evidence: Evidence) -> list[str]:
    expected = set(evidence.ids()) - set(evidence.quarantined)
    missing = [
        f"{client}: {len(expected - got)} events missing"
        for client, messages in evidence.delivered.items()
        if client not in evidence.failing and (got := {message.event_id for message in messages}) != expected
    ]
    return missing + [late for outage in evidence.outages for late in _late(evidence, outage, expected)]


def _late(evidence: Evidence, outage: Outage, expected: Set[str]) -> list[str]:
    """Return who did not get, before a queue was there again, what was put while it was gone."""
    meanwhile = {one for one in expected if outage.since <= evidence.written[one] < outage.until}
    return [
        f"{client}: {len(late)} events came only when {outage.client} had its queue again"
        for client, messages in evidence.delivered.items()
        if client not in (outage.client, *outage.waiting)
        and (late := meanwhile - {message.event_id for message in messages if message.sent < outage.until})
    ]


def _invalid(evidence: Evidence) -> list[str]:
    majors = [(one.since, reference_validators(schemas=one.folder)) for one in evidence.contracts]
    return [
        f"{client}: {message.event_id}"
        for client, messages in evidence.delivered.items()
        for message in messages
        if not any(
            validators[message.event["eventName"]].is_valid(message.event)
            for since, validators in majors
            if since <= message.sent
        )
    ]


def _inexact(evidence: Evidence) -> list[str]:
    items = {item["eventId"]["S"]: _plain(item) for item in evidence.items if "eventId" in item}
    return [
        f"{client}: {message.event_id}"
        for client, messages in evidence.delivered.items()
        for message in messages
        if message.event != items.get(message.event_id)
    ]


def _repeated(evidence: Evidence) -> list[str]:
    return [
        f"{client}: {event_id} {times} times"
        for client, messages in evidence.delivered.items()
        for event_id, times in Counter(message.event_id for message in messages).items()
        if times > 1
    ]


def _plain(item: Item) -> dict[str, Any]:
    plain: dict[str, Any] = {name: _DESERIALIZER.deserialize(value) for name, value in item.items()}
    return plain


def reference_validators(*, assert_format: bool = True, schemas: Path = SCHEMAS) -> dict[str, Draft202012Validator]:
    """Return python-jsonschema's validators by event type, and of the envelope: nothing that the functions use.

    It takes numbers as floats or, to judge all their digits, as Decimal; a Decimal without a fraction is an integer.
    """
    read = {path.stem: json.loads(path.read_text("utf-8")) for path in schemas.glob("*.json")}
    for schema in read.values():
        del schema["$schema"]  # by which jsonschema would go back to its own notion of an integer
    registry: Registry[Any] = Registry().with_resources(
        [(schema["$id"], DRAFT202012.create_resource(schema)) for schema in read.values()]
    )
    checker = Draft202012Validator.FORMAT_CHECKER if assert_format else None
    return {
        name: _Validator(schema, registry=registry, format_checker=checker)
        for name, schema in read.items()
        if name != "shared"
    }
