"""How much an execution can carry, so that no state of it passes what Step Functions allows."""

from collections.abc import Mapping, Sequence
from json import dumps
from typing import Any

# Step Functions Developer Guide, service quotas: input or output of a task, state or execution.
STATE_BYTES = 262_144

# What the states of an execution hold beside events and clients: the answers of SQS (ten entries
# of some 300 bytes, a Failed entry's message), the metadata of a Lambda answer, a caught error.
_RESERVED_BYTES = 16_384

# The promise of the README: an event of so many bytes of JSON is delivered, whoever has registered. Quoted, as JSON
# within JSON, it takes at most twice as many; what carries it, with a key as long as DynamoDB allows, the rest.
LARGEST_EVENT_BYTES = 96 * 1024
_LARGEST_EVENT_ROOM = 2 * LARGEST_EVENT_BYTES + 5_120

# What is left for the clients, which is enough for ninety of those that take the most.
CLIENTS_BYTES = STATE_BYTES - _RESERVED_BYTES - _LARGEST_EVENT_ROOM
LONGEST_CLIENT_NAME = 60
LONGEST_QUEUE_URL = 180


def bytes_of(client: Mapping[str, Any]) -> int:
    """Return how many bytes a client takes in the state that holds most of it.

    That is the output of the delivery: the client, its name and that of its history among the recipients, its count.
    """
    counted = {"client": client["name"], "parked": 1_000}
    return sum(len(dumps(part)) + len(", ") for part in (client, client["name"], client["selects"], counted))


def budget(clients: Sequence[Mapping[str, Any]]) -> int:
    """Return how many bytes the events of one batch may take beside these clients."""
    return STATE_BYTES - _RESERVED_BYTES - sum(map(bytes_of, clients))
