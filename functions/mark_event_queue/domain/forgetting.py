"""Marks that the producer forgot: what their removals say, and the notice that clients get who asked for one."""

from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple

from mark_event_queue.domain.clients import FORGOTTEN
from mark_event_queue.domain.events import to_deduplication_id, to_group_id, widened
from mark_event_queue.domain.order import text_of

NOTICE = "ForgottenNotice"
"""The name of the schema that the notice satisfies."""

# What a mark takes in a state beside its texts: itself, and the notice as the entry of a wave.
_OVERHEAD_BYTES = 870

# DynamoDB Developer Guide, TTL: who removed an item that had expired.
_EXPIRY = "dynamodb.amazonaws.com"


class Forgotten(NamedTuple):
    """A mark of which events were removed: which of them, and where in the stream that began."""

    mark: str
    group_id: str
    checkpoint: str
    create_times: tuple[str, ...]
    tells: bool = True
    """Whether it is told of: an event that expired is no mark that was forgotten."""

    def as_input(self) -> dict[str, Any]:
        """Return it in the shape that the state machine's input names; the notice as an event has it."""
        return {
            "eventId": to_deduplication_id(f"{FORGOTTEN}-{self.checkpoint}-{self.mark}"),
            "mark": self.mark,
            "groupId": self.group_id,
            "sequenceNumber": widened(self.checkpoint),
            "body": f'{{"notice":"{FORGOTTEN}","mark":{quoted(self.mark)}}}',
            "notice": FORGOTTEN,
            "createTimes": list(self.create_times),
            "tells": self.tells,
        }


def forgotten_by(record: Mapping[str, Any]) -> Forgotten:
    """Return what a removal says; one whose keys tell no mark says nothing that could be done."""
    change = record.get("dynamodb")
    keys = change.get("Keys") if isinstance(change, dict) else None
    mark, create_time = text_of(keys, "mark"), text_of(keys, "createTime")
    checkpoint = str(change.get("SequenceNumber", "")) if isinstance(change, dict) else ""
    identity = record.get("userIdentity")
    expired = isinstance(identity, dict) and identity.get("principalId") == _EXPIRY
    return Forgotten(mark, to_group_id(mark), checkpoint, (create_time,), not expired)


def together(removals: Iterable[Forgotten]) -> list[Forgotten]:
    """Return removals that follow one another as one for each mark, in the order of their first."""
    marks: dict[tuple[str, bool], Forgotten] = {}
    for one in removals:
        place = one.mark, one.tells
        known = marks.get(place)
        marks[place] = known._replace(create_times=known.create_times + one.create_times) if known else one
    return list(marks.values())


def cost(removal: Forgotten) -> int:
    """Return an upper bound of the bytes that a removal takes in any state of an execution, alone in its mark."""
    texts = 4 * len(quoted(removal.mark)) + 3 * len(removal.group_id)
    return _OVERHEAD_BYTES + texts + sum(len(quoted(one)) + 2 for one in removal.create_times)
