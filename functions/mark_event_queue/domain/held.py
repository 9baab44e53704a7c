"""What waits, for whomever: the words that holding, redrive, survey and people share."""

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import unquote

from mark_event_queue.domain.events import HASHED
from mark_event_queue.domain.rounds import Entry, told

GATE = "gate"
"""The recipient in front of everybody: what it holds nobody gets. No client may have this name."""

PARKED = "parked"
PAUSED = "paused"
HISTORY = "history"
PINNED = "pinned"
QUARANTINED = "quarantined"

OTHER_MAJOR = "NotValidInPinnedMajor"
"""The error of a sequence whose first event is not valid in the major version that its client has pinned."""

CONTRACT_BROKEN = "ContractBroken"
"""The error of a sequence whose first event breaks the contract."""

_EVENTS_PER_READ = 100


class HeldSequence(NamedTuple):
    """The events of one mark that wait for a recipient: since when (UTC) and why; what is known of the first."""

    group_id: str
    mark: str
    events: int
    since: str
    reason: str
    error: str
    first_event_id: str
    violations: str
    """JSON text: a list of `{path, rule}`, empty where the first event breaks no rule."""


class Recipient(NamedTuple):
    """A client, or the gate, of whom something is held, and about how many events; when (UTC) some last left."""

    name: str
    events: int
    progress: str = ""


class Sequences(Protocol):
    """The store of what waits, as whoever reads a whole sequence needs it."""

    def events(self, recipient: str, group_id: str, limit: int, after: Entry | None = None) -> list[Entry]:
        """Return the first events of a sequence, in order, or the first ones behind an event."""


def pages_of(recipient: str, group_id: str, store: Sequences) -> Iterator[list[Entry]]:
    """Yield the events of a sequence, in order, page by page; whoever has a page may take its events out."""
    after: Entry | None = None
    while entries := store.events(recipient, group_id, _EVENTS_PER_READ, after=after):
        yield entries
        after = entries[-1]


def mark_of(entry: Entry) -> str:
    """Return the mark whose event an entry carries: from its group id, or, where that is a hash, from its body."""
    group_id = str(entry["MessageGroupId"])
    if not group_id.startswith(HASHED):
        return unquote(group_id)
    try:
        event = json.loads(entry["MessageBody"])
    except (ValueError, RecursionError):
        return group_id
    named = event.get("tableKey", event) if isinstance(event, Mapping) else {}
    mark = named.get("mark") if isinstance(named, Mapping) else None
    return mark if isinstance(mark, str) else group_id


def is_late(entry: Entry) -> bool:
    """Tell whether the event that an entry carries came by a replay, behind later events of its mark."""
    return bool(told(entry, "late"))


def notice_of(entry: Entry) -> str:
    """Return what an entry tells that is no event, such as `forgotten`; nothing for an event."""
    return told(entry, "notice")


def violations_of(entry: Entry) -> str:
    """Return the rules that an entry withheld at the gate breaks, as JSON text: a list, empty if it breaks none."""
    if "Unfit" in entry:
        return json.dumps([{"path": "", "rule": entry["Unfit"]}], separators=(",", ":"))
    return str(entry.get("Violations", "[]"))
