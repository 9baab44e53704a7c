"""Whether the contract may be published as it is: each major version against all that was published of it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from mark_event_queue.domain.contract import MOST_MAJORS, IncompleteContractError, load_major, version_in
from meq.contract.evolution import (
    EVENT_TYPE_REMOVED,
    LOOSENED,
    NOTICE_REMOVED,
    TIGHTENED,
    Difference,
    covers,
    differences,
    instead,
)
from meq.contract.generated import Judge, Side, nothing_kept, rejected
from meq.contract.places import Documents, Place, canonical, without_words
from meq.contract.published import Schemas, Version, majors, published, read, version_of
from meq.errors import OperatorError
from meq.text import safe

RULES, GENERATED = "rules", "generated"
NONE, PATCH, MINOR, BREAKING, NEW = "none", "patch", "minor", "breaking", "new"


@dataclass(frozen=True)
class Finding:
    """A breaking change: of which events and notices, where, by which rule, against which published versions."""

    subjects: Sequence[str]
    path: str
    rule: str
    direction: str
    against: Sequence[str]
    found_by: Sequence[str]
    """`rules`, `generated` events, or both."""
    allowed: str
    """What kind of change would be allowed instead."""


@dataclass
class Major:
    """What is found of a major version."""

    major: int
    folder: Path
    version: str | None
    """What VERSION says; None where that is no version of this major."""
    against: Sequence[str]
    kind: str = NONE
    """`none`, `patch`, `minor`, `breaking`, or `new`: nothing of it was published before."""
    findings: Sequence[Finding] = ()
    problems: list[str] = field(default_factory=list)
    """What else has to be mended before it may be published."""
    hints: Sequence[str] = ()
    generated_events: int = 0
    """How many events were generated that the one side allows, and shown to the other."""

    @property
    def allowed(self) -> bool:
        """Whether it may be published, or is."""
        return not (self.findings or self.problems)


@dataclass(frozen=True)
class Check:
    """What is found of a folder of schemas."""

    folder: Path
    majors: Sequence[Major]

    @property
    def allowed(self) -> bool:
        """Whether every major version may be published, or is."""
        return all(one.allowed for one in self.majors)


def check(folder: Path) -> Check:
    """Hold every major version in a folder against all its published versions.

    Raises:
        OperatorError: the schemas cannot be read or compared.
    """
    kept = published(folder)
    found = majors(folder)
    if len(found) > MOST_MAJORS:
        raise OperatorError(
            f"{safe(str(folder))} has {len(found)} major versions, and {MOST_MAJORS} can be deployed together: "
            "delete the folder of the oldest, when no client needs it any more."
        )
    with nothing_kept():
        return Check(
            folder,
            [
                _major(number, path, {version: path for version, path in kept.items() if version.major == number})
                for number, path in found.items()
            ],
        )


class _Edition:
    """A version of the contract, taken apart: its events and notices, and what judges them."""

    def __init__(self, name: str, schemas: Schemas) -> None:
        self.name, self.schemas = name, schemas
        self._documents = Documents(schemas, name)
        self._sides: dict[str, Side] = {}

    @cached_property
    def _judge(self) -> Judge:
        return Judge(self.schemas, self.name)

    @property
    def subjects(self) -> set[str]:
        return {name.removesuffix(".json") for name in self.schemas if name.endswith(("Event.json", "Notice.json"))}

    def whole(self, subject: str) -> str:
        return self._documents.whole(f"{subject}.json")

    def side(self, subject: str) -> Side:
        """Return what judges an event; what is no event type any more is judged by the envelope, as at the gate."""
        file = f"{subject}.json" if subject in self.subjects else "envelope.json"
        if file not in self._sides:
            self._sides[file] = Side(self._documents.place(file), self._judge.of(file))
        return self._sides[file]


def _major(number: int, folder: Path, kept: dict[Version, Path]) -> Major:
    now = _Edition(folder.name, read(folder))
    before = {version: _Edition(f"published/{path.name}", read(path)) for version, path in kept.items()}
    result = Major(number, folder, None, [str(version) for version in kept])
    version = _version(folder, result)
    wrong_ids = [problem for edition in (now, *before.values()) for problem in _wrong_ids(edition, number)]
    result.problems += [*wrong_ids, *_unlisted(now)]
    if not kept and version and version != Version(number, 0, 0):
        result.problems.append(
            f"Nothing is published of {folder.name}, and {folder.name}/VERSION says {version}: a major version begins "
            f"with {number}.0.0. Bring back {folder.parent.name}/published, if it was lost."
        )
    found: dict[tuple[str, Difference, frozenset[str]], list[str]] = defaultdict(list)
    for earlier, edition in before.items() if not wrong_ids else ():
        comparison = _Comparison(edition, now)
        for subject, difference, found_by in comparison.findings():
            found[subject, difference, found_by].append(str(earlier))
        result.generated_events += comparison.events
        result.problems += [one for one in comparison.problems if one not in result.problems]
    result.findings = _together(found)
    newest = max(before, default=None)
    result.kind = _kind(now.schemas, before[newest].schemas) if newest else NEW
    if newest:
        result.hints = [_added(name) for name in sorted(now.subjects - before[newest].subjects)]
    if result.findings:
        result.kind = BREAKING
    elif newest and version:
        result.problems += _version_problem(result.kind, newest, version, folder)
    if result.allowed:
        result.problems += _not_loaded(folder)
    return result


def _version(folder: Path, result: Major) -> Version | None:
    try:
        result.version = version_in(folder)
    except IncompleteContractError as error:
        result.problems.append(f"{error}.")
    return version_of(result.version or "")


def _not_loaded(folder: Path) -> Iterator[str]:
    """Tell why the validator would not start with a major version."""
    try:
        load_major(folder)
    except IncompleteContractError as error:
        yield f"The validator would not start with {folder.name}: {error}."


def _wrong_ids(edition: _Edition, major: int) -> Iterator[str]:
    for name, schema in edition.schemas.items():
        if f"/v{major}/" not in schema["$id"]:
            yield f"{edition.name}/{name} has an $id without /v{major}/: put that in, in place of another version."


def _unlisted(edition: _Edition) -> Iterator[str]:
    """Tell of event types that have a schema and are not listed by the envelope, or the other way round."""
    if "envelope.json" not in edition.schemas:
        yield f"{edition.name} has no envelope.json, which lists the event types."
        return
    listed = set(edition.schemas["envelope.json"].get("properties", {}).get("eventName", {}).get("enum", ()))
    events = {name for name in edition.subjects if name.endswith("Event")}
    for name in sorted(events - listed):
        yield f"{edition.name}/envelope.json does not list {name}, so every {name} would be rejected: add it there."
    for name in sorted(map(str, listed - events)):
        yield f"{edition.name}/envelope.json lists {name}, which has no {name}.json: add the file, or take it off."


def _kind(now: Schemas, newest: Schemas) -> str:
    """Return what kind of change there is, supposed that it breaks nothing."""
    if canonical(dict(now)) == canonical(dict(newest)):
        return NONE
    said, was_said = ({name: without_words(one) for name, one in schemas.items()} for schemas in (now, newest))
    return PATCH if canonical(said) == canonical(was_said) else MINOR


def _version_problem(kind: str, newest: Version, version: Version, folder: Path) -> Iterator[str]:
    """Tell how VERSION and the kind of change do not fit."""
    if kind == NONE:
        if version != newest:
            yield f"VERSION is {version}, and nothing differs from {newest}: set it back to {newest}."
        return
    smallest = (
        newest._replace(patch=newest.patch + 1)
        if kind == PATCH
        else Version(newest.major, minor=newest.minor + 1, patch=0)
    )
    if version >= smallest:
        return
    what = "only words changed" if kind == PATCH else "more than words changed"
    yield f"VERSION is {version}, {newest} is published, and {what}: raise VERSION to {smallest}."
    if version == newest:
        yield (
            f"If {folder.name} was not changed, then published/{newest} was: "
            "a published version stays as it is, so take it from the version control again."
        )


def _added(subject: str) -> str:
    kind = "notice" if subject.endswith("Notice") else "event type"
    return f"{subject} is a new {kind}: nobody could rely on it, and consumers pass over those that they do not know."


class _Comparison:
    """A published version and what it is now: what the rules find, and what generated events show."""

    def __init__(self, old: _Edition, new: _Edition) -> None:
        self._old, self._new = old, new
        self.events = 0
        self.problems: list[str] = []
        self._seen: list[tuple[tuple[Place, Place], list[frozenset[Difference]]]] = []

    def findings(self) -> Iterator[tuple[str, Difference, frozenset[str]]]:
        """Yield each breaking change of each event type and notice, with who found it."""
        for subject in sorted(self._old.subjects):
            kept = subject in self._new.subjects
            if kept and self._old.whole(subject) == self._new.whole(subject):
                continue
            ruled = list(self._ruled(subject)) if kept else [_removed(subject)]
            seen = self._generated(subject) if kept or subject.endswith("Event") else ()
            for one in ruled:
                shown = any(covers(one, other) for event in seen for other in event)
                yield subject, one, frozenset({RULES, GENERATED} if shown else {RULES})
            yield from ((subject, other, frozenset({GENERATED})) for other in unexplained(ruled, seen))

    def _ruled(self, subject: str) -> Iterator[Difference]:
        yield from differences(self._old.side(subject).place, self._new.side(subject).place)

    def _generated(self, subject: str) -> Sequence[frozenset[Difference]]:
        """Return what each rejected event shows; of event types that differ in their names only, one stands for all."""
        old, new = self._old.side(subject), self._new.side(subject)
        alike = _nameless(old.place, subject), _nameless(new.place, subject)
        for before, shown in self._seen:
            if before == alike:
                return shown
        shown = [*self._shown(subject, old, new, TIGHTENED)]
        if subject in self._new.subjects:
            shown += self._shown(subject, new, old, LOOSENED)
        self._seen.append((alike, shown))
        return shown

    def _shown(self, subject: str, allowing: Side, judging: Side, direction: str) -> list[frozenset[Difference]]:
        seen = rejected(allowing, judging, free=direction == LOOSENED)
        self.events += seen.events
        if not seen.events:
            edition = self._old if direction == TIGHTENED else self._new
            self.problems.append(
                f"{edition.name}/{subject}.json allows none of the events that were generated for it: "
                "does it allow any?"
            )
        return [frozenset(Difference(*one, direction) for one in event) for event in seen.rejections]


def unexplained(ruled: Sequence[Difference], seen: Sequence[frozenset[Difference]]) -> list[Difference]:
    """Return what speaks against events that are rejected though no rule tells why."""
    strange = [event for event in seen if not any(covers(one, other) for one in ruled for other in event)]
    return sorted(frozenset().union(*strange))


def _nameless(event: Place, name: str) -> Place:
    """Return what is demanded of events of a type, but for their having its name."""
    place = event.properties.get("eventName")
    if place is None or place.values is None or place.values.keys() != {canonical(name)}:
        return event
    return replace(event, properties={**event.properties, "eventName": replace(place, values=None)})


def _removed(subject: str) -> Difference:
    return Difference("", EVENT_TYPE_REMOVED if subject.endswith("Event") else NOTICE_REMOVED, TIGHTENED)


class _Alike(NamedTuple):
    """What findings have in common that are told once."""

    difference: Difference
    against: tuple[str, ...]
    found_by: frozenset[str]


def _together(found: dict[tuple[str, Difference, frozenset[str]], list[str]]) -> list[Finding]:
    subjects: dict[_Alike, list[str]] = defaultdict(list)
    for (subject, difference, found_by), against in found.items():
        subjects[_Alike(difference, tuple(against), found_by)].append(subject)
    return [
        Finding(
            names,
            *one.difference,
            against=one.against,
            found_by=[name for name in (RULES, GENERATED) if name in one.found_by],
            allowed=instead(one.difference.rule, one.difference.direction),
        )
        for one, names in sorted(subjects.items(), key=lambda pair: (pair[0].difference, pair[0].against))
    ]
