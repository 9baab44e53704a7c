"""How the past comes to a client: a segment of the producer's table, or one mark, wave by wave."""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.held import GATE, pages_of
from mark_event_queue.domain.history import Progress, Segment
from mark_event_queue.domain.order import text_of
from mark_event_queue.domain.rounds import Entry, number_of, plan
from mark_event_queue.history.past import Past, Rules, past_of
from mark_event_queue.history.ports import HeldEvents, Item, Pace, Queue, Stores

# So many marks are asked for at once, of the gate and of what is held (DynamoDB API Reference, BatchGetItem).
MARKS_PER_CHUNK = 100

STOPPED = "HistoryStopped"
"""What ended a read that somebody stopped, or that another run has taken the place of."""

CLIENT_PAUSED = "ClientPaused"
"""What ended a read whose client was paused meanwhile."""

_NO_TIME = "no time"
_TRIES_PER_CALL = 4


class Sender(NamedTuple):
    """Who sends: how fast, and whether there is time for a further wave."""

    pace: Pace
    has_time: Callable[[], bool]


def read_segment(request: Mapping[str, Any], rules: Rules, stores: Stores, sender: Sender) -> dict[str, Any]:
    """Bring the client the marks of a segment, a hundred at a time, as long as there is time and nobody stops it.

    `request` is `{client, queueUrl, run, segment, segments}`. The answer is `{done, stopped, ended, sent}`: `stopped`
    is empty, or the error of the queue, or that the client is paused, or the run no more the client's. A mark is done
    with when all of its events were accepted; where one is refused, the next attempt goes on with that one.
    """
    client, run, number = request["client"], request["run"], request["segment"]
    segment, holder = stores.histories.claim(client, run, number)

    def save(far: Segment) -> bool:
        return stores.histories.save(client, run, number, far, holder)

    if segment.done or rules.subscription.paused:
        return _answer(segment, "" if segment.done else CLIENT_PAUSED)
    marks = stores.table.marks(number, request["segments"], segment.after)
    while chunk := list(islice(marks, MARKS_PER_CHUNK)):
        state = stores.histories.state(client)
        if (state.run, state.progress) != (run, Progress.RUNNING):
            return _answer(segment, STOPPED)
        pasts = _pasts(client, chunk, rules, stores)
        error, in_hand = _bring(request, pasts, segment.in_hand, stores, sender)
        if error:
            save(segment._replace(in_hand=in_hand))
            return _answer(segment, "" if error == _NO_TIME else error)
        segment = Segment(_key_of(chunk[-1][-1]), {}, False, _added(segment.counts, pasts))
        if not save(segment):
            return _answer(segment, STOPPED)
        if not sender.has_time():
            return _answer(segment)
    segment = segment._replace(done=True)
    return _answer(segment, "" if save(segment) else STOPPED)


def _answer(segment: Segment, stopped: str = "") -> dict[str, Any]:
    ended = segment.done or bool(stopped)
    return {"done": segment.done, "stopped": stopped, "ended": ended, "sent": segment.counts[1]}


def _key_of(item: Item) -> dict[str, Any]:
    return {name: item[name] for name in ("mark", "createTime")}


def _added(counts: Sequence[int], pasts: Sequence[Past]) -> tuple[int, ...]:
    marks, sent, filtered, passed, left = counts
    return (
        marks + len(pasts),
        sent + sum(len(past.entries) for past in pasts),
        filtered + sum(past.filtered for past in pasts),
        passed + sum(len(past.passed) for past in pasts),
        left + sum(past.left_to_gate for past in pasts),
    )


def _pasts(client: str, marks: Sequence[Sequence[Item]], rules: Rules, stores: Stores) -> list[Past]:
    """Return what comes of the past of marks.

    They have been read by now, and only then it is asked what is held: what a release takes from the gate meanwhile
    is held for the client before it leaves the gate.
    """
    group_ids = [to_group_id(text_of(items[0], "mark")) for items in marks]
    at_gate = stores.held.held_from(GATE, group_ids)
    held = stores.held.held_from(client, group_ids)
    return [
        past_of(
            items,
            _held_ids(GATE, group_id, stores.held) if group_id in at_gate else (),
            _held_ids(client, group_id, stores.held) if group_id in held else (),
            rules,
        )
        for items, group_id in zip(marks, group_ids, strict=True)
    ]


def _held_ids(recipient: str, group_id: str, held: HeldEvents) -> set[str]:
    return {entry["MessageDeduplicationId"] for page in pages_of(recipient, group_id, held) for entry in page}


def _bring(
    request: Mapping[str, Any], pasts: Sequence[Past], in_hand: Mapping[str, int], stores: Stores, sender: Sender
) -> tuple[str, dict[str, int]]:
    """Send what comes of some marks; return the error that ended it, if one did, and how far each mark is."""
    client = request["client"]
    stores.histories.remember(client, [(past.group_id, id_) for past in pasts for id_ in past.remembered])
    stores.histories.list_passed(client, [one for past in pasts for one in past.passed])
    sent = dict(in_hand)
    for wave in plan([entry for past in pasts for entry in past.entries])["waves"]:
        left = [entry for entry in wave if _place(entry) > sent.get(entry["MessageGroupId"], 0)]
        if left and not sender.has_time():
            return _NO_TIME, sent
        error = _send(request["queueUrl"], left, sent, stores.queue, sender.pace) if left else ""
        if error:
            return error, sent
    return "", sent


def _send(queue_url: str, wave: Sequence[Entry], sent: dict[str, int], queue: Queue, pace: Pace) -> str:
    """Send a wave, what is refused once more, and again; return the error if some of it is refused for good."""
    pace.wait_for(len(wave))
    left = [entry | {"Id": str(position)} for position, entry in enumerate(wave)]
    for attempt in range(1, _TRIES_PER_CALL + 1):
        refused = queue.send(queue_url, left)
        sent.update({one["MessageGroupId"]: _place(one) for one in left if one["Id"] not in refused})
        left = [entry for entry in left if entry["Id"] in refused]
        if not left:
            return ""
        if attempt < _TRIES_PER_CALL:
            pace.pause(attempt)
    return next(iter(refused.values()))


def _place(entry: Entry) -> int:
    return int(number_of(entry))


def bring_mark(request: Mapping[str, Any], rules: Rules, stores: Stores, sender: Sender) -> dict[str, Any]:
    """Bring the client one mark, which is closed meanwhile, then open it; the answer is the request, `done` or not.

    What is held of it for the client and was brought leaves the table. `inHand` is how many of its events were sent.
    """
    client, group_id = request["client"], to_group_id(request["mark"])
    if rules.subscription.paused:
        return dict(request) | {"done": False, "stopped": CLIENT_PAUSED, "patience": request["patience"] - 1}
    items = stores.table.mark(request["mark"])
    pasts = _pasts(client, [items], rules, stores) if items else []
    in_hand = {group_id: request["inHand"]}
    error, in_hand = _bring(request, pasts, in_hand, stores, sender)
    answer = dict(request) | {"inHand": in_hand[group_id], "done": not error, "stopped": error}
    if not error:
        brought = {id_ for past in pasts for id_ in past.remembered}
        _leave(client, group_id, brought, stores.held)
        stores.held.open(client, request["mark"])
    return answer | {"patience": request["patience"] - (error not in ("", _NO_TIME))}


def _leave(client: str, group_id: str, brought: Collection[str], held: HeldEvents) -> None:
    """Take out of the table what is held of a closed mark and was brought."""
    for page in pages_of(client, group_id, held):
        gone = [entry for entry in page if entry["MessageDeduplicationId"] in brought]
        held.forget(client, gone, {})
        held.count_out(client, len(gone))
