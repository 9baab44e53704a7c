"""Lanes and waves: in which calls the events of a batch travel so that no mark overtakes itself."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from mark_event_queue.domain.errors import MalformedLaneError

# SQS API Reference, SendMessageBatch: at most ten entries.
WAVE_SIZE = 10

Entry = dict[str, Any]
Lane = dict[str, Any]


def entry_of(event: Mapping[str, Any]) -> Entry:
    """Return the SendMessageBatch entry of an event, or of a notice; the planner gives it its Id."""
    first = "notice" if "notice" in event else "eventId"
    names = (first, "sequenceNumber", "late") if "late" in event else (first, "sequenceNumber")
    return {
        "Id": "0",
        "MessageBody": event["body"],
        "MessageGroupId": event["groupId"],
        "MessageDeduplicationId": event["eventId"],
        "MessageAttributes": {name: {"DataType": "String", "StringValue": event[name]} for name in names},
    }


def plan(entries: Iterable[Entry]) -> list[Lane]:
    """Return the lanes of the entries, given in order: `{waves, cursor, last, parked}` each.

    A wave never holds two entries of one group, and a group's next entry is in a later wave of the
    same lane, so it leaves only when the one before it was accepted. Groups with similar numbers
    of entries share a lane, because the calls are the sum over lanes of the longest group in each.
    An entry's Id is its position in its wave.
    """
    longest_first = sorted(sequences_of(entries), key=len, reverse=True)
    return [
        _lane(_waves(longest_first[start : start + WAVE_SIZE])) for start in range(0, len(longest_first), WAVE_SIZE)
    ]


def sequences_of(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Return the entries group by group, each group in the order given."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry["MessageGroupId"], []).append(entry)
    return list(groups.values())


def entries_of(lane: Lane) -> list[Entry]:
    """Return the entries that the lane has still to send, wave by wave."""
    return [entry for wave in _remaining_waves(lane) for entry in wave]


class Parting(NamedTuple):
    """What becomes of a lane in which entries were refused."""

    parked: list[Entry]
    lane: Lane


def part(lane: Lane, refused_ids: Iterable[str] | None = None) -> Parting:
    """Split a lane where a wave failed: what has to be parked, and the lane that can go on.

    Parked are the refused entries of the current wave (all of it when `refused_ids` is None, as
    after a failed call) and every later entry of their groups, which must not overtake them.
    """
    current, *later = _remaining_waves(lane) or [[]]
    refused = {entry["Id"] for entry in current} if refused_ids is None else set(refused_ids)
    parked = [entry for entry in current if entry["Id"] in refused]
    groups = {entry["MessageGroupId"] for entry in parked}
    followers = [entry for wave in later for entry in wave if entry["MessageGroupId"] in groups]
    on_their_way = [[entry for entry in wave if entry["MessageGroupId"] not in groups] for wave in later]
    return Parting(parked + followers, _lane(on_their_way, parked=lane["parked"] + len(parked) + len(followers)))


def without(lane: Lane, held: Iterable[Entry]) -> Lane:
    """Return the lane without the entries that were parked behind earlier ones.

    An entry is told from others by its place in the stream, not by its event id: a producer's
    mistake may repeat that, and the other event is not parked.
    """
    places = {place_of(entry) for entry in held}
    remaining = _remaining_waves(lane)
    kept = [[entry for entry in wave if place_of(entry) not in places] for wave in remaining]
    return _lane(kept, parked=lane["parked"] + sum(map(len, remaining)) - sum(map(len, kept)))


def number_of(entry: Entry) -> str:
    """Return the stream's sequence number of the event that an entry carries, 40 digits wide."""
    return str(entry["MessageAttributes"]["sequenceNumber"]["StringValue"])


def place_of(entry: Entry) -> tuple[str, str]:
    """Return where in the stream the event of an entry stands, which no other event shares: group and number."""
    return entry["MessageGroupId"], number_of(entry)


def _waves(groups: Sequence[Sequence[Entry]]) -> list[list[Entry]]:
    return [[entry for entry in wave if entry is not None] for wave in zip_longest(*groups)]


def _lane(waves: Iterable[list[Entry]], parked: int = 0) -> Lane:
    numbered = [[entry | {"Id": str(position)} for position, entry in enumerate(wave)] for wave in waves if wave]
    return {"waves": numbered, "cursor": 0, "last": len(numbered) - 1, "parked": parked}


def _remaining_waves(lane: Lane) -> list[list[Entry]]:
    try:
        waves: list[list[Entry]] = lane["waves"][lane["cursor"] :]
    except (KeyError, TypeError) as error:
        raise MalformedLaneError(f"a lane is {{waves, cursor, last, parked}}: {error!r}") from error
    return waves
