"""What parking does with lanes, apart from storing."""

from collections.abc import Mapping
from typing import Any

from mark_event_queue.domain.held import PARKED
from mark_event_queue.domain.holding import HeldEvents
from mark_event_queue.domain.lanes import Lane, part, sequences_of


def park(request: Mapping[str, Any], store: HeldEvents) -> Lane:
    """Park what a wave of a lane could not deliver, with all that must not overtake it.

    `request` is `{client, lane, refused, error}`: `refused` holds the Ids that SQS did not accept,
    or is null when the whole call failed. Returns the lane that can go on.
    """
    parting = part(request["lane"], request["refused"])
    store.hold(request["client"], sequences_of(parting.parked), PARKED, request["error"])
    return parting.lane
