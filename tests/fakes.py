"""Fakes at the ports: a store of parked events in memory, and an AWS that answers what a test tells it."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event as Flag
from threading import Thread
from typing import Any

from domain.contract import Violation
from domain.lanes import Entry


class ParkedEventsInMemory:
    """A store of parked events that a test can read, and end a sequence of at an awkward moment."""

    def __init__(self) -> None:
        self.sequences: dict[tuple[str, str], list[Entry]] = {}
        self.errors: list[str] = []
        self.asked: list[list[str]] = []
        self._ended_after: dict[tuple[str, str], int] = {}

    def end_after(self, client: str, group_id: str, appended: int) -> None:
        """Let a redrive end the sequence as soon as this many more entries were parked behind."""
        self._ended_after[client, group_id] = appended

    def park(self, client: str, entries: list[Entry], error: str) -> None:
        """Hold the entries, starting their sequence if need be."""
        self.sequences.setdefault((client, entries[0]["MessageGroupId"]), []).extend(entries)
        self.errors.append(error)

    def parked_groups(self, client: str, group_ids: Iterable[str]) -> set[str]:
        """Note the question and answer it."""
        self.asked.append(list(group_ids))
        return {group_id for group_id in self.asked[-1] if (client, group_id) in self.sequences}

    def park_behind(self, client: str, entries: list[Entry]) -> list[Entry]:
        """Hold the entries until the sequence ends, if a test lets it end; return the rest."""
        sequence = (client, entries[0]["MessageGroupId"])
        taken = self._ended_after.get(sequence, len(entries))
        self.sequences[sequence] += entries[:taken]
        if sequence in self._ended_after:
            del self.sequences[sequence]
        return entries[taken:]


@dataclass
class VerdictContract:
    """A contract that gives the violations a test chose, by the event's JSON text."""

    verdict: Callable[[str], list[Violation]]

    def violations(self, body: str) -> list[Violation]:
        """Return the test's verdict."""
        return self.verdict(body)


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
