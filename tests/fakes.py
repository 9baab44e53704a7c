"""Fakes at the ports: a store of parked events in memory, and an AWS that answers what a test tells it."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Event as Flag
from threading import Semaphore, Thread, get_ident
from typing import Any

from mark_event_queue.domain.contract import Violation
from mark_event_queue.domain.lanes import WAVE_SIZE, Entry
from mark_event_queue.domain.parked import ParkedSequence

Place = tuple[str, str]
"""A client and a group; no group stands for the client itself."""


def _no_matter(operation: str) -> None:
    """Do nothing before an operation."""


@dataclass
class _Head:
    """What makes a sequence, or a client, parked: its version, since when, and why."""

    version: int
    since: str
    error: str


class ParkedEventsInMemory:
    """A store of parked events for parking and redrive alike, true to the table, its versions and its conditions.

    `before` is told the name of each operation before it happens, one for every call that the table
    would get: there a test lets others act, or has the store fail. `events_per_write` is how many
    events are appended in one go.
    """

    def __init__(self, before: Callable[[str], None] = _no_matter, events_per_write: int = 99) -> None:
        self.before = before
        self.heads: dict[Place, _Head] = {}
        self.events: dict[Place, dict[int, Entry]] = {}
        self.discarded: list[dict[str, Any]] = []
        self.asked: list[list[str]] = []
        self._events_per_write = events_per_write
        self._starts = count(1_000, 1_000)  # no two heads ever have the same version

    def stored(self, client: str) -> dict[str, list[Entry]]:
        """Return what is parked for a client: each group's events, in order."""
        return {
            group_id: [held[number] for number in sorted(held)]
            for (of, group_id), held in self.events.items()
            if of == client and held
        }

    def lost(self) -> list[Place]:
        """Return the sequences that have ended, or whose client is not mentioned, with events in them."""
        return [
            place for place, held in self.events.items() if held and not {place, (place[0], "")} <= self.heads.keys()
        ]

    def park(self, client: str, entries: list[Entry], error: str) -> None:
        """Hold the entries, starting their sequence if need be; the client is mentioned before and after."""
        self._raise_version("mention", client, "", error)
        self._append(client, entries, error, only_if_parked=False)
        self._raise_version("mention", client, "", error)

    def parked_groups(self, client: str, group_ids: Iterable[str]) -> set[str]:
        """Note the question and answer it."""
        self.before("parked_groups")
        self.asked.append(list(group_ids))
        return {group_id for group_id in self.asked[-1] if (client, group_id) in self.heads}

    def park_behind(self, client: str, entries: list[Entry]) -> list[Entry]:
        """Hold the entries as long as their sequence has not ended; return the rest."""
        return self._append(client, entries, "", only_if_parked=True)

    def sequences(self, client: str, after: str, limit: int) -> list[ParkedSequence]:
        """Return the parked sequences behind `after`."""
        self.before("sequences")
        group_ids = sorted(group_id for of, group_id in self.heads if of == client and group_id > after)
        return [self._sequence(client, group_id) for group_id in group_ids[:limit]]

    def sequence(self, client: str, group_id: str) -> ParkedSequence | None:
        """Return a parked sequence."""
        self.before("sequence")
        return self._sequence(client, group_id) if (client, group_id) in self.heads else None

    def version(self, client: str, group_id: str) -> int:
        """Return the version of a sequence or client, 0 without one."""
        self.before("version")
        head = self.heads.get((client, group_id))
        return head.version if head else 0

    def first_events(self, client: str, group_id: str, limit: int) -> list[Entry]:
        """Return the first events of a sequence."""
        self.before("first_events")
        return self.stored(client).get(group_id, [])[:limit]

    def count(self, client: str, group_id: str) -> int:
        """Return how many events a sequence has."""
        self.before("count")
        return len(self.events.get((client, group_id), {}))

    def forget(self, client: str, entries: Sequence[Entry]) -> None:
        """Take events out."""
        if entries:
            self.before("forget")
        for entry in entries:
            self.events.get((client, entry["MessageGroupId"]), {}).pop(_number(entry), None)

    def end(self, client: str, group_id: str, version: int) -> bool:
        """End a sequence, or a client's mention, that is still at that version."""
        self.before("end")
        head = self.heads.get((client, group_id))
        if head and head.version != version:
            return False
        self.heads.pop((client, group_id), None)
        return True

    def note_error(self, client: str, group_id: str, error: str) -> None:
        """Note why a sequence stays parked, if it does."""
        self.before("note_error")
        if (client, group_id) in self.heads:
            self.heads[client, group_id].error = error

    def discard(self, client: str, entry: Entry, by: str, reason: str) -> None:
        """Take an event out and put it on record, unless somebody else took it."""
        self.before("discard")
        if self.events.get((client, entry["MessageGroupId"]), {}).pop(_number(entry), None):
            self.discarded.append({"client": client, "entry": entry, "by": by, "reason": reason})

    def _raise_version(self, operation: str, client: str, group_id: str, error: str) -> None:
        self.before(operation)
        head = self.heads.get((client, group_id)) or _Head(next(self._starts), f"since {len(self.heads)}", error)
        head.version += 1
        self.heads[client, group_id] = head

    def _append(self, client: str, entries: list[Entry], error: str, only_if_parked: bool) -> list[Entry]:
        place = client, entries[0]["MessageGroupId"]
        for position in range(0, len(entries), self._events_per_write):
            self.before("append")
            if only_if_parked and place not in self.heads:
                return entries[position:]
            head = self.heads.setdefault(place, _Head(next(self._starts), f"since {len(self.heads)}", error))
            head.version += 1
            written = entries[position : position + self._events_per_write]
            self.events.setdefault(place, {}).update({_number(entry): entry for entry in written})
        return []

    def _sequence(self, client: str, group_id: str) -> ParkedSequence:
        head = self.heads[client, group_id]
        return ParkedSequence(group_id, head.since, head.error)


def _number(entry: Entry) -> int:
    return int(entry["MessageAttributes"]["sequenceNumber"]["StringValue"])


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
        groups: dict[str, dict[int, Entry]] = {}
        for entry in self.received:
            groups.setdefault(entry["MessageGroupId"], {}).setdefault(_number(entry), entry)
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

    def violations(self, body: str) -> list[Violation]:
        """Return the test's verdict."""
        return self.verdict(body)


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
