"""A clock that is set forward, and work that is done one after another as if side by side."""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from math import inf
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Clock:
    """Virtual seconds since the beginning, for one thread."""

    def __init__(self) -> None:
        self.now = 0.0

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.now += seconds

    def side_by_side(self, tasks: Iterable[Callable[[], T]]) -> list[T]:
        """Run tasks that all start now, and return their results when the last has ended."""
        pool = Pool(self)
        return [task.result() for task in [pool.submit(task) for task in tasks]]


class Pool:
    """Stands in for ThreadPoolExecutor: what is submitted runs at once, and ends later by the clock.

    With a number of workers, a task starts when the first of them is free.
    """

    def __init__(self, clock: Clock, workers: float = inf) -> None:
        self._clock, self._workers = clock, workers
        self._ends: list[float] = []

    def submit(self, work: Callable[..., T], *arguments: Any) -> "Task[T]":
        """Run the task; the clock stays where it was until somebody waits for the end."""
        submitted = self._clock.now
        if len(self._ends) >= self._workers:
            self._clock.now = max(submitted, heappop(self._ends))
        task = Task(self._clock, work, *arguments)
        heappush(self._ends, task.end)
        self._clock.now = submitted
        return task

    def shutdown(self, wait: bool) -> None:
        """Do nothing: what was submitted has run."""

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown(wait=True)


class Task(Generic[T]):
    """Stands in for Future: a task that has run, which ends later by the clock."""

    def __init__(self, clock: Clock, work: Callable[..., T], *arguments: Any) -> None:
        self._clock = clock
        self._value: T
        self._error: Exception | None = None
        try:
            self._value = work(*arguments)
        except Exception as error:  # who waits for it gets it
            self._error = error
        self.end = clock.now

    def result(self, timeout: float = inf) -> T:
        """Wait for the end and return what the task returned, or raise what it raised.

        Raises:
            TimeoutError: it takes more seconds than that.
        """
        if self.end > self._clock.now + timeout:
            self._clock.advance(timeout)
            raise TimeoutError
        self._clock.now = max(self._clock.now, self.end)
        if self._error:
            raise self._error
        return self._value


def wait(tasks: Iterable[Task[Any]], clock: Clock) -> None:
    """Wait until every task has ended, well or not."""
    clock.now = max((clock.now, *(task.end for task in tasks)))
