"""What is parked, for whom and since when, in numbers; no payloads."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from mark_event_queue.domain.parked import ParkedSequence

_PAGE = 100


class ParkedClients(Protocol):
    """The store of parked events, as a survey needs it."""

    def clients(self) -> list[str]:
        """Return the clients of whom anything may be parked."""

    def sequences(self, client: str, after: str, limit: int) -> list[ParkedSequence]:
        """Return parked sequences of the client, ordered by group id, those behind `after`."""

    def count(self, client: str, group_id: str) -> int:
        """Return how many events are parked in a sequence."""


class Held(NamedTuple):
    """What is held back for one client."""

    client: str
    sequences: int
    events: int
    oldest_seconds: int


def survey(store: ParkedClients, now: datetime) -> list[Held]:
    """Return what is parked at the moment, by client."""
    return [_held(client, list(_sequences(store, client)), store, now) for client in store.clients()]


def _held(client: str, sequences: list[ParkedSequence], store: ParkedClients, now: datetime) -> Held:
    events = sum(store.count(client, sequence.group_id) for sequence in sequences)
    oldest = min((datetime.fromisoformat(sequence.since).astimezone(UTC) for sequence in sequences), default=now)
    return Held(client, len(sequences), events, int((now - oldest).total_seconds()))


def _sequences(store: ParkedClients, client: str) -> Iterator[ParkedSequence]:
    after = ""
    while page := store.sequences(client, after, _PAGE):
        yield from page
        after = page[-1].group_id
