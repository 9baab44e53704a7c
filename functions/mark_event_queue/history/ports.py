"""What a history reads and writes, as its steps need it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from mark_event_queue.domain.held import HeldSequence, Sequences
from mark_event_queue.domain.history import HistoryState, Passed, Progress, Segment
from mark_event_queue.domain.rounds import Entry

Item = dict[str, Any]


class EventTable(Protocol):
    """The producer's table."""

    def marks(self, segment: int, segments: int, after: Mapping[str, Any]) -> Iterator[list[Item]]:
        """Yield the marks of a segment behind a key, each with all its items."""

    def mark(self, mark: str) -> list[Item]:
        """Return the items of one mark."""

    def size(self) -> tuple[int, int]:
        """Return about how many items the table has, and how many bytes."""


class Histories(Protocol):
    """The store of the clients' histories."""

    def state(self, client: str) -> HistoryState:
        """Return what is known of a client's history."""

    def begin(self, client: str, history: str, run: str, segments: int) -> None:
        """Begin a run of a client's history."""

    def move(self, client: str, run: str, progress: Progress) -> None:
        """Note how far a run is, if it is still the client's."""

    def end(self, client: str, history: str) -> None:
        """Know nothing of a client's history any more."""

    def segment(self, client: str, run: str, number: int) -> Segment:
        """Return how far a segment of this run is."""

    def segments(self, client: str, run: str) -> list[Segment]:
        """Return the segments of this run that have been begun."""

    def claim(self, client: str, run: str, number: int) -> tuple[Segment, str]:
        """Return how far a segment of this run is, and a name under which that is noted from now on, by nobody else."""

    def save(self, client: str, run: str, number: int, segment: Segment, holder: str) -> bool:
        """Note how far a segment is; tell whether it was still this holder's."""

    def remember(self, client: str, places: Iterable[tuple[str, str]]) -> None:
        """Remember events, by group and event id, that may come once more."""

    def list_passed(self, client: str, passed: Iterable[Passed]) -> None:
        """List events that history passes over."""

    def given_up_at_gate(self) -> set[str]:
        """Return the ids of the events that were discarded at the gate."""


class HeldEvents(Sequences, Protocol):
    """The table of what waits, as a history needs it."""

    def held_from(self, recipient: str, group_ids: Iterable[str]) -> dict[str, str]:
        """Return those of the groups that are held."""

    def sequences(self, recipient: str, after: str, limit: int) -> list[HeldSequence]:
        """Return held sequences of the recipient, ordered by group id, those behind `after`."""

    def close(self, recipient: str, mark: str) -> None:
        """Hold what comes of a mark, and let nothing of it go, until it is opened."""

    def open(self, recipient: str, mark: str) -> None:
        """Let what is held of a mark go again."""

    def forget(self, recipient: str, entries: Sequence[Entry], upcoming: Mapping[str, Entry]) -> None:
        """Take events out of the table."""

    def count_out(self, recipient: str, events: int) -> None:
        """Note that a recipient has so many events fewer."""


class Queue(Protocol):
    """A client's queue."""

    def send(self, queue_url: str, wave: Sequence[Entry]) -> dict[str, str]:
        """Send a wave; return the names of the errors by Id of those entries that were not accepted."""


class Pace(Protocol):
    """Keeps a history from being faster than it may be."""

    def wait_for(self, events: int) -> None:
        """Wait until so many further events may be sent."""

    def pause(self, attempt: int) -> None:
        """Wait before a refused call is tried again."""


class Stores(NamedTuple):
    """What a history reads and writes."""

    table: EventTable
    histories: Histories
    held: HeldEvents
    queue: Queue
