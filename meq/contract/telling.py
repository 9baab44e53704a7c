"""What `meq contract check` and `publish` print: JSON whose keys stay, or text for people."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from meq.contract.checking import BREAKING, NEW, NONE, Check, Finding, Major
from meq.contract.evolution import CHANGED, LOOSENED, TIGHTENED
from meq.text import many, quoted, safe

_MEANS = {
    TIGHTENED: "events that {} allows would be rejected.",
    LOOSENED: "consumers of {} could not read what is allowed now.",
    CHANGED: "events that {} allows may be rejected, or its consumers may not read what is allowed now.",
}
_FOUND_BY = {
    ("rules",): "the rules alone: no generated event shows it",
    ("generated",): "a generated event alone: no rule tells of it",
    ("rules", "generated"): "the rules, and a generated event shows it",
}


def plain(found: Check, new: Sequence[Path] | None = None) -> dict[str, Any]:
    """Return a check as JSON has it, and with it what was published."""
    published = {} if new is None else {"published": [path.name for path in new]}
    return {"allowed": found.allowed, **published, "majors": [_plain_major(one) for one in found.majors]}


def _plain_major(one: Major) -> dict[str, Any]:
    return {
        "major": one.major,
        "version": one.version,
        "against": list(one.against),
        "kind": one.kind,
        "findings": [
            {
                "subjects": list(finding.subjects),
                "path": finding.path,
                "rule": finding.rule,
                "direction": finding.direction,
                "against": list(finding.against),
                "foundBy": list(finding.found_by),
                "allowed": finding.allowed,
            }
            for finding in one.findings
        ],
        "problems": list(one.problems),
        "hints": list(one.hints),
        "generatedEvents": one.generated_events,
    }


def told(found: Check) -> list[str]:
    """Return what a check found, and in the last line what to do."""
    return [*(line for one in found.majors for line in _told_major(one)), _to_do(found)]


def _told_major(one: Major) -> Iterator[str]:
    against = f" against {_named(one.against)}" if one.against else ""
    yield f"{safe(str(one.folder))} {one.version or 'of no version'}{against}: {_verdict(one)}"
    for finding in one.findings:
        yield from _told_finding(finding)
    for problem in one.problems:
        yield f"  {safe(problem)}"
    for hint in one.hints:
        yield f"  {safe(hint)}"


def _verdict(one: Major) -> str:
    if one.kind == BREAKING:
        return many(len(one.findings), "breaking change")
    agree = f"; {one.generated_events:,} generated events agree" if one.generated_events else ""
    if one.kind == NEW:
        return "a new major version, with nothing before it"
    return f"nothing changed{agree}" if one.kind == NONE else f"an allowed change ({one.kind}){agree}"


def _told_finding(one: Finding) -> Iterator[str]:
    others = len(one.subjects) - 1
    who = one.subjects[0] + f" and {others} more" * bool(others)
    means = _MEANS[one.direction].format(_named(one.against))
    yield f"  {safe(who)}  {safe(one.path) or '(the whole)'}  {one.rule}  {one.direction}: {means}"
    yield f"    Found by {_FOUND_BY[tuple(one.found_by)]}."
    yield f"    Allowed instead: {one.allowed}"


def _named(versions: Sequence[str]) -> str:
    *first, last = versions
    return f"{', '.join(first)} and {last}" if first else last


def _to_do(found: Check) -> str:
    broken = next((one for one in found.majors if one.kind == BREAKING), None)
    if broken:
        return _new_major(broken, max(one.major for one in found.majors) + 1)
    if not found.allowed:
        return "Mend this, then check again."
    to_publish = [one for one in found.majors if one.kind != NONE]
    where = "" if found.folder == Path("schemas") else f" --schemas {quoted(str(found.folder))}"
    return f"To publish: meq contract publish{where}" if to_publish else "Nothing to do."


def _new_major(one: Major, number: int) -> str:
    folder, fresh = quoted(str(one.folder)), quoted(str(one.folder.parent / f"v{number}"))
    return (
        f"Make it an allowed change, or a new major version: cp -r {folder} {fresh}; in {fresh} put /v{number}/ into "
        f"each $id and {number}.0.0 into VERSION; then take the change back in {folder}."
    )
