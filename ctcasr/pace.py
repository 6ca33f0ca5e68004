"""How far something long is, told in a log: soon once, to see that all is well, and seldom after that."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_SECONDS = 60.0
"""After how long a log is told something for the first time."""

SECONDS = 600.0
"""After how long without a line it is told again."""


class LogPace:
    """Says when a log is due a line.

    Args:
        clock: tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = clock() + FIRST_SECONDS

    def is_due(self) -> bool:
        """Return whether nothing has been told for long."""
        return self._clock() >= self._next

    def told(self) -> None:
        """Note that a line has been written."""
        self._next = self._clock() + SECONDS


def duration_text(seconds: float) -> str:
    """Return a time as people say it: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"
