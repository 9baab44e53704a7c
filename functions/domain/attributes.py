"""DynamoDB attribute values to JSON text, exactly: every number digit for digit, every type."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from domain.errors import MarkEventQueueError

_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z", re.ASCII)


class NotAnAttributeError(MarkEventQueueError):
    """An attribute value that DynamoDB would not have written; says where, never what."""


def json_object(attributes: Mapping[str, Any]) -> str:
    """Return a DynamoDB item as the text of one JSON object, names and their order unchanged.

    The text is pure ASCII, so its length is its size in bytes, and SQS, which replaces some
    characters without a word, has none to replace. Sets become arrays; binary stays base64, as
    the stream carries it (DynamoDB API Reference, AttributeValue).

    Raises:
        NotAnAttributeError: an attribute value has no type, an unknown one, or a value not of its type.
    """
    return _map(attributes, "")


def _value(attribute: Any, path: str) -> str:
    if not isinstance(attribute, Mapping) or len(attribute) != 1:
        raise NotAnAttributeError(f"{path or '/'} is not an attribute value")
    ((kind, value),) = attribute.items()
    writer = _WRITERS.get(kind)
    if writer is None:
        raise NotAnAttributeError(f"{path or '/'} has an unknown attribute type")
    return writer(value, path)


def _string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise NotAnAttributeError(f"{path} is not a string")
    return quoted(value)


def _number(value: Any, path: str) -> str:
    if isinstance(value, str):
        if _JSON_NUMBER.match(value):
            return value
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite():
            return str(number)
    raise NotAnAttributeError(f"{path} is not a number")


def _boolean(value: Any, path: str) -> str:
    if not isinstance(value, bool):
        raise NotAnAttributeError(f"{path} is not a boolean")
    return "true" if value else "false"


def _null(_value: Any, _path: str) -> str:
    return "null"


def _map(value: Any, path: str) -> str:
    if not isinstance(value, Mapping):
        raise NotAnAttributeError(f"{path or '/'} is not a map")
    return "{" + ",".join([f"{quoted(name)}:{_value(item, f'{path}/{name}')}" for name, item in value.items()]) + "}"


def _array_of(writer: Callable[[Any, str], str]) -> Callable[[Any, str], str]:
    def write(value: Any, path: str) -> str:
        if not isinstance(value, list):
            raise NotAnAttributeError(f"{path} is not a list")
        return "[" + ",".join([writer(item, f"{path}/{index}") for index, item in enumerate(value)]) + "]"

    return write


_WRITERS: dict[str, Callable[[Any, str], str]] = {
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
