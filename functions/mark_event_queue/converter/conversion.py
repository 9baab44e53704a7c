"""What the converter does with one invocation, apart from talking to AWS."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import Any, NamedTuple, TypeVar

from mark_event_queue.converter.delivered import Delivered
from mark_event_queue.domain.batches import LIVE, Batch, carry, input_of
from mark_event_queue.domain.budget import budget
from mark_event_queue.domain.clients import Subscription
from mark_event_queue.domain.errors import (
    BatchNotDeliveredError,
    HeldEventsUnavailableError,
    StateMachineUnavailableError,
)
from mark_event_queue.domain.tracks import Track, Turn, spread

Failures = dict[str, list[dict[str, str]]]
Task = Callable[[], None]
SideBySide = Callable[[Sequence[Task]], object]
Answer = TypeVar("Answer")


class Pipeline(NamedTuple):
    """What an invocation needs of the world."""

    run: Callable[[Batch, str], None]
    """Runs an execution for a batch, with its input, and waits for its end."""
    mentions: Callable[[], Collection[str]]
    """Reads, consistently, of whom anything is held."""
    has_time: Callable[[], bool]
    """Tells whether the end of one more execution could be awaited."""
    on_stop: Callable[[Batch, str], None]
    """Is told which batch stopped its track, and why."""


def in_threads(tasks: Sequence[Task]) -> None:
    """Do the tasks side by side; when all have ended, raise what one of them raised."""
    if len(tasks) == 1:
        return tasks[0]()
    with ThreadPoolExecutor(len(tasks)) as pool:
        ended = list(map(pool.submit, tasks))
    for task in ended:
        task.result()
    return None


class Converter:
    """Delivers the records of invocations, and remembers what the stream will bring again without need."""

    def __init__(self, tracks: int, side_by_side: SideBySide = in_threads) -> None:
        """Take how many executions may run at the same time, and a way to run them."""
        self._tracks = tracks
        self._side_by_side = side_by_side
        self._delivered = Delivered()

    def deliver(
        self, records: Sequence[Mapping[str, Any]], subscriptions: Collection[Subscription], pipeline: Pipeline
    ) -> Failures:
        """Run one execution per batch, the batches of a track one after another, the tracks side by side.

        Where an execution does not succeed its track stops, and the others end the batch they are in. The answer names
        the first record that was not delivered, so that the stream brings it and everything after it again (Lambda
        Developer Guide, ReportBatchItemFailures: the lowest sequence number is the checkpoint). What was delivered
        behind it is left out when it comes. A batch that there is no time for has failed, too.

        Raises:
            BatchNotDeliveredError, StateMachineUnavailableError, HeldEventsUnavailableError: the very first record
                was not delivered: for the stream the same as naming it, and plain to every engine.
        """
        room = budget([one.as_client() for one in subscriptions])
        brought = list(carry(records, room))
        carried = [one for one in brought if one.place not in self._delivered]
        course = _Course(pipeline, subscriptions)
        try:
            course.take(spread(carried, room, self._tracks), self._side_by_side)
        finally:
            self._delivered.remember(one.place for one in carried if one.position in course.done)
        left = [one for one in carried if one.position not in course.done]
        if not left:
            self._delivered.forget(one.place for one in brought)
            return {"batchItemFailures": []}
        if left[0].position == 0:
            raise course.failed[0]
        return {"batchItemFailures": [{"itemIdentifier": left[0].what.checkpoint}]}


class _Course:
    """An invocation on its way: the positions of the records that were delivered, and what failed."""

    def __init__(self, pipeline: Pipeline, subscriptions: Collection[Subscription]) -> None:
        self.done: set[int] = set()
        self.failed: dict[int, Exception] = {}
        self._pipeline = pipeline
        self._subscriptions = subscriptions
        self._stopped = Event()

    def take(self, tracks: Sequence[Track], side_by_side: SideBySide) -> None:
        """Run the tracks. Of whom anything is held is read once: the tracks have no mark in common."""
        if not tracks:
            return
        first = min((track[0].batch for track in tracks), key=lambda batch: batch.positions[0])
        mentions = self._attempt(first, self._pipeline.mentions)
        if mentions is not None:
            side_by_side([partial(self._run, track, mentions) for track in tracks])

    def _run(self, track: Track, mentions: Collection[str]) -> None:
        for number, turn in enumerate(track):
            if number and self._stopped.is_set():
                return
            if not self._attempt(turn.batch, partial(self._execute, turn, mentions, is_first=not number)):
                return
            self.done.update(turn.batch.positions)

    def _execute(self, turn: Turn, mentions: Collection[str], *, is_first: bool) -> bool:
        if not is_first and not self._pipeline.has_time():
            raise BatchNotDeliveredError("no time left in this invocation")
        batch = turn.batch
        # What the batch before it has parked, of the same marks, is not among what was read at first.
        known = self._pipeline.mentions() if turn.follows else mentions
        clients = batch.receivers(self._subscriptions)
        self._pipeline.run(batch, input_of(batch, clients, datetime.now(UTC), LIVE, known))
        return True

    def _attempt(self, batch: Batch, work: Callable[[], Answer]) -> Answer | None:
        """Do some work for a batch; when it fails, stop all tracks, and return nothing."""
        try:
            return work()
        except (BatchNotDeliveredError, StateMachineUnavailableError, HeldEventsUnavailableError) as error:
            self._stopped.set()
            self.failed[batch.positions[0]] = error
            self._pipeline.on_stop(batch, str(error))
            return None
