"""What parking does with lanes, apart from storing: the rule that keeps the order."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from mark_event_queue.domain.lanes import Entry, Lane, entries_of, part, sequences_of, without


class ParkedEvents(Protocol):
    """The store of parked events, as parking needs it."""

    def park(self, client: str, entries: list[Entry], error: str) -> None:
        """Park one sequence's entries, in order, starting the sequence if it is not parked yet."""

    def parked_groups(self, client: str, group_ids: Iterable[str]) -> set[str]:
        """Return those of the groups whose sequence is parked for the client."""

    def park_behind(self, client: str, entries: list[Entry]) -> list[Entry]:
        """Park one sequence's entries behind what is parked; return those that found it ended."""


def park(request: Mapping[str, Any], store: ParkedEvents) -> Lane:
    """Park what a wave of a lane could not deliver, with all that must not overtake it.

    `request` is `{client, lane, refused, error}`: `refused` holds the Ids that SQS did not accept,
    or is null when the whole call failed. Returns the lane that can go on.
    """
    parting = part(request["lane"], request["refused"])
    for sequence in sequences_of(parting.parked):
        store.park(request["client"], sequence, request["error"])
    return parting.lane


def select(request: Mapping[str, Any], store: ParkedEvents) -> list[Lane]:
    """Park events behind the parked sequences of a client; return the lanes with the rest.

    `request` is `{client, lanes}`. A sequence that a redrive ends meanwhile has had all its earlier
    events accepted: what found it ended stays in its lane and is sent.
    """
    client, lanes = request["client"], request["lanes"]
    sequences = [sequences_of(entries_of(lane)) for lane in lanes]
    group_ids = [sequence[0]["MessageGroupId"] for of_lane in sequences for sequence in of_lane]
    parked = store.parked_groups(client, group_ids)
    held = [
        entry
        for of_lane in sequences
        for sequence in of_lane
        if sequence[0]["MessageGroupId"] in parked
        for entry in _hold(client, sequence, store)
    ]
    return [without(lane, held) for lane in lanes]


def _hold(client: str, sequence: list[Entry], store: ParkedEvents) -> list[Entry]:
    too_late = store.park_behind(client, sequence)
    return sequence[: len(sequence) - len(too_late)]
