"""How tables in DynamoDB are asked: page by page, and again for what an answer left out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from botocore.config import Config

from mark_event_queue.adapters.aws import AwsError, client_of, name_of
from mark_event_queue.adapters.held_writes import ATTEMPTS, pause
from mark_event_queue.domain.errors import HeldEventsUnavailableError, MarkEventQueueError

Call = Callable[..., Any]
"""Does an operation of DynamoDB by its name, as boto3 spells it, with its arguments."""

_CONFIG = Config(read_timeout=5, connect_timeout=2, retries={"mode": "standard", "total_max_attempts": 4})
_KEYS_PER_READ = 100  # DynamoDB API Reference, BatchGetItem
_ITEMS_PER_WRITE = 25  # BatchWriteItem


class ConditionNotMetError(MarkEventQueueError):
    """The item was not, or not any more, as the write wanted it to be."""


def client_for_held() -> Any:
    """Return the client by which the table of what waits is asked."""
    return client_of("dynamodb", _CONFIG)


def caller(client: Any, unavailable: type[MarkEventQueueError]) -> Call:
    """Return what calls DynamoDB, and turns its errors into the project's own."""

    def call(operation: str, **arguments: Any) -> Any:
        try:
            return getattr(client, operation)(**arguments)
        except client.exceptions.ConditionalCheckFailedException as error:
            raise ConditionNotMetError from error
        except AwsError as error:
            raise unavailable(f"{operation}: {name_of(error)}") from error

    return call


def items_of(call: Call, operation: str, **asked: Any) -> Iterator[dict[str, Any]]:
    """Yield the items of a Query or a Scan, over all its pages."""
    while True:
        answer = call(operation, **asked)
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        asked |= {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def items_at(call: Call, table: str, keys: Sequence[Mapping[str, Any]], names: str) -> Iterator[dict[str, Any]]:
    """Yield those of the items with these keys that are there, read consistently: the attributes that are named.

    Raises:
        HeldEventsUnavailableError: they have been left unprocessed too often.
    """
    left, fruitless = list(keys), 0
    while left:
        read = {"Keys": left[:_KEYS_PER_READ], "ConsistentRead": True, "ProjectionExpression": names}
        answer = call("batch_get_item", RequestItems={table: read})
        items = answer["Responses"].get(table, [])
        yield from items
        unprocessed = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        fruitless = 0 if items or not unprocessed else fruitless + 1
        _pause(fruitless, "batch_get_item: all keys were left unprocessed, time after time")
        left = unprocessed + left[_KEYS_PER_READ:]


def write_all(call: Call, table: str, requests: Sequence[Mapping[str, Any]]) -> None:
    """Put and delete items, 25 to a call.

    Raises:
        HeldEventsUnavailableError: they have been left unprocessed too often.
    """
    left, fruitless = list(requests), 0
    while left:
        some = left[:_ITEMS_PER_WRITE]
        answer = call("batch_write_item", RequestItems={table: some})
        unprocessed = answer.get("UnprocessedItems", {}).get(table, [])
        fruitless = fruitless + 1 if len(unprocessed) == len(some) else 0
        _pause(fruitless, "batch_write_item: all items were left unprocessed, time after time")
        left = unprocessed + left[_ITEMS_PER_WRITE:]


def plain(item: Mapping[str, Any]) -> dict[str, str]:
    """Return an item of texts and numbers without their types."""
    return {name: next(iter(value.values())) for name, value in item.items()}


def _pause(fruitless: int, problem: str) -> None:
    """Wait before the same is asked for again, if nothing came of it.

    Raises:
        HeldEventsUnavailableError: nothing has come of it too often.
    """
    if fruitless == ATTEMPTS:
        raise HeldEventsUnavailableError(problem)
    if fruitless:
        pause(fruitless)
