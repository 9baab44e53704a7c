"""How much an execution can carry, so that no state of it passes what Step Functions allows."""

from collections.abc import Mapping, Sequence
from json import dumps
from typing import Any

# Step Functions Developer Guide, service quotas: input or output of a task, state or execution.
STATE_BYTES = 262_144

# What the states of an execution hold beside events and clients: the answers of SQS (ten entries
# of some 300 bytes, a Failed entry's message), the metadata of a Lambda answer, a caught error.
_RESERVED_BYTES = 16_384


def budget(clients: Sequence[Mapping[str, Any]]) -> int:
    """Return how many bytes the events of one batch may take beside these clients.

    The clients are counted twice: a state may hold them and the names of those with parked events.
    """
    return STATE_BYTES - _RESERVED_BYTES - 2 * len(dumps(clients))
