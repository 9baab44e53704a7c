"""Fakes at the ports: a store of what waits in memory, and an AWS that answers what a test tells it."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Event as Flag
from threading import Semaphore, Thread, get_ident
from typing import Any

from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.contract import Judgement, Violation
from mark_event_queue.domain.held import HeldSequence, Recipient, mark_of, violations_of
from mark_event_queue.domain.history import HistoryState
from mark_event_queue.domain.rounds import WAVE_SIZE, Entry, number_of

SINCE = "2026-03-01T09:30:00Z"
"""Since when everything is held that a test holds in memory."""

_AGO = datetime.fromisoformat(SINCE)

Place = tuple[str, str]
"""A recipient and a group; no group stands for the recipient itself."""


def _no_matter(operation: str) -> None:
    """Do nothing before an operation."""


@dataclass
class _Head:
    """What makes a sequence held: its version, since when, why; its events, and the first, if that is known."""

    version: int
    reason: str = ""
    error: str = ""
    mark: str = ""
    events: int = 0
    first: Entry | None = None

    @property
    def first_number(self) -> str:
        """The number of the first event, if that is known."""
        return number_of(self.first) if self.first else ""


class HeldEventsInMemory:
    """A store of what waits for whoever holds, redrives, releases and surveys, true to the table and its conditions.

    `before` is told the name of each operation before it happens, one for every call that the table
    would get: there a test lets others act, or has the store fail. `events_per_write` is how many
    events of a sequence are written in one go.
    """

    def __init__(self, before: Callable[[str], None] = _no_matter, events_per_write: int = 99) -> None:
        self.before = before
        self.heads: dict[Place, _Head] = {}
        self.held: dict[Place, dict[str, Entry]] = {}
        self.discarded: list[dict[str, Any]] = []
        self.asked: list[list[str]] = []
        self._events_per_write = events_per_write
        self._starts = count(1_000, 1_000)  # no two heads ever have the same version

    def stored(self, recipient: str) -> dict[str, list[Entry]]:
        """Return what is held for a recipient: each group's events, in order."""
        return {
            group_id: [held[place] for place in sorted(held)]
            for (of, group_id), held in self.held.items()
            if of == recipient and held
        }

    def lost(self) -> list[Place]:
        """Return the sequences that have ended, or whose recipient is not named, with events in them."""
        return [place for place, held in self.held.items() if held and not {place, (place[0], "")} <= self.heads.keys()]

    # ------------------------------------------------------------------------------------------------------------------
    # Holding
    # ------------------------------------------------------------------------------------------------------------------
    def hold(self, recipient: str, sequences: Iterable[Sequence[Entry]], reason: str, error: str) -> None:
        """Hold the entries, starting their sequences if need be; the recipient is named before and after."""
        self._name(recipient, 0)
        written = 0
        for entries in self._parts(sequences):
            self.before("hold")
            written += self._append(recipient, entries, reason, error)
        self._name(recipient, written)

    def hold_while(
        self, recipient: str, sequences: Iterable[Sequence[Entry]], reason: str, still: Callable[[], bool]
    ) -> bool:
        """Hold the entries if that is still wanted once the recipient is named."""
        self._name(recipient, 0)
        wanted = still()
        if wanted:
            self.hold(recipient, sequences, reason, "")
        return wanted

    def held_from(self, recipient: str, group_ids: Iterable[str]) -> dict[str, str]:
        """Note the question and answer it."""
        self.before("held_from")
        self.asked.append(list(group_ids))
        return {
            group_id: self.heads[recipient, group_id].first_number
            for group_id in self.asked[-1]
            if (recipient, group_id) in self.heads
        }

    def hold_behind(self, recipient: str, sequences: Iterable[Sequence[Entry]]) -> list[Entry]:
        """Hold the entries as long as their sequence has not ended; return the rest."""
        too_late: list[Entry] = []
        written = 0
        for entries in self._parts(sequences):
            self.before("hold_behind")
            if (recipient, entries[0]["MessageGroupId"]) in self.heads:
                written += self._append(recipient, entries, "", "")
            else:
                too_late += entries
        if written:
            self._name(recipient, written)
        return too_late

    # ------------------------------------------------------------------------------------------------------------------
    # Looking
    # ------------------------------------------------------------------------------------------------------------------
    def mentions(self) -> list[str]:
        """Return of whom anything may be held."""
        return [recipient.name for recipient in self.recipients()]

    def recipients(self) -> list[Recipient]:
        """Return of whom anything may be held."""
        self.before("recipients")
        return [Recipient(name, head.events) for (name, group_id), head in sorted(self.heads.items()) if not group_id]

    def oldest(self, recipient: str) -> str:
        """Return since when anything is held."""
        self.before("oldest")
        return SINCE if any(of == recipient and group_id for of, group_id in self.heads) else ""

    def sequences(self, recipient: str, after: str, limit: int) -> list[HeldSequence]:
        """Return the held sequences behind `after`."""
        self.before("sequences")
        group_ids = sorted(group_id for of, group_id in self.heads if of == recipient and group_id > after)
        return [self._sequence(recipient, group_id) for group_id in group_ids[:limit]]

    def sequence(self, recipient: str, group_id: str) -> HeldSequence | None:
        """Return a held sequence."""
        self.before("sequence")
        return self._sequence(recipient, group_id) if (recipient, group_id) in self.heads else None

    def version(self, recipient: str, group_id: str) -> int:
        """Return the version of a sequence or recipient, 0 without one."""
        self.before("version")
        head = self.heads.get((recipient, group_id))
        return head.version if head else 0

    def events(self, recipient: str, group_id: str, limit: int, after: Entry | None = None) -> list[Entry]:
        """Return the first events of a sequence, or the first ones behind an event."""
        self.before("events")
        held = self.held.get((recipient, group_id), {})
        return [held[place] for place in sorted(held) if not after or place > _place(after)][:limit]

    # ------------------------------------------------------------------------------------------------------------------
    # Letting go
    # ------------------------------------------------------------------------------------------------------------------
    def forget(self, recipient: str, entries: Sequence[Entry], upcoming: Mapping[str, Entry]) -> None:
        """Take events out; what is the first of its sequence then is known if it is given."""
        if entries:
            self.before("forget")
        for entry in entries:
            self._take(recipient, entry, upcoming.get(entry["MessageGroupId"]))

    def discard(self, recipient: str, entries: Sequence[Entry], by: str, reason: str) -> None:
        """Take events out and put them on record, unless somebody else took them."""
        self.before("discard")
        for entry in entries:
            if self._take(recipient, entry, None):
                self.discarded.append({"recipient": recipient, "entry": entry, "by": by, "reason": reason})

    def count_out(self, recipient: str, events: int) -> None:
        """Note that a recipient has so many events fewer."""
        self.before("count_out")
        if (recipient, "") in self.heads:
            self.heads[recipient, ""].events -= events

    def end(self, recipient: str, group_id: str, version: int) -> bool:
        """End a sequence, or a recipient's mention, that is still at that version."""
        self.before("end")
        head = self.heads.get((recipient, group_id))
        if head and head.version != version:
            return False
        self.heads.pop((recipient, group_id), None)
        return True

    def note(self, recipient: str, first: Entry, error: str) -> None:
        """Note why a sequence stays held, if it does, and which event is its first."""
        self.before("note")
        head = self.heads.get((recipient, first["MessageGroupId"]))
        if head:
            head.error, head.first = error, first

    # ------------------------------------------------------------------------------------------------------------------
    # How
    # ------------------------------------------------------------------------------------------------------------------
    def _name(self, recipient: str, events: int) -> None:
        self.before("name")
        head = self.heads.setdefault((recipient, ""), _Head(next(self._starts)))
        head.version += 1
        head.events += events

    def _parts(self, sequences: Iterable[Sequence[Entry]]) -> Iterator[list[Entry]]:
        for entries in sequences:
            for start in range(0, len(entries), self._events_per_write):
                yield list(entries[start : start + self._events_per_write])

    def _append(self, recipient: str, entries: list[Entry], reason: str, error: str) -> int:
        place = recipient, entries[0]["MessageGroupId"]
        held = self.held.setdefault(place, {})
        fresh = {_place(entry): entry for entry in entries if _place(entry) not in held}
        if fresh:
            start = _Head(next(self._starts), reason, error, mark_of(entries[0]), first=fresh[min(fresh)])
            head = self.heads.setdefault(place, start)
            head.version += 1
            head.events += len(fresh)
            head.first = head.first and min(head.first, *fresh.values(), key=_place)
            held.update(fresh)
        return len(fresh)

    def _take(self, recipient: str, entry: Entry, upcoming: Entry | None) -> bool:
        place = recipient, entry["MessageGroupId"]
        taken = self.held.get(place, {}).pop(_place(entry), None) is not None
        if taken and place in self.heads:
            self.heads[place].events -= 1
            self.heads[place].first = upcoming
        return taken

    def _sequence(self, recipient: str, group_id: str) -> HeldSequence:
        head = self.heads[recipient, group_id]
        return HeldSequence(
            group_id=group_id,
            mark=head.mark,
            events=head.events,
            since=SINCE,
            reason=head.reason,
            error=head.error,
            first_event_id=head.first["MessageDeduplicationId"] if head.first else "",
            violations=violations_of(head.first) if head.first else "[]",
        )


def _place(entry: Entry) -> str:
    return f"{number_of(entry)}#{entry['MessageDeduplicationId']}"


@dataclass
class SubscriptionsFake:
    """The registrations: what a test says, and of every other client that it has a queue and no more."""

    said: dict[str, Subscription | None] = field(default_factory=dict)

    def subscription(self, name: str, fresh: bool = False) -> Subscription | None:
        """Return what a client's registration says."""
        plain = Subscription(
            name, f"https://sqs.eu-west-2.amazonaws.com/123456789012/MarkFanOutClient-{name}.fifo", _AGO
        )
        return self.said.get(name, plain)


@dataclass
class HistoriesFake:
    """The histories of the clients: none, but those a test says, and what they brought."""

    states: dict[str, HistoryState] = field(default_factory=dict)
    remembered: set[str] = field(default_factory=set)
    settled: list[str] = field(default_factory=list)
    forgotten: list[tuple[str, str]] = field(default_factory=list)

    def state(self, client: str) -> HistoryState:
        """Return what is known of a client's history."""
        return self.states.get(client, HistoryState())

    def attended(self, _client: str, _run: str) -> str:
        """Say that no invocation was at a history."""
        return ""

    def brought(self, client: str, entries: Sequence[Entry]) -> set[str]:
        """Return the event ids among the entries that the test remembers."""
        return self.remembered & {entry["MessageDeduplicationId"] for entry in entries}

    def clients(self) -> list[str]:
        """Return the clients with a history."""
        return sorted(self.states)

    def forget(self, client: str, group_id: str) -> None:
        """Note that a mark of a client's history was forgotten."""
        self.forgotten.append((client, group_id))

    def settle(self, client: str, history: HistoryState) -> None:
        """Note that a history needs no selection any more."""
        self.settled.append(history.name)


@dataclass
class QueueInMemory:
    """A client's queue that refuses what a test chooses, and holds every call to what SQS asks of it.

    `refuses` gives the name of the error, or nothing, for each entry of a call; `before` is told of a
    call before and after the queue has taken it. With `deduplicates`, what has been there is dropped.
    """

    refuses: Callable[[Entry], str] = lambda entry: ""
    before: Callable[[str], None] = _no_matter
    deduplicates: bool = False
    received: list[Entry] = field(default_factory=list)
    calls: list[list[Entry]] = field(default_factory=list)

    def send(self, queue_url: str, wave: Sequence[Entry]) -> dict[str, str]:
        """Take a wave; return the errors of those entries that were refused."""
        assert 1 <= len(wave) <= WAVE_SIZE
        for name in ("Id", "MessageGroupId"):
            assert len({entry[name] for entry in wave}) == len(wave)
        self.before("send")
        self.calls.append(list(wave))
        refused = {entry["Id"]: error for entry in wave if (error := self.refuses(entry))}
        known = {entry["MessageDeduplicationId"] for entry in self.received} if self.deduplicates else set()
        self.received += [
            entry for entry in wave if entry["Id"] not in refused and entry["MessageDeduplicationId"] not in known
        ]
        self.before("sent")
        return refused

    def first_receipts(self) -> dict[str, list[Entry]]:
        """Return for each group the events that the client got, in the order in which it first got each."""
        groups: dict[str, dict[str, Entry]] = {}
        for entry in self.received:
            groups.setdefault(entry["MessageGroupId"], {}).setdefault(_place(entry), entry)
        return {group_id: list(entries.values()) for group_id, entries in groups.items()}


class Turns:
    """Runs actors one at a time, and lets the next choice say at every turn whose turn comes.

    An actor gives its turn back where it calls `pass_on`; a store or a queue calls it for the actor
    that uses it, as its `before`. When the choices are used up, the first actor left goes on.
    """

    def __init__(self, choices: Iterable[int]) -> None:
        self._choices = iter(choices)
        self._back = Semaphore(0)
        self._go: dict[int, Semaphore] = {}

    def run(self, *actors: Callable[[], None]) -> None:
        """Run the actors to their ends; raise what an actor raised."""
        failures: list[BaseException] = []

        def play(actor: Callable[[], None], go: Semaphore) -> None:
            go.acquire()
            try:
                actor()
            except BaseException as failure:
                failures.append(failure)
            finally:
                self._go.pop(get_ident())
                self._back.release()

        for actor in actors:
            go = Semaphore(0)
            thread = Thread(target=play, args=(actor, go), daemon=True)
            thread.start()
            assert thread.ident is not None
            self._go[thread.ident] = go
        while self._go:
            waiting = list(self._go.values())
            waiting[next(self._choices, 0) % len(waiting)].release()
            self._back.acquire()
        for failure in failures:
            raise failure

    def pass_on(self, operation: str) -> None:
        """Give the turn back, and wait for the next one; whoever is no actor goes on at once."""
        go = self._go.get(get_ident())
        if go:
            self._back.release()
            go.acquire()


@dataclass
class VerdictContract:
    """A contract that gives the violations a test chose, by the event's JSON text."""

    verdict: Callable[[str], list[Violation]]
    versions: Sequence[str] = ("1.0.0",)
    name: str = "LockEvent"

    def judge(self, body: str) -> Judgement:
        """Return the test's verdict."""
        violations = self.verdict(body)
        return Judgement(self.name, [] if violations else self.versions, violations)

    def judge_notice(self, name: str) -> Judgement:
        """Return that it is published."""
        return Judgement(name, self.versions, ())


@dataclass
class StackClients:
    """What makes the clients of a deployed stack's services, with the stack's outputs; notes the options of each."""

    outputs: dict[str, str]
    services: dict[str, Any]
    options: dict[str, dict[str, Any]] = field(default_factory=dict)

    def client(self, service: str, **options: Any) -> Any:
        """Return the test's client of a service, CloudFormation's apart."""
        self.options[service] = options
        return self if service == "cloudformation" else self.services[service]

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Return the one stack, which has what every stack of this application has."""
        every = {"StateMachineArn": "arn:deliver", "RedriveStateMachineArn": "arn:redrive", "ClientsPath": "/clients"}
        outputs = [{"OutputKey": name, "OutputValue": value} for name, value in (every | self.outputs).items()]
        return {"Stacks": [{"StackName": StackName, "StackStatus": "CREATE_COMPLETE", "Outputs": outputs}]}


@dataclass
class LambdaContextFake:
    """What the functions read of a Lambda context."""

    function_name: str = "function-under-test"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn:aws:lambda:eu-west-2:123456789012:function:function-under-test"
    aws_request_id: str = "52fdfc07-2182-454f-963f-5f0f9a621d72"
    remaining_time_in_millis: int = 900_000

    def get_remaining_time_in_millis(self) -> int:
        """Return what the test left of the time."""
        return self.remaining_time_in_millis


@dataclass
class AwsFake:
    """An AWS endpoint on 127.0.0.1: gives the answers in order, the last of them for ever."""

    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    silent: bool = False
    requests: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    _released: Flag = field(default_factory=Flag)

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Note a request and return its answer; a silent endpoint holds it back until the test is over."""
        self.requests.append(request)
        if self.silent:
            self._released.wait()
        return self.answers[min(len(self.requests), len(self.answers)) - 1] if self.answers else (500, {})

    def release(self) -> None:
        """Let go of every request that is held back."""
        self._released.set()


@contextmanager
def aws_fake(*answers: tuple[int, dict[str, Any]], silent: bool = False) -> Iterator[AwsFake]:
    """Run an endpoint that speaks AWS's JSON protocol; it is gone when the block ends."""
    fake = AwsFake(list(answers), silent)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = fake.answer(json.loads(body))
            text = json.dumps(answer).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
            except OSError:  # the caller did not wait
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        fake.release()
        server.shutdown()
        server.server_close()
        thread.join()
