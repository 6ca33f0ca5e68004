"""Being asked to stop: SIGTERM, as clusters send it before they take a machine away, and Ctrl-C."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

SAME_SECONDS = 1.0
"""Signals within so much time are one request: a group of processes gets it, and their launcher passes it on."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(BaseException):
    """A run that was asked to stop has written a checkpoint; the message says how to go on.

    Attributes:
        exit_code: 0 after SIGTERM, so that a cluster does not count the run as failed; 130 after Ctrl-C, as of
            every command.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class StopRequest:
    """Note that a signal asks this process to stop; the training does when it has finished its step.

    A second Ctrl-C ends the process at once. Only the main thread can receive signals: elsewhere nothing is noted.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._since = 0.0
        self._at_once = False
        self._before: dict[signal.Signals, Any] = {}

    @property
    def wanted(self) -> bool:
        """Whether a signal has come."""
        return self._received is not None

    def stopped(self, message: str) -> Stopped:
        """Return what ends the run."""
        return Stopped(message, 130 if self._received == signal.SIGINT else 0)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Where nothing is lost by it, stop wherever the signal finds us.

        Raises:
            Stopped: a signal comes, or has come.
        """
        self._at_once = True
        try:
            if self.wanted:
                raise self.stopped("stopped")
            yield
        finally:
            self._at_once = False

    def _note(self, number: int, _: FrameType | None) -> None:
        if self._received is None:
            self._received, self._since = number, time.monotonic()
            if self._at_once:
                raise self.stopped("stopped")
        elif number == signal.SIGINT and time.monotonic() - self._since > SAME_SECONDS:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {kind: signal.signal(kind, self._note) for kind in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for before, handler in self._before.items():
            signal.signal(before, handler)


@contextmanager
def shielded() -> Iterator[None]:
    """Hold SIGTERM and Ctrl-C back, from the network while it computes and from processes that start.

    Torch's LSTM on a CPU, of oneDNN, does not survive a signal, whatever its handler does: memory that has nothing to
    do with it is overwritten, and sooner or later the process aborts (torch 2.11: within seconds at a thousand signals
    a second, and now and then when a training was asked to stop). A signal that comes meanwhile is handled at the end.

    Processes and threads that start here inherit that the signals are blocked, from their first moment on: the
    processes are not stopped when all of a group are asked to, and who started them ends them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
