"""Tracks: which batches of an invocation run side by side, so that a mark waits for nothing but itself."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from mark_event_queue.domain.batches import Batch, Carried, batch_of, in_order
from mark_event_queue.domain.events import Event
from mark_event_queue.domain.forgetting import Forgotten
from mark_event_queue.domain.rounds import WAVE_SIZE

# Calls that wait for one another in an execution: its start and the validator; for each round that of the fan-out
# queue and that of the client's.
_CALLS_PER_BATCH = 2
_CALLS_PER_ROUND = 2


class Turn(NamedTuple):
    """A batch of a track, and whether an earlier one of the same track has events of the same marks."""

    batch: Batch
    follows: bool


Track = list[Turn]
Chain = list[Batch]
Sequences = Iterable[Sequence[Carried]]


@dataclass
class _Bin:
    """Sequences that travel in one batch."""

    size: int = 0
    carried: list[Carried] = field(default_factory=list)

    def add(self, deck: "_Bin") -> None:
        self.size += deck.size
        self.carried += deck.carried


def spread(carried: Sequence[Carried], bytes_per_batch: int, tracks: int) -> list[Track]:
    """Return the batches of an invocation by track, at most so many tracks; no two of them share a mark.

    Marks with similar numbers of events go together, ten by ten, so that waves are full; then batches are filled by
    bytes. Only the events of a mark that no batch holds alone, and marks of which events are removed, need batches
    that wait for one another. The track with the first record begins with it.
    """
    chains = _chains(carried, bytes_per_batch)
    loads: list[tuple[int, list[Chain]]] = [(0, []) for _ in range(min(tracks, len(chains)))]
    for chain in sorted(chains, key=_length, reverse=True):
        place = min(range(len(loads)), key=lambda number: loads[number][0])
        loads[place] = loads[place][0] + _length(chain), [*loads[place][1], chain]
    return [
        [Turn(batch, bool(number)) for chain in sorted(of_track, key=_start) for number, batch in enumerate(chain)]
        for _, of_track in loads
    ]


def _chains(carried: Sequence[Carried], bytes_per_batch: int) -> list[Chain]:
    if sum(one.size for one in carried) <= bytes_per_batch and all(isinstance(one.what, Event) for one in carried):
        return [[batch_of(carried)]] if carried else []
    sequences: dict[str, list[Carried]] = {}
    for one in carried:
        sequences.setdefault(one.what.group_id, []).append(one)
    in_turn: list[list[Carried]] = []
    side_by_side: list[list[Carried]] = []
    removed: list[Carried] = []
    for sequence in sorted(sequences.values(), key=len, reverse=True):
        if any(isinstance(one.what, Forgotten) for one in sequence):
            removed += sequence
        elif sum(one.size for one in sequence) > bytes_per_batch:
            in_turn.append(sequence)
        else:
            side_by_side.append(sequence)
    if removed:
        in_turn.append(sorted(removed, key=attrgetter("position")))
    filled = _filled(_decks(side_by_side, bytes_per_batch), bytes_per_batch)
    return [list(in_order(sequence, bytes_per_batch)) for sequence in in_turn] + [[batch] for batch in filled]


def _decks(sequences: Sequences, bytes_per_batch: int) -> list[_Bin]:
    """Return the sequences as many to a deck as go into a wave, if a batch has room for so many."""
    decks: list[_Bin] = []
    marks = WAVE_SIZE
    for sequence in sequences:
        size = sum(one.size for one in sequence)
        if marks == WAVE_SIZE or decks[-1].size + size > bytes_per_batch:
            decks.append(_Bin())
            marks = 0
        decks[-1].add(_Bin(size, list(sequence)))
        marks += 1
    return decks


def _filled(decks: Iterable[_Bin], bytes_per_batch: int) -> list[Batch]:
    """Return the decks as batches: each goes into the first that has room for it."""
    bins: list[_Bin] = []
    for deck in decks:
        fitting = next((one for one in bins if one.size + deck.size <= bytes_per_batch), None)
        if fitting is None:
            fitting = _Bin()
            bins.append(fitting)
        fitting.add(deck)
    return [batch_of(sorted(one.carried, key=attrgetter("position"))) for one in bins]


def _length(chain: Chain) -> int:
    """Return how many calls of a chain wait for one another."""
    return sum(_CALLS_PER_BATCH + _CALLS_PER_ROUND * _rounds(batch) for batch in chain)


def _rounds(batch: Batch) -> int:
    return max(Counter(event.group_id for event in batch.events).values(), default=1)


def _start(chain: Chain) -> int:
    return chain[0].positions[0]
