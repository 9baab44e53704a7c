"""How the console's pages say what they show: marks, instants, lengths of time, broken rules."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from mark_event_queue.domain.held import GATE
from meq.table import Violation
from meq.text import safe


def shown(value: Any) -> Any:
    """Return what is shown for a value: of a text no character that could not be seen."""
    if value is None:
        return ""
    if isinstance(value, Markup):  # a part of a page, which has lines
        return Markup("\n").join(Markup(safe(line)) for line in value.split("\n"))  # noqa: S704 - it is escaped already
    return safe(value) if isinstance(value, str) else value


def whose(recipient: str) -> str:
    """Return who a recipient is."""
    return "the gate" if recipient == GATE else recipient


def word(mark: str) -> str:
    """Return a mark for addresses and forms, which may change what cannot be seen: then as a JSON string."""
    return mark if mark.isprintable() and not mark.startswith('"') and mark == mark.strip() else json.dumps(mark)


def instant_of(given: str | None) -> datetime | None:
    """Return the instant that a text says, or None."""
    try:
        found = datetime.fromisoformat(given or "")
    except ValueError:
        return None
    return found if found.tzinfo else None


def rules(violations: Iterable[Violation]) -> str:
    """Return the rules that are broken, and where."""
    return "; ".join(f"{one.path} {one.rule}".strip() for one in violations)


def instant(at: datetime | str | None) -> str:
    """Return an instant to the second, as UTC."""
    if at is None:
        return "not known"
    parsed = at if isinstance(at, datetime) else instant_of(at)
    return f"{parsed.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if parsed else str(at)


def ago(at: datetime | str | None) -> str:
    """Return how long ago it was, roughly."""
    parsed = at if isinstance(at, datetime) else instant_of(at)
    return f"{duration((datetime.now(UTC) - parsed).total_seconds())} ago" if parsed else ""


def duration(seconds: float | None) -> str:
    """Return a length of time, roughly."""
    if seconds is None:
        return "not known"
    if seconds < 1:
        return f"{max(0, seconds) * 1000:.0f} ms"
    if seconds < 100:  # noqa: PLR2004 - what reads well
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004 - as above
    for unit, length in (("days", 86_400), ("hours", 3_600)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 60:.0f} min"
