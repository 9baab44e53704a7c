"""In which versions of the contract an event is valid, as its message tells it, and as a client may have pinned it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mark_event_queue.domain.rounds import Entry, told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mark_event_queue.domain.contract import Judgement

SCHEMA = "schema"
"""The message attribute that tells event type and version: the oldest deployed one in which the event is valid."""

VERSIONS = "schemaVersions"
"""The message attribute that tells all versions in which the event is valid, where there are several."""

_PIN = "major "

# What was held before events told their version is of the only one that there was.
_FIRST_MAJOR = 1


def told_by(judgement: Judgement) -> dict[str, str]:
    """Return the message attributes of a valid event, or of a notice."""
    label = {SCHEMA: f"{judgement.name}/{judgement.versions[0]}"}
    if len(judgement.versions) > 1:
        label[VERSIONS] = " ".join(judgement.versions)
    return label


def as_pinned(entry: Entry, major: int) -> Entry | None:
    """Return an entry as a client gets it that has pinned a major version (0: none); None: it is not valid in that."""
    versions = told(entry, VERSIONS).split()
    if not versions:
        return entry if major in (0, _major_told(entry)) else None
    version = next((one for one in versions if major in (0, _major_of(one))), "")
    return _labelled(entry, f"{told(entry, SCHEMA).partition('/')[0]}/{version}") if version else None


def judged_anew(entry: Entry, judgement: Judgement) -> Entry:
    """Return an entry that tells what a judgement of today says of it; one that is not valid any more as it is."""
    if not judgement.versions:
        return entry
    kept = {name: said for name, said in entry["MessageAttributes"].items() if name not in (SCHEMA, VERSIONS)}
    anew = {name: {"DataType": "String", "StringValue": text} for name, text in told_by(judgement).items()}
    return entry | {"MessageAttributes": kept | anew}


def settled_by(entries: Iterable[Entry]) -> list[str]:
    """Return the pin with which a client gets these entries as they are, see `pin_of`; nothing if there is none."""
    majors = {_major_told(entry) for entry in entries}
    return [pin_of(majors.pop())] if len(majors) == 1 else []


def pins_in(told_beside: Iterable[str]) -> list[str]:
    """Return the pins among what is told beside a batch: names of recipients, of histories, and of what is pinned."""
    return [one for one in told_beside if one.startswith(_PIN)]


def pin_of(major: int) -> str:
    """Return what stands for a pinned major version where names of clients and histories stand: none has a space."""
    return f"{_PIN}{major}"


def _labelled(entry: Entry, label: str) -> Entry:
    told_anew = {SCHEMA: {"DataType": "String", "StringValue": label}}
    return entry | {"MessageAttributes": entry["MessageAttributes"] | told_anew}


def _major_told(entry: Entry) -> int:
    return _major_of(told(entry, SCHEMA).partition("/")[2])


def _major_of(version: str) -> int:
    return int(version.partition(".")[0]) if version else _FIRST_MAJOR
