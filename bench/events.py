"""Valid events of a known size, of marks that nobody has seen before."""

from itertools import count
from typing import Any

from local.marks import Item, Mark
from mark_event_queue.domain.attributes import json_object

EVENT_BYTES = 1024
_PADDING = "padding"  # consumers, and so the schemas, have to bear properties that they do not know
_numbers = count(1)


def items(number: int, marks: int, event_bytes: int = EVENT_BYTES) -> list[Item]:
    """Return events of so many marks by turns, each of about so many bytes of JSON."""
    lives = [_sold(Mark(f"B{next(_numbers)} NCH")) for _ in range(marks)]
    return [_of_size(lives[position % marks].lose_certificate(), event_bytes) for position in range(number)]


def records(number: int, marks: int, event_bytes: int = EVENT_BYTES) -> list[dict[str, Any]]:
    """Return the same as the stream's records."""
    return [
        {
            "eventID": item["eventId"]["S"],
            "eventName": "INSERT",
            "eventSource": "aws:dynamodb",
            "dynamodb": {
                "Keys": {"mark": item["mark"], "createTime": item["createTime"]},
                "NewImage": item,
                "SequenceNumber": str(111_111_111_111_111_111_111 + next(_numbers)),
            },
        }
        for item in items(number, marks, event_bytes)
    ]


def _sold(mark: Mark) -> Mark:
    """Return the mark sold, with every detail that an entitlement can have."""
    mark.buy("A. N. Example")
    mark.entitlement |= {
        "agreementTime": "2026-03-01T09:29:58.025Z",
        "certificateTime": "2026-03-01T09:30:00Z",
        "customerId": "f1d2d2f9-24e9-4bc1-a08c-3c1d8f7f5a10",
        "address": {
            "addLine1": "Flat 12, Specimen House",
            "addLine2": "22 Specimen Road",
            "addLine3": "Sampleford Park",
            "addLine4": "Near Exampleton",
            "postTown": "Exampleton",
            "postcode": "EX1 1EX",
        },
    }
    return mark


def _of_size(item: Item, event_bytes: int) -> Item:
    """Return the item padded to about so many bytes of JSON, or without its entitlement if it is to be smaller."""
    if len(json_object(item)) > event_bytes:
        state = {
            name: attribute for name, attribute in item["RegistrationNumber"]["M"].items() if name != "entitlement"
        }
        item = item | {"RegistrationNumber": {"M": state}}
    missing = event_bytes - len(json_object(item)) - len(f',"{_PADDING}":""')
    return item | {_PADDING: {"S": "x" * missing}} if missing > 0 else item
