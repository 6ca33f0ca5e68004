"""How far a command is, on stderr, where there is something to wait for: a bar on a terminal, some lines in a log."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ctcasr.pace import LogPace, duration_text

LONG_BYTES = 4_000_000
"""Recordings that weigh less than this in all need no bar, if there is one only."""


@contextmanager
def bar(description: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar of `total` steps; the function it gives moves it on by one."""
    if total < 2:
        yield lambda: None
    elif not sys.stderr.isatty():
        yield LogLines(description, total).advance
    else:
        with _progress() as progress:
            task = progress.add_task(description, total=total)
            yield lambda: progress.advance(task)


class LogLines:
    """A bar's place in a log: a line after a minute, and then every ten.

    Args:
        description: what is done.
        total: all steps.
        clock: tells the time in seconds.
    """

    def __init__(self, description: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._description, self._total = description, total
        self._clock, self._started = clock, clock()
        self._pace = LogPace(clock)
        self._done = 0

    def advance(self) -> None:
        """Move on by one."""
        self._done += 1
        left = self._total - self._done
        if left and self._pace.is_due():
            rest = duration_text((self._clock() - self._started) / self._done * left)
            print(
                f"{self._description}: {self._done} of {self._total}, {rest} left",
                file=sys.stderr,
                flush=True,
            )
            self._pace.told()


class Tally:
    """How far recordings are that are worked on side by side."""

    def __init__(self, weights: Sequence[float]) -> None:
        """Begin with the weights of the recordings."""
        self._weights = weights
        self._shares = [0.0] * len(weights)
        self._seconds = [0.0] * len(weights)
        self._lock = threading.Lock()
        self.done = 0.0
        self.seconds = 0.0
        self.recordings = 0

    def told(self, number: int, seconds: float, share: float) -> None:
        """Note the seconds of a recording that are recognised, and their share of all of it."""
        with self._lock:
            self.done += self._weights[number] * (share - self._shares[number])
            self.seconds += seconds - self._seconds[number]
            self.recordings += share >= 1.0 > self._shares[number]
            self._shares[number], self._seconds[number] = share, seconds

    def failed(self, number: int) -> None:
        """Note that nothing more will come of a recording."""
        self.told(number, self._seconds[number], 1.0)


@contextmanager
def audio_bar(weights: Sequence[float]) -> Iterator[Tally | None]:
    """Show a bar with recordings, times real time and time left; none where nobody would see or need it."""
    if not sys.stderr.isatty() or (len(weights) < 2 and sum(weights) < LONG_BYTES):
        yield None
        return
    tally, started = Tally(weights), time.perf_counter()
    with _progress("{task.fields[note]}") as progress:
        task = progress.add_task("transcribing", total=sum(weights), note="")
        stop = threading.Event()

        def show() -> None:
            while True:
                speed = tally.seconds / max(1e-9, time.perf_counter() - started)
                note = f"{tally.recordings}/{len(weights)}, {speed:.0f}x real time"
                progress.update(task, completed=tally.done, note=note)
                if stop.wait(0.2):
                    return

        thread = threading.Thread(target=show, daemon=True)
        thread.start()
        try:
            yield tally
        finally:
            stop.set()
            thread.join()


@contextmanager
def _progress(*more: str) -> Iterator[Any]:
    # Here rather than above: one short recording should not wait for it.
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    # Unless told otherwise, it takes over stdout as well and writes it to stderr, even where stdout is a file.
    redirected = sys.stdout.isatty()
    columns = (*Progress.get_default_columns(), *map(TextColumn, more))
    with Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=redirected
    ) as progress:
        yield progress
