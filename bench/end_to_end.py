"""Events per second from the table to the last client queue, beside the original pattern on the same engine."""

import time
from collections.abc import Callable
from typing import NamedTuple

from bench import original
from bench.events import items
from bench.logs import weight
from bench.rig import Calls, Rig
from local.marks import put_in_batches
from local.queues import depth, until

CLIENTS = 3
EVENTS = 1000
_EVENTS_OF_THE_SILENT = 250  # at less than ten a second a thousand take two minutes
_WARM_UP_EVENTS = 10
_LAST = 5
_SECONDS = 400


class Delivery(NamedTuple):
    """What it took to bring events from the table to the last of the clients' queues."""

    events: int
    seconds: float
    calls: Calls
    log_bytes: int

    @property
    def events_per_second(self) -> float:
        """The rate."""
        return self.events / self.seconds


def of_this_design(rig: Rig, events: int = EVENTS) -> Delivery:
    """Measure the pipeline: a backlog in the table, from the moment when the stream may go to the last message."""
    rig.have_clients(CLIENTS)
    queues = [url for name, url in rig.session.queues.items() if name != "fan-out"]
    deliver = _deliverer(rig, rig.function_name("ConverterFunction"), queues)
    deliver(_WARM_UP_EVENTS)
    return deliver(events)


class Originals(NamedTuple):
    """The original pattern twice: for a function that logs nothing the engine waits 50 ms for a line all the same."""

    silent: Delivery
    logging: Delivery


def of_the_original(rig: Rig) -> Originals:
    """Measure the original pattern in the same way; the pipeline has to rest."""
    rig.enable(rig.function_name("ConverterFunction"), False)
    measured = []
    for log_lines, events in ((False, _EVENTS_OF_THE_SILENT), (True, EVENTS)):
        deployed = original.deploy(rig, CLIENTS, log_lines)
        deliver = _deliverer(rig, deployed.stream_function, deployed.queues)
        deliver(_WARM_UP_EVENTS)
        measured.append(deliver(events))
    return Originals(*measured)


def _deliverer(rig: Rig, function_name: str, queues: list[str]) -> Callable[[int], Delivery]:
    def deliver(events: int) -> Delivery:
        sent = items(events, events)
        expected = {url: depth(rig.engine, url) + events for url in queues}
        logged = weight(rig)
        rig.take_calls()
        put_in_batches(rig.engine, sent[:-_LAST])
        rig.enable(function_name, True)
        started = time.monotonic()
        put_in_batches(rig.engine, sent[-_LAST:])  # which wakes the poller at once
        until(lambda: all(depth(rig.engine, url) >= expected[url] for url in queues), f"{events} events", _SECONDS)
        seconds = time.monotonic() - started
        rig.enable(function_name, False)
        rig.let_calls_end()
        return Delivery(events, seconds, rig.take_calls(), weight(rig) - logged)

    rig.enable(function_name, False)
    return deliver
