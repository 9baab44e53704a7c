"""The producer's order of a mark's events: the instant, read as one, then the version. Instants do not sort as text."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


class Instant(NamedTuple):
    """A moment in UTC, to the nanosecond."""

    second: datetime
    fraction: str


class Position(NamedTuple):
    """Where an event stands in its mark."""

    instant: Instant
    version: Decimal


def instant_of(text: str) -> Instant | None:
    """Return the moment that a text names, as the producer writes it, or None if it names none."""
    found = _INSTANT.fullmatch(text)
    try:
        return Instant(datetime.fromisoformat(f"{found[1]}+00:00"), (found[2] or "").ljust(9, "0")) if found else None
    except ValueError:
        return None


def position_of(item: Mapping[str, Any]) -> Position | None:
    """Return where the event of an item of the producer's table stands, or None if it does not say so."""
    instant = instant_of(text_of(item, "createTime"))
    try:
        registration = item.get("RegistrationNumber", {}).get("M", {})
        version = Decimal(registration.get("version", {}).get("N", "0"))
    except (InvalidOperation, AttributeError, TypeError):
        return None
    return Position(instant, version) if instant else None


def text_of(attributes: Any, name: str) -> str:
    """Return an attribute that is a text, empty if there is none."""
    attribute = attributes.get(name) if isinstance(attributes, dict) else None
    text = attribute.get("S") if isinstance(attribute, dict) else None
    return text if isinstance(text, str) else ""
