"""Items of the producer's table, and the JSON text that a client gets of one."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from mark_event_contracts.gate.attributes import NotAnAttributeError, json_object


class ItemError(ValueError):
    """What was given is no item as DynamoDB has it; says where, never what stands there."""


def body_of(item: Mapping[str, Any]) -> str:
    """Return the JSON text that a client gets of an item: what the converter writes, to the letter.

    The item has DynamoDB's types, `{"eventId": {"S": "…"}, …}`; it may also be a record of the stream, which has it
    as `dynamodb.NewImage`. Binary values are base64, as in the stream.

    Raises:
        ItemError: a value is not as DynamoDB has it, or the record has no new image.
    """
    try:
        return json_object(_item_in(item))
    except NotAnAttributeError as error:
        raise ItemError(f'{error}: give the item with DynamoDB\'s types, as {{"eventId": {{"S": "…"}}}}') from error
    except RecursionError:
        raise ItemError("the item is nested deeper than DynamoDB allows") from None


def item_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event, as Python has it, as an item with DynamoDB's types; numbers keep all their digits.

    Raises:
        TypeError: it holds something that JSON does not have.
    """
    return _members(event, "")


def _item_in(item: Mapping[str, Any]) -> Any:
    change = item.get("dynamodb")
    if not isinstance(change, Mapping) or not change.keys() & {"NewImage", "Keys", "SequenceNumber"}:
        return item
    if "NewImage" not in change:
        raise ItemError("the record has no NewImage: a removal has none, nor has another view of the stream")
    return change["NewImage"]


def _members(members: Mapping[str, Any], path: str) -> dict[str, Any]:
    if not all(isinstance(name, str) for name in members):
        raise TypeError(f"{path or 'the event'} has a name that is no string, which JSON does not have")
    return {name: _attribute_of(member, f"{path}/{name}") for name, member in members.items()}


def _attribute_of(value: Any, path: str) -> dict[str, Any]:
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int() | float() | Decimal():
            return {"N": str(value)}
        case Mapping():
            return {"M": _members(value, path)}
        case list() | tuple():
            return {"L": [_attribute_of(member, f"{path}/{place}") for place, member in enumerate(value)]}
        case _:
            raise TypeError(f"{path} is of type {type(value).__name__}, which JSON does not have")
