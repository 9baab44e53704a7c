"""A producer that writes prices as texts, and instants with two digits of a fraction."""

from typing import Any


def item_of_a_lock() -> dict[str, Any]:
    """Return the item of an event as it is handed to PutItem."""
    return {
        "eventId": {"S": "6c0fe689-a699-5abd-bf75-78d822a5af39"},
        "eventName": {"S": "LockEvent"},
        "createTime": {"S": "2026-03-01T08:00:00.25Z"},
        "mark": {"S": "B1 GAP"},
        "RegistrationNumber": {
            "M": {
                "mark": {"S": "B1 GAP"},
                "eventTime": {"S": "2026-03-01T08:00:00Z"},
                "price": {"S": "0.1"},
                "version": {"N": "1"},
            }
        },
    }
