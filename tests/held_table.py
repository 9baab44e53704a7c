"""The table of what waits as the template makes it, for an engine that a test gives."""

from typing import Any

from mark_event_queue.adapters.held_events import OLDEST_FIRST


def create_table(dynamodb: Any, name: str) -> None:
    """Create an empty table of what waits."""
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in ("pk", "sk", "recipient", "since")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": OLDEST_FIRST,
                "KeySchema": [
                    {"AttributeName": "recipient", "KeyType": "HASH"},
                    {"AttributeName": "since", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
