"""Events to batches, by bytes, so that no state of an execution can pass what Step Functions allows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from json import dumps
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple

from mark_event_queue.domain.clients import FORGOTTEN, Client, Subscription
from mark_event_queue.domain.events import Event, carries_event, convert, without_body
from mark_event_queue.domain.forgetting import Forgotten, forgotten_by, together
from mark_event_queue.domain.forgetting import cost as cost_of_removal

# The widest shape an event takes in any state is, without its texts: the entry of a wave (250), or
# a rejected event with one violation of the longest path (400). Its share of wave, lane: 20.
_EVENT_OVERHEAD_BYTES = 420

# The attribute of a late event, as the entry of a wave has it.
_LATE_BYTES = 60


class Timing(NamedTuple):
    """When the application's own stores have to have a batch, and when its clients, in seconds after its start.

    A batch that is late with the first comes again; what is late with the second is parked: a client
    that is slow, wave after wave, must not hold up the next batch. The machine itself has 240 s.
    """

    stores_seconds: int
    delivery_seconds: int
    released: bool
    """Whether the batch comes from the gate, which then does not hold it again."""


LIVE = Timing(50, 75, released=False)

# Two releases may have the same events in hand. What the later one sends has to reach the queues within
# the five minutes in which they drop what the earlier one sent.
RELEASE = Timing(15, 30, released=True)
SPARE_SECONDS = 30
"""Left of a release's invocation, beyond the wait for an execution, when it takes no further batch."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one execution carries, in the order of the stream: events, or, on their own, marks to forget."""

    events: Sequence[Event]
    forgotten: Sequence[Forgotten] = ()

    @property
    def checkpoint(self) -> str:
        """The stream's name for the place where the batch begins."""
        return (self.events or self.forgotten)[0].checkpoint

    @property
    def size(self) -> int:
        """How many events, or marks, it carries."""
        return len(self.events) + len(self.forgotten)

    def receivers(self, subscriptions: Iterable[Subscription]) -> list[Client]:
        """Return the clients that the batch is for: events are for all, notices for those who asked."""
        return [one.as_client() for one in subscriptions if self.events or FORGOTTEN in one.notices]


def cost(event: Event) -> int:
    """Return an upper bound of the bytes that the event takes in any state of an execution.

    `unfit` is printable ASCII and becomes the rule of a violation, JSON within JSON: a quotation
    mark or a backslash in it takes four bytes.
    """
    texts = _quoted_length(event.body) + len(event.sequence_number) + 4 * len(event.unfit)
    ids = 3 * len(quoted(event.event_id)) + 2 * len(event.group_id) + len(quoted(event.mark))
    return texts + ids + _EVENT_OVERHEAD_BYTES + (_LATE_BYTES if event.late else 0)


def pack(records: Iterable[Mapping[str, Any]], bytes_per_batch: int) -> Iterator[Batch]:
    """Yield the events of the records as batches, in order, none above `bytes_per_batch`.

    An event too large for any batch travels without its body: it will be rejected and quarantined by its
    table key, while other marks go on. Removals that follow one another are batches of their own: what came
    before has been delivered or is held by then, and can be forgotten; what comes behind is a mark that begins anew.
    """
    for carry, run in groupby(records, carries_event):
        if carry:
            yield from _split((_fitting(record, bytes_per_batch) for record in run), bytes_per_batch)
        else:
            yield from _split_removals(map(forgotten_by, run), bytes_per_batch)


def _split_removals(removals: Iterable[Forgotten], bytes_per_batch: int) -> Iterator[Batch]:
    gathered: list[Forgotten] = []
    taken = 0
    for removal in removals:
        if not removal.mark:
            continue  # without a mark there is nothing that could be found and forgotten
        size = cost_of_removal(removal)
        if gathered and taken + size > bytes_per_batch:
            yield Batch((), tuple(together(gathered)))
            gathered, taken = [], 0
        gathered.append(removal)
        taken += size
    if gathered:
        yield Batch((), tuple(together(gathered)))


def split(events: Iterable[Event], bytes_per_batch: int) -> Iterator[Batch]:
    """Yield the events as batches, in order, each as full as `bytes_per_batch` allows."""
    return _split(((event, cost(event)) for event in events), bytes_per_batch)


def _split(costed: Iterable[tuple[Event, int]], bytes_per_batch: int) -> Iterator[Batch]:
    gathered: list[Event] = []
    taken = 0
    for event, size in costed:
        if gathered and taken + size > bytes_per_batch:
            yield Batch(tuple(gathered))
            gathered, taken = [], 0
        gathered.append(event)
        taken += size
    if gathered:
        yield Batch(tuple(gathered))


def _fitting(record: Mapping[str, Any], bytes_per_batch: int) -> tuple[Event, int]:
    event = convert(record)
    size = cost(event)
    if size > bytes_per_batch:
        told = f"{len(event.body)} bytes of JSON, {size} with what carries it, of {bytes_per_batch}"
        event = without_body(event, record, f"too large for a batch: {told}")
        size = cost(event)
    return event, size


def _quoted_length(ascii_json: str) -> int:
    return len(ascii_json) + ascii_json.count('"') + ascii_json.count("\\")


def input_of(batch: Batch, clients: Sequence[Mapping[str, Any]], now: datetime, timing: Timing) -> str:
    """Return the input of the batch's execution: its events, who is to receive them, and until when what is done."""
    given = {
        "batch": {
            "events": [event.as_input() for event in batch.events],
            **({"forgotten": [one.as_input() for one in batch.forgotten]} if batch.forgotten else {}),
        },
        "clients": clients,
        "released": timing.released,
        "storesDeadline": _instant(now + timedelta(seconds=timing.stores_seconds)),
        "deadline": _instant(now + timedelta(seconds=timing.delivery_seconds)),
    }
    return dumps(given, separators=(",", ":"))


def _instant(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
