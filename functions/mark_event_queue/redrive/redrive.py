"""How parked events leave the table: in order per sequence, each only when its queue accepted it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from mark_event_queue.domain.errors import RedriveRequestError
from mark_event_queue.domain.lanes import WAVE_SIZE, Entry
from mark_event_queue.domain.parked import ParkedSequence

# SQS API Reference, SendMessageBatch: 1 MiB together; the rest is for attributes and what carries them.
_WAVE_BYTES = 1_000_000

_EVENTS_PER_READ = 10
SEQUENCES_PER_PAGE = 100


class ParkedSequences(Protocol):
    """The store of parked events, as a redrive needs it."""

    def sequences(self, client: str, after: str, limit: int) -> list[ParkedSequence]:
        """Return parked sequences of the client, ordered by group id, those behind `after`."""

    def sequence(self, client: str, group_id: str) -> ParkedSequence | None:
        """Return one parked sequence, or None when it is not parked."""

    def version(self, client: str, group_id: str) -> int:
        """Return the version of a sequence, 0 when it is not parked; of the client itself for no group."""

    def first_events(self, client: str, group_id: str, limit: int) -> list[Entry]:
        """Return the first events of a sequence, in order."""

    def count(self, client: str, group_id: str) -> int:
        """Return how many events are parked in a sequence."""

    def forget(self, client: str, entries: Sequence[Entry]) -> None:
        """Take events out of the table."""

    def end(self, client: str, group_id: str, version: int) -> bool:
        """End a sequence (for no group: the client) unless it has changed since that version."""

    def note_error(self, client: str, group_id: str, error: str) -> None:
        """Note why a sequence stays parked."""

    def discard(self, client: str, entry: Entry, by: str, reason: str) -> None:
        """Take an event out of the table and put who gave it up, and why, on record."""


class Queue(Protocol):
    """A client's queue."""

    def send(self, queue_url: str, wave: Sequence[Entry]) -> dict[str, str]:
        """Send a wave; return the names of the errors by Id of those entries that were not accepted."""


def aim(request: Mapping[str, Any], store: ParkedSequences) -> dict[str, Any]:
    """Return the request with the event that a discard of one event is to give up.

    Naming it here makes a discard safe to repeat: the event is given up once, however often it is tried.

    Raises:
        RedriveRequestError: there is no such event to give up.
    """
    if request["action"] != "discard" or (request["all"] and not request["groupId"]):
        return dict(request)
    first = store.first_events(request["client"], request["groupId"], 1)
    if not first:
        raise RedriveRequestError("nothing of this mark is parked for this client")
    first_id = first[0]["MessageDeduplicationId"]
    if request["eventId"] and request["eventId"] != first_id:
        raise RedriveRequestError("the first parked event of this mark is not the one that eventId names")
    return dict(request) | {"eventId": first_id}


def list_lanes(request: Mapping[str, Any], store: ParkedSequences) -> dict[str, Any]:
    """Return a page of the sequences to redrive, and what the page before came to.

    The answer is `{page: {lanes: [[groupId, …], …], after, more}, totals}`.
    """
    client, after = request["client"], request["page"]["after"]
    if request["groupId"]:
        one = store.sequence(client, request["groupId"])
        group_ids, more = [one.group_id] if one else [], False
    else:
        page = store.sequences(client, after, SEQUENCES_PER_PAGE)
        group_ids, more = [sequence.group_id for sequence in page], len(page) == SEQUENCES_PER_PAGE
    lanes = [group_ids[start : start + WAVE_SIZE] for start in range(0, len(group_ids), WAVE_SIZE)]
    return {
        "page": {"lanes": lanes, "after": group_ids[-1] if group_ids else "", "more": more},
        "totals": add_up(request["totals"], request["lanes"]),
    }


def add_up(totals: Mapping[str, Any], lanes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the totals `{delivered, stoppedSequences, errors}` with those of some lanes added."""
    stopped = [sequence for lane in lanes for sequence in lane["stopped"]]
    errors = {sequence["error"] for sequence in stopped} | {lane["error"] for lane in lanes if "error" in lane}
    return {
        "delivered": totals["delivered"] + sum(lane["delivered"] for lane in lanes),
        "stoppedSequences": totals["stoppedSequences"] + len(stopped),
        "errors": sorted(errors | set(totals["errors"])),
    }


def redrive_lane(
    request: Mapping[str, Any], store: ParkedSequences, queue: Queue, has_time: Callable[[], bool]
) -> dict[str, Any]:
    """Deliver sequences side by side, at most one event of each per call, as long as there is time.

    `request` is `{client, queueUrl, groupIds, delivered, stopped}`; the answer has the same shape,
    with the groups that still have events to deliver. A sequence whose event is refused stays
    parked from that event on. Two redrives at once send the same events within the time of one
    invocation, which is far below SQS's de-duplication window: the queue drops the second.
    """
    client, pending = request["client"], list(request["groupIds"])
    delivered, stopped = request["delivered"], list(request["stopped"])
    loaded: dict[str, list[Entry]] = {}
    while pending and has_time():
        pending = [group_id for group_id in pending if _load(client, group_id, store, loaded)]
        wave = _wave([loaded[group_id][0] for group_id in pending])
        refused = queue.send(request["queueUrl"], wave) if wave else {}
        accepted = [entry for entry in wave if entry["Id"] not in refused]
        store.forget(client, accepted)
        delivered += len(accepted)
        for entry in accepted:
            loaded[entry["MessageGroupId"]].pop(0)
        for entry in wave:
            if entry["Id"] in refused:
                group_id, error = entry["MessageGroupId"], refused[entry["Id"]]
                store.note_error(client, group_id, error)
                stopped.append({"groupId": group_id, "error": error})
                pending.remove(group_id)
    return dict(request) | {"groupIds": pending, "delivered": delivered, "stopped": stopped}


def conclude(request: Mapping[str, Any], store: ParkedSequences) -> dict[str, Any]:
    """Return what the redrive came to: the totals, the client, and whether nothing of it is parked any more.

    Live delivery to a client of whom nothing is parked does without a selection again.
    """
    client = request["client"]
    version = store.version(client, "")
    empty = not store.sequences(client, "", 1)
    nothing_parked = empty and (not version or store.end(client, "", version))
    return add_up(request["totals"], request["lanes"]) | {"client": client, "nothingParked": nothing_parked}


def discard(request: Mapping[str, Any], store: ParkedSequences, has_time: Callable[[], bool]) -> dict[str, Any]:
    """Give up, on record, the event that was aimed at, or all of its sequence, or all of the client's.

    The answer is `{discarded, more}`: more is left to give up when the time was not enough.
    """
    client, discarded = request["client"], 0
    for group_id in [request["groupId"]] if request["groupId"] else _group_ids(client, store):
        while first := store.first_events(client, group_id, _EVENTS_PER_READ if request["all"] else 1):
            if not has_time():
                return {"discarded": discarded, "more": True}
            if not request["all"] and first[0]["MessageDeduplicationId"] != request["eventId"]:
                break
            for entry in first:
                store.discard(client, entry, by=request["by"], reason=request["reason"])
            discarded += len(first)
    return {"discarded": discarded, "more": False}


def _group_ids(client: str, store: ParkedSequences) -> Iterator[str]:
    after = ""
    while page := store.sequences(client, after, SEQUENCES_PER_PAGE):
        yield from (sequence.group_id for sequence in page)
        after = page[-1].group_id


def describe(request: Mapping[str, Any], store: ParkedSequences) -> dict[str, Any]:
    """Return what the request would do, without doing it; the first hundred sequences one by one."""
    client, discarding = request["client"], request["action"] == "discard"
    if request["groupId"]:
        one = store.sequence(client, request["groupId"])
        sequences = [one] if one else []
    else:
        sequences = store.sequences(client, "", SEQUENCES_PER_PAGE)
    counts = {sequence.group_id: store.count(client, sequence.group_id) for sequence in sequences}
    would_discard = 0
    if discarding:
        would_discard = sum(counts.values()) if request["all"] else 1
    return {
        "wouldDiscard": would_discard,
        "wouldRedrive": sum(counts.values()) - would_discard,
        "sequences": [
            {
                "groupId": sequence.group_id,
                "events": counts[sequence.group_id],
                "parkedSince": sequence.since,
                "error": sequence.error,
            }
            for sequence in sequences
        ],
        "moreSequences": len(sequences) == SEQUENCES_PER_PAGE,
    }


def _load(client: str, group_id: str, store: ParkedSequences, loaded: dict[str, list[Entry]]) -> bool:
    """Have the next events of a sequence at hand; end the sequence, and say no, when there are none.

    The version is read before the events: an event parked after that look raises it, and then the
    sequence does not end.
    """
    while not loaded.get(group_id):
        version = store.version(client, group_id)
        loaded[group_id] = store.first_events(client, group_id, _EVENTS_PER_READ)
        if not loaded[group_id] and (not version or store.end(client, group_id, version)):
            return False
    return True


def _wave(entries: Sequence[Entry]) -> list[Entry]:
    wave: list[Entry] = []
    size = 0
    for entry in entries:
        size += len(entry["MessageBody"])
        if wave and size > _WAVE_BYTES:
            break
        wave.append(entry | {"Id": str(len(wave))})
    return wave
