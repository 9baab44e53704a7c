"""How held events leave the table for a client: in order per sequence, each only when its queue accepted it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, Protocol

from mark_event_queue.domain.errors import HeldEventsUnavailableError, RedriveRequestError, SequenceClosedError
from mark_event_queue.domain.held import OTHER_MAJOR, HeldSequence
from mark_event_queue.domain.rounds import WAVE_SIZE, Entry, number_of
from mark_event_queue.redrive.standing import OPEN, Standing

# SQS API Reference, SendMessageBatch: 1 MiB together; the rest is for attributes and what carries them.
_WAVE_BYTES = 1_000_000

_EVENTS_PER_READ = 10
_EVENTS_PER_DISCARD = 40
SEQUENCES_PER_TURN = 100

# What a dry run reads in the time of one invocation: fifty pages or so.
MOST_SEQUENCES_DESCRIBED = 5_000

# So that a hundred of whatever characters are far from what a state may hold; a real mark has a dozen.
_MARK_LENGTH = 128

# An execution of a Standard machine ends at 25,000 events of its history (Step Functions Developer Guide,
# quotas). A turn takes some 130 of them when nothing has to be tried again, 500 at the very most.
TURNS_PER_EXECUTION = 45


class HeldSequences(Protocol):
    """The store of what waits, as a redrive needs it."""

    def sequences(self, recipient: str, after: str, limit: int) -> list[HeldSequence]:
        """Return held sequences of the recipient, ordered by group id, those behind `after`."""

    def sequence(self, recipient: str, group_id: str) -> HeldSequence | None:
        """Return one held sequence, or None when it is not held."""

    def version(self, recipient: str, group_id: str) -> int:
        """Return the version of a sequence, 0 when it is not held; of the recipient itself for no group.

        Raises:
            SequenceClosedError: nothing of it must go at the moment.
        """

    def events(self, recipient: str, group_id: str, limit: int) -> list[Entry]:
        """Return the first events of a sequence, in order."""

    def forget(self, recipient: str, entries: Sequence[Entry], upcoming: Mapping[str, Entry]) -> None:
        """Take events out of the table; `upcoming` is what is the first of its group then, where that is known."""

    def count_out(self, recipient: str, events: int) -> None:
        """Note that a recipient has so many events fewer."""

    def end(self, recipient: str, group_id: str, version: int) -> bool:
        """End a sequence (for no group: the recipient) unless it has changed since that version."""

    def note(self, recipient: str, first: Entry, error: str) -> None:
        """Note why a sequence stays held, and which event is its first."""

    def discard(self, recipient: str, entries: Sequence[Entry], by: str, reason: str) -> None:
        """Take events out of the table and put who gave them up, and why, on record."""


class Queue(Protocol):
    """A client's queue."""

    def send(self, queue_url: str, wave: Sequence[Entry]) -> dict[str, str]:
        """Send a wave; return the names of the errors by Id of those entries that were not accepted."""


def aim(request: Mapping[str, Any], store: HeldSequences) -> dict[str, Any]:
    """Return the request with the event that a discard of one event is to give up, and its place in the stream.

    Naming it here makes a discard safe to repeat: the event is given up once, however often it is tried. It takes
    the place to tell it from others, for a producer's mistake may repeat an event id.
    A sequence that has no events left, as after a crash before its end, is held: a redrive ends it.

    Raises:
        RedriveRequestError: nothing of the mark is held, or the event that is named is not its first.
    """
    recipient, group_id = request["recipient"], request["groupId"]
    if not group_id:
        return dict(request)
    nothing_held = RedriveRequestError(f"nothing of this mark is held for {recipient}; meq held shows what is")
    if request["action"] != "discard" or request["all"]:
        if store.sequence(recipient, group_id) is None:
            raise nothing_held
        return dict(request)
    first = next(iter(store.events(recipient, group_id, 1)), None)
    if first is None:
        raise nothing_held
    event_id = first["MessageDeduplicationId"]
    if request["eventId"] not in ("", event_id):
        raise RedriveRequestError(
            "eventId names another event than the first one held of this mark; meq held shows the first"
        )
    return dict(request) | {"eventId": event_id, "sequenceNumber": number_of(first)}


def list_lanes(request: Mapping[str, Any], store: HeldSequences) -> dict[str, Any]:
    """Return the sequences of the next turn, and what the turns before came to.

    `request` is `{recipient, groupId, page, totals, lanes}`, `lanes` what came of the last turn. The answer
    is `{page: {lanes: [[groupId, …], …], after, listed, turn, pause}, totals}`: first what the last turn left,
    then further sequences. No lanes: there is nothing left to do. `pause`: this execution has had its turns.
    """
    recipient, page = request["recipient"], request["page"]
    left = [group_id for lane in request["lanes"] for group_id in lane["groupIds"]]
    after, listed = page["after"], page["listed"]
    fresh: list[HeldSequence] = []
    if not listed and request["groupId"]:
        one = store.sequence(recipient, request["groupId"])
        fresh, listed = [one] if one else [], True
    elif not listed and len(left) < SEQUENCES_PER_TURN:
        fresh = store.sequences(recipient, after, SEQUENCES_PER_TURN - len(left))
        after, listed = fresh[-1].group_id if fresh else after, not fresh
    group_ids = left + [sequence.group_id for sequence in fresh]
    return {
        "page": {
            "lanes": [group_ids[start : start + WAVE_SIZE] for start in range(0, len(group_ids), WAVE_SIZE)],
            "after": after,
            "listed": listed,
            "turn": page["turn"] + 1,
            "pause": bool(group_ids) and page["turn"] + 1 > TURNS_PER_EXECUTION,
        },
        "totals": add_up(request["totals"], request["lanes"], len(fresh)),
    }


def add_up(totals: Mapping[str, Any], lanes: Sequence[Mapping[str, Any]], sequences: int = 0) -> dict[str, Any]:
    """Return the totals `{sequences, delivered, stoppedSequences, errors}` with those of some lanes added."""
    stopped = [sequence for lane in lanes for sequence in lane["stopped"]]
    errors = {sequence["error"] for sequence in stopped} | {lane["error"] for lane in lanes if "error" in lane}
    return {
        "sequences": totals["sequences"] + sequences,
        "delivered": totals["delivered"] + sum(lane["delivered"] for lane in lanes),
        "stoppedSequences": totals["stoppedSequences"] + len(stopped),
        "errors": sorted(errors | set(totals["errors"])),
    }


def redrive_lane(
    request: Mapping[str, Any],
    store: HeldSequences,
    queue: Queue,
    has_time: Callable[[], bool],
    standing: Standing = OPEN,
) -> dict[str, Any]:
    """Deliver sequences side by side, at most one event of each per call, as long as there is time.

    `request` is `{recipient, queueUrl, groupIds}`. The answer is `{groupIds, delivered, stopped}`: the
    groups that still have events to deliver. A sequence whose event is refused stays held from that
    event on. Two redrives at once send the same events within the time of one invocation, which is
    far below SQS's de-duplication window: the queue drops the second. To a client that
    is closed nothing is sent; what history has brought it leaves the table unsent. What is not valid in the major
    version that it has pinned stays, and its sequence with it from there on.
    """
    if standing.closed:
        return {"groupIds": [], "delivered": 0, "stopped": [], "error": f"Client{standing.closed.title()}"}
    recipient, pending = request["recipient"], list(request["groupIds"])
    stopped: list[dict[str, str]] = []
    loaded: dict[str, list[Entry]] = {}
    with _counting_out(recipient, store) as delivered:
        while pending and has_time():
            pending, closed = _load_each(recipient, pending, store, loaded, standing)
            stopped += [{"groupId": group_id, "error": "HistoryUnderWay"} for group_id in closed]
            fitting = {group_id: standing.wanted(loaded[group_id][0]) for group_id in pending}
            for group_id in [group_id for group_id, entry in fitting.items() if entry is None]:
                store.note(recipient, loaded[group_id][0], OTHER_MAJOR)
                stopped.append({"groupId": group_id, "error": OTHER_MAJOR})
                pending.remove(group_id)
            wave = _wave([entry for entry in fitting.values() if entry is not None])
            refused = queue.send(request["queueUrl"], wave) if wave else {}
            accepted = [entry for entry in wave if entry["Id"] not in refused]
            for entry in accepted:
                loaded[entry["MessageGroupId"]].pop(0)
            store.forget(recipient, accepted, {group_id: next_[0] for group_id, next_ in loaded.items() if next_})
            delivered.append(len(accepted))
            for entry in wave:
                if entry["Id"] in refused:
                    group_id, error = entry["MessageGroupId"], refused[entry["Id"]]
                    store.note(recipient, entry, error)
                    stopped.append({"groupId": group_id, "error": error})
                    pending.remove(group_id)
    return {"groupIds": pending, "delivered": sum(delivered), "stopped": stopped}


def conclude(request: Mapping[str, Any], store: HeldSequences) -> dict[str, Any]:
    """Return what `{request, totals}` came to, and whether nothing of the recipient is held any more.

    Live delivery to a recipient of whom nothing is held does without a selection again.
    """
    recipient = request["request"]["recipient"]
    version = store.version(recipient, "")
    empty = not store.sequences(recipient, "", 1)
    nothing_held = empty and (not version or store.end(recipient, "", version))
    told = {"recipient": recipient, "discarded": request["request"]["discarded"], "nothingHeld": nothing_held}
    return dict(request["totals"]) | told


def discard(request: Mapping[str, Any], store: HeldSequences, has_time: Callable[[], bool]) -> dict[str, Any]:
    """Give up, on record, the event that was aimed at, or all of its sequence, or all of the recipient's.

    The answer is the request with `discarded` events more, and `more` if the time was not enough for all. `after`
    then is the last sequence that is done with, behind which the next step goes on.
    """
    recipient, after = request["recipient"], request["after"]
    group_ids = iter([request["groupId"]]) if request["groupId"] else _group_ids(recipient, after, store)
    group_id = next(group_ids, "")
    with _counting_out(recipient, store) as discarded:
        while group_id and has_time():
            if entries := _to_give_up(request, group_id, store):
                store.discard(recipient, entries, by=request["by"], reason=request["reason"])
                discarded.append(len(entries))
            else:
                after, group_id = group_id, next(group_ids, "")
    given_up = request["discarded"] + sum(discarded)
    return dict(request) | {"discarded": given_up, "after": after, "more": bool(group_id)}


def describe(request: Mapping[str, Any], store: HeldSequences) -> dict[str, Any]:
    """Return what the request would do, without doing it; the first hundred sequences one by one.

    Not more than the first `MOST_SEQUENCES_DESCRIBED` are counted; `moreSequences` is true if there are more.
    """
    if request["groupId"]:
        one = store.sequence(request["recipient"], request["groupId"])
        sequences = [one] if one else []
    else:
        sequences = list(islice(_sequences(request["recipient"], "", store), MOST_SEQUENCES_DESCRIBED + 1))
    not_all = len(sequences) > MOST_SEQUENCES_DESCRIBED
    sequences = sequences[:MOST_SEQUENCES_DESCRIBED]
    events = sum(sequence.events for sequence in sequences)
    would_discard = 0
    if request["action"] == "discard":
        would_discard = events if request["all"] else 1
    return {
        "recipient": request["recipient"],
        "wouldDiscard": would_discard,
        "wouldDeliver": events - would_discard,
        "sequences": [
            {
                "mark": _shortened(sequence.mark),
                "events": sequence.events,
                "since": sequence.since,
                "reason": sequence.reason,
                "error": sequence.error,
            }
            for sequence in sequences[:SEQUENCES_PER_TURN]
        ],
        "moreSequences": not_all or max(0, len(sequences) - SEQUENCES_PER_TURN),
    }


@contextmanager
def _counting_out(recipient: str, store: HeldSequences) -> Iterator[list[int]]:
    """Have it noted how many events left the table, also of a step that fails in between: its error is what is told."""
    gone: list[int] = []
    try:
        yield gone
    except Exception:
        with suppress(HeldEventsUnavailableError):
            _count_out(recipient, gone, store)
        raise
    _count_out(recipient, gone, store)


def _count_out(recipient: str, gone: Sequence[int], store: HeldSequences) -> None:
    if events := sum(gone):
        store.count_out(recipient, events)


def _to_give_up(request: Mapping[str, Any], group_id: str, store: HeldSequences) -> list[Entry]:
    if request["all"]:
        return store.events(request["recipient"], group_id, _EVENTS_PER_DISCARD)
    aimed_at = request["sequenceNumber"], request["eventId"]
    first = store.events(request["recipient"], group_id, 1)
    return [entry for entry in first if (number_of(entry), entry["MessageDeduplicationId"]) == aimed_at]


def _shortened(mark: str) -> str:
    return mark if len(mark) <= _MARK_LENGTH else f"{mark[:_MARK_LENGTH]}…"


def _group_ids(recipient: str, after: str, store: HeldSequences) -> Iterator[str]:
    return (sequence.group_id for sequence in _sequences(recipient, after, store))


def _sequences(recipient: str, after: str, store: HeldSequences) -> Iterator[HeldSequence]:
    while page := store.sequences(recipient, after, SEQUENCES_PER_TURN):
        yield from page
        after = page[-1].group_id


def _load_each(
    recipient: str,
    group_ids: Sequence[str],
    store: HeldSequences,
    loaded: dict[str, list[Entry]],
    standing: Standing,
) -> tuple[list[str], list[str]]:
    """Return the groups that have events at hand, and those that are closed."""
    going: list[str] = []
    closed: list[str] = []
    for group_id in group_ids:
        try:
            if _load(recipient, group_id, store, loaded, standing):
                going.append(group_id)
        except SequenceClosedError:
            closed.append(group_id)
    return going, closed


def _load(
    recipient: str,
    group_id: str,
    store: HeldSequences,
    loaded: dict[str, list[Entry]],
    standing: Standing,
) -> bool:
    """Have the next events of a sequence at hand; end the sequence, and say no, when there are none.

    The version is read before the events: an event held after that look raises it, and then the
    sequence does not end.
    """
    while not loaded.get(group_id):
        version = store.version(recipient, group_id)
        loaded[group_id] = store.events(recipient, group_id, _EVENTS_PER_READ)
        if not loaded[group_id] and (not version or store.end(recipient, group_id, version)):
            return False
        if had := _had(recipient, loaded[group_id], standing):
            loaded[group_id] = [entry for entry in loaded[group_id] if entry not in had]
            store.forget(recipient, had, {group_id: loaded[group_id][0]} if loaded[group_id] else {})
            store.count_out(recipient, len(had))
    return True


def _had(recipient: str, entries: Sequence[Entry], standing: Standing) -> list[Entry]:
    ids = standing.brought(recipient, entries) if entries else set()
    return [entry for entry in entries if entry["MessageDeduplicationId"] in ids]


def _wave(entries: Sequence[Entry]) -> list[Entry]:
    wave: list[Entry] = []
    size = 0
    for entry in entries:
        size += len(entry["MessageBody"])
        if wave and size > _WAVE_BYTES:
            break
        wave.append(entry | {"Id": str(len(wave))})
    return wave
