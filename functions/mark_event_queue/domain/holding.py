"""The rule that keeps the order: while a sequence is held, further events of it are held behind, not sent."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from mark_event_queue.domain.rounds import Entry, Plan, entries_of, number_of, place_of, sequences_of, without


class HeldEvents(Protocol):
    """The store of what waits, as whoever holds events needs it."""

    def hold(self, recipient: str, sequences: Iterable[Sequence[Entry]], reason: str, error: str) -> None:
        """Hold sequences of entries, each in order, starting those that are not held yet."""

    def held_from(self, recipient: str, group_ids: Iterable[str]) -> dict[str, str]:
        """Return those of the groups that are held, each with the sequence number from which on, if that is known."""

    def hold_behind(self, recipient: str, sequences: Iterable[Sequence[Entry]]) -> list[Entry]:
        """Hold entries behind what is held of their sequences; return those that found theirs ended."""


def hold_followers(recipient: str, plan: Plan, store: HeldEvents) -> Plan:
    """Hold events behind the held sequences of a recipient; return the plan of the rest.

    An event from before the first that is held has been dealt with, or is late anyway: it is not held
    up. A sequence that a redrive ends meanwhile has had all its earlier events accepted: what found it
    ended stays in the plan and is sent.
    """
    sequences = sequences_of(entries_of(plan))
    held_from = store.held_from(recipient, [sequence[0]["MessageGroupId"] for sequence in sequences])
    followers = [
        [entry for entry in sequence if number_of(entry) >= held_from[sequence[0]["MessageGroupId"]]]
        for sequence in sequences
        if sequence[0]["MessageGroupId"] in held_from
    ]
    too_late = {place_of(entry) for entry in store.hold_behind(recipient, filter(None, followers))}
    held = [entry for sequence in followers for entry in sequence if place_of(entry) not in too_late]
    return without(plan, held)
