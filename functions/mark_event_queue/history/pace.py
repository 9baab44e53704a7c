"""Keeps a history from being faster than it may be, so that the client, and its queue, keep up with live events."""

import time
from collections.abc import Callable


class Pace:
    """So many events a second."""

    def __init__(
        self,
        events_per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds_per_event = 1 / events_per_second
        self._clock, self._sleep = clock, sleep
        self._free_at = clock()

    def wait_for(self, events: int) -> None:
        """Wait until so many further events may be sent."""
        now = self._clock()
        if self._free_at > now:
            self._sleep(self._free_at - now)
        self._free_at = max(self._free_at, now) + events * self._seconds_per_event

    def pause(self, attempt: int) -> None:
        """Wait before a refused call is tried again: half a second, then twice as long each time."""
        self._sleep(0.25 * 2**attempt)
