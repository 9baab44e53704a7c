"""The table of parked events.

Three kinds of item, by partition key `pk` and sort key `sk`:

| pk                          | sk                       | one per                                |
|-----------------------------|--------------------------|----------------------------------------|
| `CLIENTS`                   | client                   | client with anything parked            |
| `CLIENT#<client>`           | group id                 | parked sequence of that client         |
| `SEQUENCE#<client>#<group>` | sequence number, 40 wide | parked event of that sequence, in order |

A sequence is parked as long as its item under `CLIENT#` exists. Every change to the two upper kinds
raises their `version`, and they are only deleted at the version at which they were seen empty.
"""

import time
from collections.abc import Iterable
from typing import Any

import boto3
from botocore.config import Config

from adapters import AwsError, name_of
from domain.errors import ParkedEventsUnavailableError
from domain.lanes import Entry

CLIENTS = "CLIENTS"

# DynamoDB API Reference: BatchGetItem takes 100 keys; TransactWriteItems 100 actions and 4 MB,
# of which one is the sequence's own item (a batch, and so a sequence in it, is below 256 KiB).
_KEYS_PER_READ = 100
_EVENTS_PER_WRITE = 99
_SEQUENCE_NUMBER_WIDTH = 40

_CONFIG = Config(read_timeout=5, connect_timeout=2, retries={"mode": "standard", "total_max_attempts": 4})


class ParkedEventsTable:
    """Parked events in DynamoDB."""

    def __init__(self, table_name: str) -> None:
        self._table = table_name
        self._client = boto3.client("dynamodb", config=_CONFIG)

    def park(self, client: str, entries: list[Entry], error: str) -> None:
        """Park entries of one sequence, in order, starting the sequence if it is not parked yet.

        The client is named before its sequence, so that no crash leaves a sequence that nobody
        looks for, and once more after it, in case a redrive found the client empty in between.

        Raises:
            ParkedEventsUnavailableError: the table did not take them.
        """
        self._name(client, error)
        self._append(client, entries, error=error, only_if_parked=False)
        self._name(client, error)

    def parked_groups(self, client: str, group_ids: Iterable[str]) -> set[str]:
        """Return those of the groups whose sequence is parked for the client.

        Raises:
            ParkedEventsUnavailableError: the table did not answer.
        """
        keys = [_key(_client_key(client), group_id) for group_id in group_ids]
        parked: set[str] = set()
        while keys:
            read = {"Keys": keys[:_KEYS_PER_READ], "ConsistentRead": True, "ProjectionExpression": "sk"}
            answer = self._call("batch_get_item", RequestItems={self._table: read})
            parked |= {item["sk"]["S"] for item in answer["Responses"].get(self._table, [])}
            unprocessed = answer.get("UnprocessedKeys", {}).get(self._table, {})
            keys = unprocessed.get("Keys", []) + keys[_KEYS_PER_READ:]
        return parked

    def park_behind(self, client: str, entries: list[Entry]) -> list[Entry]:
        """Park entries behind what is parked of their sequence; return those that found it ended.

        Raises:
            ParkedEventsUnavailableError: the table did not take them.
        """
        return self._append(client, entries, error="", only_if_parked=True)

    def _name(self, client: str, error: str) -> None:
        self._call("update_item", TableName=self._table, Key=_key(CLIENTS, client), **_raise_version(error))

    def _append(self, client: str, entries: list[Entry], error: str, only_if_parked: bool) -> list[Entry]:
        group_id = entries[0]["MessageGroupId"]
        condition = {"ConditionExpression": "attribute_exists(pk)"} if only_if_parked else {}
        head = {"TableName": self._table, "Key": _key(_client_key(client), group_id)} | _raise_version(error)
        for position in range(0, len(entries), _EVENTS_PER_WRITE):
            puts = [
                {"Put": {"TableName": self._table, "Item": _item(client, entry)}}
                for entry in entries[position : position + _EVENTS_PER_WRITE]
            ]
            try:
                self._call("transact_write_items", TransactItems=[{"Update": head | condition}, *puts])
            except _SequenceEndedError:
                return entries[position:]
        return []

    def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client, operation)(**arguments)
        except self._client.exceptions.TransactionCanceledException as error:
            reasons: Any = error.response.get("CancellationReasons", [{}])
            if reasons[0].get("Code") == "ConditionalCheckFailed":
                raise _SequenceEndedError from error
            raise ParkedEventsUnavailableError("transaction cancelled: another one was under way") from error
        except AwsError as error:
            raise ParkedEventsUnavailableError(f"{operation}: {name_of(error)}") from error


class _SequenceEndedError(Exception):
    """The sequence was not parked any more when an event was to be parked behind it."""


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _client_key(client: str) -> str:
    return f"CLIENT#{client}"


def _raise_version(error: str) -> dict[str, Any]:
    return {
        "UpdateExpression": "SET version = if_not_exists(version, :none) + :one, "
        "parkedSince = if_not_exists(parkedSince, :now), #error = if_not_exists(#error, :error)",
        "ExpressionAttributeNames": {"#error": "error"},
        "ExpressionAttributeValues": {
            ":none": {"N": "0"},
            ":one": {"N": "1"},
            ":now": {"S": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())},
            ":error": {"S": error},
        },
    }


def _item(client: str, entry: Entry) -> dict[str, Any]:
    sequence_number = entry["MessageAttributes"]["sequenceNumber"]["StringValue"]
    return _key(f"SEQUENCE#{client}#{entry['MessageGroupId']}", sequence_number.zfill(_SEQUENCE_NUMBER_WIDTH)) | {
        "eventId": {"S": entry["MessageDeduplicationId"]},
        "groupId": {"S": entry["MessageGroupId"]},
        "sequenceNumber": {"S": sequence_number},
        "body": {"S": entry["MessageBody"]},
    }
