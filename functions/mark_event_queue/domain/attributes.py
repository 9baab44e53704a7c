"""DynamoDB attribute values to JSON text, exactly: every number digit for digit, every type."""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from mark_event_queue.domain.errors import MarkEventQueueError

_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z", re.ASCII)


class NotAnAttributeError(MarkEventQueueError):
    """An attribute value that DynamoDB would not have written; says where, never what.

    Where is put together on the way out, innermost name first, so that a sound item pays nothing for it.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self._problem = problem
        self._steps: list[str] = []

    def inside(self, name: str) -> None:
        """Note that this happened inside the map's or the list's member of that name."""
        self._steps.insert(0, name)

    def __str__(self) -> str:
        return f"/{'/'.join(self._steps)} {self._problem}"


def json_object(attributes: Any) -> str:
    """Return a DynamoDB item as the text of one JSON object, names and their order unchanged.

    The text is pure ASCII, so its length is its size in bytes, and SQS, which replaces some
    characters without a word, has none to replace. Sets become arrays; binary stays base64, as
    the stream carries it (DynamoDB API Reference, AttributeValue).

    Raises:
        NotAnAttributeError: an attribute value has no type, an unknown one, or a value not of its type.
    """
    return _map(attributes)


def _value(attribute: Any) -> str:
    try:
        ((kind, value),) = attribute.items()
    except (AttributeError, ValueError):
        raise NotAnAttributeError("is not an attribute value") from None
    writer = _WRITERS.get(kind)
    if writer is None:
        raise NotAnAttributeError("has an unknown attribute type")
    return writer(value)


def _string(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    raise NotAnAttributeError("is not a string")


def _number(value: Any) -> str:
    if isinstance(value, str):
        # Most numbers are plain integers, which need no look at every character.
        if (value.isdecimal() and value.isascii() and value[0] != "0") or _JSON_NUMBER.match(value):
            return value
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite():
            return str(number)
    raise NotAnAttributeError("is not a number")


def _boolean(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    raise NotAnAttributeError("is not a boolean")


def _null(_value: Any) -> str:
    return "null"


def _map(value: Any) -> str:
    try:
        return _sound_map(value)
    except (TypeError, AttributeError, KeyError, NotAnAttributeError):
        return _map_member_by_member(value)


def _sound_map(value: Any) -> str:
    """Write a map in one go, as long as it is sound; most of its members are strings, or maps."""
    members = [
        f"{quoted(name)}:{quoted(one['S'])}"
        if "S" in one and len(one) == 1
        else f"{quoted(name)}:{_sound_map(one['M']) if 'M' in one and len(one) == 1 else _value(one)}"
        for name, one in value.items()
    ]
    return "{" + ",".join(members) + "}"


def _map_member_by_member(value: Any) -> str:
    """Write a map so that whoever hears that a member is not sound hears which."""
    if not isinstance(value, dict):
        raise NotAnAttributeError("is not a map")
    members = []
    name = ""
    try:
        for name, attribute in value.items():
            members.append(f"{quoted(name)}:{_value(attribute)}")
    except NotAnAttributeError as misfit:
        misfit.inside(name)
        raise
    return "{" + ",".join(members) + "}"


def _array_of(writer: Callable[[Any], str]) -> Callable[[Any], str]:
    def write(value: Any) -> str:
        if not isinstance(value, list):
            raise NotAnAttributeError("is not a list")
        members: list[str] = []
        try:
            for item in value:
                members.append(writer(item))  # noqa: PERF401 (how far it got tells where it stopped)
        except NotAnAttributeError as misfit:
            misfit.inside(str(len(members)))
            raise
        return "[" + ",".join(members) + "]"

    return write


_WRITERS: dict[str, Callable[[Any], str]] = {
    "S": _string,
    "N": _number,
    "B": _string,
    "BOOL": _boolean,
    "NULL": _null,
    "M": _map,
    "L": _array_of(_value),
    "SS": _array_of(_string),
    "NS": _array_of(_number),
    "BS": _array_of(_string),
}
