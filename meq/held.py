"""What is held, for whom, since when and why. The body of an event is read for `show` alone, if it is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

from mark_event_queue.adapters.held_events import HISTORY_PREFIX, RECIPIENTS
from mark_event_queue.adapters.held_writes import recipient_key, sequence_key
from mark_event_queue.domain.events import to_deduplication_id, to_group_id
from mark_event_queue.domain.held import GATE
from meq.errors import NothingHeldError
from meq.stack import Stack
from meq.table import Item, Table, Violation, violations_of
from meq.text import alike, quoted, safe

_WITHOUT_BODY = "eventId, sequenceNumber, heldAt, violations, unfit, late"


@dataclass(frozen=True)
class Held:
    """What is held of a mark for a recipient; the violations are those of the first event."""

    recipient: str
    mark: str
    events: int
    since: str
    reason: str
    first_event_id: str | None
    violations: list[Violation]
    error: str


@dataclass(frozen=True)
class HeldEvent:
    """A held event. Its body is personal data, and there only if it was asked for."""

    recipient: str
    mark: str
    event_id: str
    sequence_number: str
    held_at: str | None
    late: bool
    violations: list[Violation]
    unfit: str | None
    reason: str
    error: str
    body: str | None


class HeldEvents:
    """What the table of a stack holds; its calls grow with the pages of what is listed."""

    def __init__(self, stack: Stack) -> None:
        self._table = Table(stack)

    def recipients(self) -> list[str]:
        """Return those for whom anything may be held, the gate first."""
        names = [item["sk"] for item in self._table.query(RECIPIENTS) if not item["sk"].startswith(HISTORY_PREFIX)]
        return sorted(names, key=lambda name: (name != GATE, name))

    def all(self, recipient: str | None = None, mark: str | None = None) -> Iterator[Held]:
        """Yield what is held, by recipient and mark; of one recipient or mark if asked."""
        for name in [recipient] if recipient else self.recipients():
            for sequence in self._sequences(name, mark):
                yield _held(name, sequence)

    def event(self, recipient: str, mark: str, event_id: str | None = None, body: bool = False) -> HeldEvent:
        """Return the first event that is held of a mark, or the one of this id.

        Raises:
            NothingHeldError: nothing of the mark is held, or no such event of it.
        """
        sequence = next(self.all(recipient, mark), None)
        if not sequence:
            raise NothingHeldError(self.nothing(recipient, mark))
        names = f"{_WITHOUT_BODY}, body" if body else _WITHOUT_BODY
        found = self._table.query(sequence_key(recipient, to_group_id(mark)), ProjectionExpression=names)
        # What sends events shortens ids that SQS would not take: an id as the producer wrote it is found, too.
        ids = {event_id, to_deduplication_id(event_id)} if event_id else set()
        item = next((one for one in found if not ids or one["eventId"] in ids), None)
        if not item:
            which = f"The event {safe(event_id)}" if event_id else "No event"
            told = "is not held of" if event_id else "is left of"
            raise NothingHeldError(f"{which} {told} the mark {quoted(mark)} {whose(recipient)}.")
        return _event(sequence, item)

    def events(self, sequence: Held) -> Iterator[HeldEvent]:
        """Yield the events of a held sequence, in order, without their bodies."""
        key = sequence_key(sequence.recipient, to_group_id(sequence.mark))
        return (_event(sequence, item) for item in self._table.query(key, ProjectionExpression=_WITHOUT_BODY))

    def found(self, recipient: str, mark: str, event_id: str) -> HeldEvent | None:
        """Return an event that is held of a mark, if it is."""
        try:
            return self.event(recipient, mark, event_id)
        except NothingHeldError:
            return None

    def discarded(self, recipient: str) -> Iterator[Item]:
        """Yield what was given up for a recipient, as it stands on record."""
        return self._table.query(f"DISCARDED#{recipient}")

    def holds(self, recipient: str, mark: str | None = None) -> bool:
        """Tell whether anything of this mark, or of any, is held for a recipient."""
        return next(self._sequences(recipient, mark), None) is not None

    def nothing(self, recipient: str, mark: str | None) -> str:
        """Return what to say of a recipient, or of a mark, of which nothing is held: perhaps another one was meant."""
        if not mark:
            return f"Nothing is held {whose(recipient)}."
        like = [quoted(one) for one in self.like(recipient, mark)]
        hint = f" Did you mean {' or '.join(like)}?" if like else " See: meq held."
        return f"Nothing of the mark {quoted(mark)} is held {whose(recipient)}.{hint}"

    def like(self, recipient: str | None, mark: str) -> list[str]:
        """Return the marks that are held, for a recipient or for any, and differ from this one in case and spaces."""
        names = [recipient] if recipient else self.recipients()
        marks = (sequence["mark"] for name in names for sequence in self._sequences(name, None))
        return list(dict.fromkeys(one for one in marks if alike(one) == alike(mark)))

    def left(self, recipient: str, mark: str | None = None) -> int:
        """Return how many events of a mark, or of all, are held for a recipient: a number that is kept, one read."""
        place = (recipient_key(recipient), to_group_id(mark)) if mark else (RECIPIENTS, recipient)
        return max(0, int(self._table.get(*place).get("events", 0)))

    def _sequences(self, recipient: str, mark: str | None) -> Iterator[Item]:
        if not mark:
            yield from self._table.query(recipient_key(recipient))
        elif sequence := self._table.get(recipient_key(recipient), to_group_id(mark)):
            yield sequence


def whose(recipient: str) -> str:
    """Return for whom, or where, something is held."""
    return "at the gate" if recipient == GATE else f"for {safe(recipient)}"


def _held(recipient: str, sequence: Item) -> Held:
    return Held(
        recipient=recipient,
        mark=sequence["mark"],
        events=int(sequence["events"]),
        since=sequence["since"],
        reason=sequence["reason"],
        first_event_id=sequence.get("firstEventId") or None,
        violations=violations_of(sequence),
        error=sequence["error"],
    )


def _event(sequence: Held, item: Item) -> HeldEvent:
    return HeldEvent(
        recipient=sequence.recipient,
        mark=sequence.mark,
        event_id=item["eventId"],
        sequence_number=item["sequenceNumber"],
        held_at=item.get("heldAt"),
        late="late" in item,
        violations=violations_of(item),
        unfit=item.get("unfit"),
        reason=sequence.reason,
        error=sequence.error,
        body=item.get("body"),
    )
