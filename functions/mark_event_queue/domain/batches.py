"""Events to batches, by bytes, so that no state of an execution can pass what Step Functions allows."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from json import dumps
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple

from mark_event_queue.domain.clients import FORGOTTEN, Client, Subscription
from mark_event_queue.domain.events import Event, carries_event, convert, text_of_event, without_body
from mark_event_queue.domain.forgetting import Forgotten, forgotten_by, together
from mark_event_queue.domain.forgetting import cost as cost_of_removal
from mark_event_queue.domain.held import GATE

# The widest shape an event takes in any state is, without its texts: the entry of a wave (420), with the schema and all
# versions that it tells, or a rejected event with one violation of the longest path (400). Its share of wave and
# round: 20.
_EVENT_OVERHEAD_BYTES = 440

# What of that is in the event's input already: the names of its properties.
_INPUT_OVERHEAD_BYTES = 70

# The attribute of a late event, as the entry of a wave has it.
_LATE_BYTES = 60


Place = tuple[str, str]
"""A group, and a sequence number as the stream spells it."""


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


class Carried(NamedTuple):
    """What becomes of a record: an event, or a mark to forget; its place in the invocation, its size in bytes."""

    position: int
    what: Event | Forgotten
    size: int
    text: str = ""
    """The event as JSON, as the execution's input has it: made once, for its length and for the input."""

    @property
    def place(self) -> Place:
        """Where in the stream it stands, which no other record shares."""
        return self.what.group_id, self.what.checkpoint


@dataclass(frozen=True, slots=True)
class Batch:
    """What one execution carries, in the order of the stream: events, or, on their own, marks to forget."""

    events: Sequence[Event]
    forgotten: Sequence[Forgotten] = ()
    positions: Sequence[int] = ()
    """Where the records that it is made of stand in their invocation."""
    texts: Sequence[str] = ()
    """The events as JSON, if that was made already."""

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


def cost(event: Event, text: str = "") -> int:
    """Return an upper bound of the bytes that the event takes in any state of an execution; `text`: itself as JSON.

    `unfit` is printable ASCII and becomes the rule of a violation, JSON within JSON: a quotation
    mark or a backslash in it takes four bytes.
    """
    ids = 2 * len(quoted(event.event_id)) + len(event.group_id)
    more = _EVENT_OVERHEAD_BYTES - _INPUT_OVERHEAD_BYTES + 4 * len(event.unfit) + (_LATE_BYTES if event.late else 0)
    return len(text or text_of_event(event)) + ids + more


def carry(records: Iterable[Mapping[str, Any]], bytes_per_batch: int) -> Iterator[Carried]:
    """Yield what becomes of each record; a removal without a mark says nothing that could be done.

    An event too large for any batch travels without its body: it will be rejected and quarantined by its
    table key, while other marks go on.
    """
    for position, record in enumerate(records):
        if carries_event(record):
            yield _fitting(position, record, bytes_per_batch)
        else:
            removal = forgotten_by(record)
            if removal.mark:
                yield Carried(position, removal, cost_of_removal(removal))


def in_order(carried: Iterable[Carried], bytes_per_batch: int) -> Iterator[Batch]:
    """Yield batches in the order given, each as full as `bytes_per_batch` allows.

    Removals that follow one another are batches of their own: what came before has been delivered or is held
    by then, and can be forgotten; what comes behind is a mark that begins anew.
    """
    for _, run in groupby(carried, lambda one: isinstance(one.what, Event)):
        yield from map(batch_of, _split(run, bytes_per_batch))


def split(events: Iterable[Event], bytes_per_batch: int) -> Iterator[Batch]:
    """Yield the events as batches, in order, each as full as `bytes_per_batch` allows."""
    return in_order((_carried(number, event) for number, event in enumerate(events)), bytes_per_batch)


def batch_of(carried: Sequence[Carried]) -> Batch:
    """Return a batch of events, or of removals, one for each mark."""
    events = tuple(one.what for one in carried if isinstance(one.what, Event))
    removals = together(one.what for one in carried if isinstance(one.what, Forgotten))
    texts = [one.text for one in carried] if events else []
    return Batch(events, tuple(removals), tuple(one.position for one in carried), texts)


def _split(carried: Iterable[Carried], bytes_per_batch: int) -> Iterator[list[Carried]]:
    gathered: list[Carried] = []
    taken = 0
    for one in carried:
        if gathered and taken + one.size > bytes_per_batch:
            yield gathered
            gathered, taken = [], 0
        gathered.append(one)
        taken += one.size
    if gathered:
        yield gathered


def _carried(position: int, event: Event) -> Carried:
    text = text_of_event(event)
    return Carried(position, event, cost(event, text), text)


def _fitting(position: int, record: Mapping[str, Any], bytes_per_batch: int) -> Carried:
    event = convert(record)
    carried = _carried(position, event)
    if carried.size > bytes_per_batch:
        told = f"{len(event.body)} bytes of JSON, {carried.size} with what carries it, of {bytes_per_batch}"
        return _carried(position, without_body(event, record, f"too large for a batch: {told}"))
    return carried


def input_of(
    batch: Batch, clients: Sequence[Mapping[str, Any]], now: datetime, timing: Timing, mentions: Collection[str] = ()
) -> str:
    """Return the input of the batch's execution: its events, who is to receive them, and until when what is done.

    Of `mentions`, for whom anything is held, it has what concerns these clients, their histories and the gate.
    """
    concerned = {GATE, *(one["name"] for one in clients), *(one["selects"] for one in clients)}
    held = {"recipients": [one for one in mentions if one in concerned], "atGate": GATE in mentions}
    forgotten = {"forgotten": [one.as_input() for one in batch.forgotten]} if batch.forgotten else {}
    events = ",".join(batch.texts or map(text_of_event, batch.events))
    given = {
        "clients": clients,
        "released": timing.released,
        "storesDeadline": _instant(now + timedelta(seconds=timing.stores_seconds)),
        "deadline": _instant(now + timedelta(seconds=timing.delivery_seconds)),
    }
    return f'{{"batch":{{"events":[{events}],{_members({"held": held} | forgotten)}}},{_members(given)}}}'


def _members(of: Mapping[str, Any]) -> str:
    return dumps(of, separators=(",", ":"))[1:-1]


def _instant(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
