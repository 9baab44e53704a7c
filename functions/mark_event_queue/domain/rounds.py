"""Rounds and waves: in which calls the events of a batch travel so that no mark overtakes itself."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from mark_event_queue.domain.errors import MalformedPlanError

# SQS API Reference, SendMessageBatch: at most ten entries.
WAVE_SIZE = 10

MAY_BE_TOLD = ("schema", "schemaVersions", "late")
"""Message attributes that not every event has; see `domain.versions` and `domain.events`."""

Entry = dict[str, Any]
Wave = list[Entry]
Plan = dict[str, Any]


def entry_of(event: Mapping[str, Any]) -> Entry:
    """Return the SendMessageBatch entry of an event, or of a notice; the planner gives it its Id."""
    names = ["notice" if "notice" in event else "eventId", "sequenceNumber"]
    names += [name for name in MAY_BE_TOLD if name in event]
    attributes = {name: {"DataType": "String", "StringValue": event[name]} for name in names}
    return {
        "Id": "0",
        "MessageBody": event["body"],
        "MessageGroupId": event["groupId"],
        "MessageDeduplicationId": event["eventId"],
        "MessageAttributes": attributes,
    }


def plan(entries: Iterable[Entry], parked: int = 0) -> Plan:
    """Return the plan by which entries, given in order, are sent: `{waves, rounds, now, cursor, last, parked}`.

    The `waves` of a round leave side by side; `rounds` names those of each round by their places. A group's first
    entry is in the first round, its second in the second: it leaves only when the one before it was accepted.
    `now` is the round that `cursor` points at, `last` the place of the last one, -1 if there is nothing to send.
    An entry's Id is `<wave>-<place in it>`, by which the definition finds what SQS refused.
    """
    waves: list[Wave] = []
    rounds: list[list[int]] = []
    for one_each in zip_longest(*sequences_of(entries)):
        leaving = [entry for entry in one_each if entry is not None]
        first = len(waves)
        for start in range(0, len(leaving), WAVE_SIZE):
            wave = enumerate(leaving[start : start + WAVE_SIZE])
            waves.append([entry | {"Id": f"{len(waves)}-{place}"} for place, entry in wave])
        rounds.append(list(range(first, len(waves))))
    return {
        "waves": waves,
        "rounds": rounds,
        "now": rounds[0] if rounds else [],
        "cursor": 0,
        "last": len(rounds) - 1,
        "parked": parked,
    }


def sequences_of(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Return the entries group by group, each group in the order given."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry["MessageGroupId"], []).append(entry)
    return list(groups.values())


def entries_of(plan: Plan) -> list[Entry]:
    """Return the entries that are still to be sent, round by round."""
    return [entry for round_ in _remaining_rounds(plan) for entry in round_]


class Parting(NamedTuple):
    """What becomes of a plan in which entries were refused."""

    parked: list[Entry]
    plan: Plan


def part(plan_: Plan, refused_ids: Collection[str] | None) -> Parting:
    """Split a plan where a round failed: what has to be parked, and the plan that can go on.

    Parked are the refused entries of the current round (all of it when `refused_ids` is None) and every
    later entry of their groups, which must not overtake them.
    """
    current, *later = _remaining_rounds(plan_) or [[]]
    parked = [entry for entry in current if refused_ids is None or entry["Id"] in refused_ids]
    groups = {entry["MessageGroupId"] for entry in parked}
    following = [entry for round_ in later for entry in round_]
    followers = [entry for entry in following if entry["MessageGroupId"] in groups]
    on_their_way = [entry for entry in following if entry["MessageGroupId"] not in groups]
    return Parting(parked + followers, plan(on_their_way, plan_["parked"] + len(parked) + len(followers)))


def without(plan_: Plan, held: Iterable[Entry]) -> Plan:
    """Return the plan without the entries that were parked behind earlier ones.

    An entry is told from others by its place in the stream, not by its event id: a producer's
    mistake may repeat that, and the other event is not parked.
    """
    places = {place_of(entry) for entry in held}
    remaining = entries_of(plan_)
    kept = [entry for entry in remaining if place_of(entry) not in places]
    return plan(kept, plan_["parked"] + len(remaining) - len(kept))


def number_of(entry: Entry) -> str:
    """Return the stream's sequence number of the event that an entry carries, 40 digits wide."""
    return told(entry, "sequenceNumber")


def told(entry: Entry, name: str) -> str:
    """Return what a message attribute of an entry says; nothing if there is none of that name."""
    return str(entry["MessageAttributes"].get(name, {}).get("StringValue", ""))


def place_of(entry: Entry) -> tuple[str, str]:
    """Return where in the stream the event of an entry stands, which no other event shares: group and number."""
    return entry["MessageGroupId"], number_of(entry)


def _remaining_rounds(plan_: Plan) -> Sequence[list[Entry]]:
    try:
        waves, rounds = plan_["waves"], plan_["rounds"][plan_["cursor"] :]
        return [[entry for place in round_ for entry in waves[place]] for round_ in rounds]
    except (KeyError, TypeError, IndexError) as error:
        raise MalformedPlanError(f"a plan is {{waves, rounds, now, cursor, last, parked}}: {error!r}") from error
