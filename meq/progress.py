"""How long work shows that it goes on: on a terminal by one line that changes, elsewhere by a line now and then."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

_SECONDS_BETWEEN_LINES = 10


class Progress:
    """Tells how far work is."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._terminal = stream.isatty()
        self._shown = ""
        self._next_line = 0.0

    def __call__(self, text: str) -> None:
        """Show how far it is, unless that is shown already."""
        if text == self._shown:
            return
        if self._terminal:
            self._write(f"\r\x1b[K{text}")
        elif not self._shown or self._clock() >= self._next_line:
            self._write(f"{text}\n")
            self._next_line = self._clock() + _SECONDS_BETWEEN_LINES
        else:
            return
        self._shown = text

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear the line, so that the outcome stands alone."""
        if self._terminal and self._shown:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
