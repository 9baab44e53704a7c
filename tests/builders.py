"""Builders of what the tests speak about: items, stream records, events, entries, plans, clients.

Every builder gives something valid; a test names only what it is about.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from mark_event_queue.domain.batches import Batch, carry, in_order
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.rounds import Entry, Plan, entry_of, plan

ROOT = Path(__file__).parent.parent
SCHEMAS = ROOT / "schemas" / "v1"
EXAMPLES = ROOT / "schemas" / "examples" / "v1"
COUNTEREXAMPLES = ROOT / "schemas" / "counterexamples" / "v1" / "events.json"
STATE_MACHINE = ROOT / "statemachines" / "deliver-events.asl.json"

EVENT_NAMES = (
    "EntitlementCreateEvent",
    "EntitlementExtendEvent",
    "AddressUpdateEvent",
    "NomineeUpdateEvent",
    "DuplicateCertificateEvent",
    "LockEvent",
    "UnLockEvent",
    "DeleteEvent",
)
STATUSES = (
    "MARK_AVAILABLE",
    "MARK_PENDING_PAYMENT_BY_CHEQUE",
    "MARK_SOLD_ISSUE_CERTIFICATE_TO_PURCHASER",
    "REMOVE_MARK_FROM_SALE",
    "MARK_ASSIGNED",
    "MARK_PURCHASED_BY_PAYMENT_CARD_CERT_NOT_YET_ISSUED",
    "DVLA_ACCREDITED_DEALER_SALE",
    "ISSUE_DUPLICATE_CERTIFICATE",
    "ISSUE_REPLACEMENT_CERTIFICATE",
    "CERTIFICATE_ISSUED_PAYMENT_RECEIVED",
    "MARK_STOPPED_NO_FURTHER_ACTION_ALLOWED",
    "MARK_STOPPED_ASSIGNMENT_FEE_REPAID",
    "DEALER_STOPPED",
    "OFFENSIVE",
    "CHEQUE_BANKED_NOT_YET_CLEARED",
    "CERTIFICATE_ISSUED_PAYMENT_NOT_YET_RECEIVED",
    "MARK_ASSIGNED_PAYMENT_NOT_YET_RECEIVED",
    "MARK_STOPPED_CHEQUE_RETURNED",
    "MARK_RESERVED_CHEQUE_OVERDUE",
    "RD_CHEQUE_AFTER_V750_ISSUED",
)

Attribute = dict[str, Any]
Item = dict[str, Attribute]
Record = dict[str, Any]

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)

DENY_ALL = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}],
    }
)
"""The policy of a queue that takes nothing from anybody."""

_IDS = UUID("f3c1a3a8-7d0c-4d0e-9b59-3f1f7d0c4d0e")


def event_id(number: int) -> str:
    """Return the id of the test's n-th event, the same every time."""
    return str(uuid5(_IDS, str(number)))


def checkpoint(number: int) -> str:
    """Return a sequence number as a stream spells it, which grows with `number`."""
    return str(111_111_111_111_111_111_111 + number)


def sequence_number(number: int) -> str:
    """Return the same sequence number as events carry it: all 40 digits that there can be."""
    return checkpoint(number).zfill(40)


def registration_number(mark: str = "AFC 6", /, **changes: Attribute | None) -> Item:
    """Return the attributes of a registration number; None leaves one out."""
    attributes: dict[str, Attribute | None] = {
        "mark": {"S": mark},
        "Status": {"S": "MARK_ASSIGNED"},
        "eventTime": {"S": "2026-03-01T09:30:00Z"},
        "price": {"N": "299"},
        "version": {"N": "1"},
    }
    return {name: attribute for name, attribute in (attributes | changes).items() if attribute is not None}


def item(number: int = 1, mark: str = "AFC 6", **changes: Attribute | None) -> Item:
    """Return the table's item of one event, as the producer writes it; None leaves an attribute out."""
    attributes: dict[str, Attribute | None] = {
        "eventId": {"S": event_id(number)},
        "eventName": {"S": "LockEvent"},
        "createTime": {"S": "2026-03-01T09:30:00Z"},
        "mark": {"S": mark},
        "RegistrationNumber": {"M": registration_number(mark)},
    }
    return {name: attribute for name, attribute in (attributes | changes).items() if attribute is not None}


def record(image: Item | None = None, number: int = 1, keys: Item | None = None, kind: str = "INSERT") -> Record:
    """Return the stream record that brings an item; its keys are the item's unless given."""
    image = item(number) if image is None else image
    own_keys = {name: image[name] for name in ("mark", "createTime") if name in image}
    return {
        "eventID": f"record-{number}",
        "eventName": kind,
        "eventSource": "aws:dynamodb",
        "dynamodb": {
            "Keys": own_keys if keys is None else keys,
            "NewImage": image,
            "SequenceNumber": checkpoint(number),
            "StreamViewType": "NEW_IMAGE",
        },
    }


def removal(number: int = 1, mark: str = "AFC 6") -> Record:
    """Return the stream record of a forgotten event: keys, and no new image."""
    image = item(number, mark)
    removed = record(image, number, kind="REMOVE")
    del removed["dynamodb"]["NewImage"]
    return removed


def image_lacking(number: int = 1, mark: str = "AFC 6", view: str = "KEYS_ONLY", kind: str = "INSERT") -> Record:
    """Return the record of a new event as a stream tells it whose view leaves new images out."""
    return without_image(record(item(number, mark), number, kind=kind), view)


def without_image(whole: Record, view: str = "KEYS_ONLY") -> Record:
    """Return a record as a stream tells it whose view leaves new images out."""
    told = {name: value for name, value in whole["dynamodb"].items() if name != "NewImage"}
    return whole | {"dynamodb": told | {"StreamViewType": view}}


def given_up(items: Sequence[Item]) -> bytes:
    """Return the object that Lambda leaves in the bucket when the stream gave up these items."""
    records = [record(one, number) for number, one in enumerate(items, start=1)]
    return json.dumps({"version": "1.0", "payload": json.dumps({"Records": records})}).encode()


def example(name: str = "EntitlementCreateEvent/bought") -> dict[str, Any]:
    """Return a published example event, for the test to change."""
    event: dict[str, Any] = json.loads(_text(name))
    return event


@cache
def _text(name: str) -> str:
    return (EXAMPLES / f"{name}.json").read_text("utf-8")


NOTHING_HELD: dict[str, Any] = {"recipients": [], "atGate": False}
"""Of whom anything is held, as an execution's input has it when it is nobody."""


def event_input(number: int = 1, mark: str = "AFC 6", body: str | None = None, unfit: str = "") -> dict[str, str]:
    """Return an event in the shape of the execution's input, valid unless `body` says otherwise."""
    event = {
        "eventId": event_id(number),
        "mark": mark,
        "groupId": to_group_id(mark),
        "sequenceNumber": sequence_number(number),
        "body": json.dumps(example() | {"eventId": event_id(number), "mark": mark}) if body is None else body,
    }
    return event | ({"unfit": unfit} if unfit else {})


def add_second_major(schemas: Path) -> None:
    """Put a major version 2 into a folder of schemas: it has one more status, MARK_LEASED, and demands a price."""
    folder = Path(shutil.copytree(schemas / "v1", schemas / "v2"))
    (folder / "VERSION").write_text("2.0.0\n", "utf-8")
    for path in folder.glob("*.json"):
        path.write_text(path.read_text("utf-8").replace("/schemas/v1/", "/schemas/v2/"), "utf-8")
    shared = json.loads((folder / "shared.json").read_text("utf-8"))
    shared["$defs"]["status"]["enum"].append("MARK_LEASED")
    shared["$defs"]["registrationNumber"]["required"].append("price")
    (folder / "shared.json").write_text(json.dumps(shared, indent=2), "utf-8")


def entries(marks: Sequence[str]) -> list[Entry]:
    """Return one entry per mark named, in the order of the stream."""
    return [entry_of(event_input(number, mark, body="{}")) for number, mark in enumerate(marks, start=1)]


def planned(marks: Sequence[str]) -> Plan:
    """Return the plan of one event per mark named, in the order of the stream."""
    return plan(entries(marks))


def pack(records: Iterable[Mapping[str, Any]], bytes_per_batch: int) -> Iterator[Batch]:
    """Return what the records become, in batches that follow one another, as those of a single mark do."""
    return in_order(carry(records, bytes_per_batch), bytes_per_batch)


def round_lost(error: str) -> dict[str, Any]:
    """Return what came of a round that was lost as a whole, as the parking function is told it."""
    return {"refused": [], "lost": None, "errors": [error], "resent": {"refused": [], "errors": []}}


def refused_alone(error: str, *ids: str) -> dict[str, Any]:
    """Return what came of a round of which these entries were refused, also when they were sent alone."""
    return {"refused": [*ids], "lost": [], "errors": [], "resent": {"refused": [*ids], "errors": [error] * len(ids)}}


def numbers(of_entries: Sequence[Entry]) -> list[int]:
    """Return the numbers that `entries` gave these entries."""
    first = int(sequence_number(0))
    return [int(entry["MessageAttributes"]["sequenceNumber"]["StringValue"]) - first for entry in of_entries]


def client(name: str = "archive", queue_url: str = "") -> dict[str, str]:
    """Return a registered client."""
    default = f"https://sqs.eu-west-2.amazonaws.com/123456789012/MarkFanOutClient-{name}.fifo"
    return {"name": name, "queueUrl": queue_url or default, "selects": ""}


def state_machine() -> Mapping[str, Any]:
    """Return the definition of the state machine that delivers events."""
    definition: Mapping[str, Any] = json.loads(STATE_MACHINE.read_text("utf-8"))
    return definition
