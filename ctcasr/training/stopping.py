"""Being asked to stop: SIGTERM, as clusters send it before they take a machine away, and Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

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

    A second signal acts as if there were no such object. Only the main thread can receive signals: elsewhere
    nothing is noted.
    """

    def __init__(self) -> None:
        self._received: int | None = None
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
        self._received = number
        self._restore()
        if self._at_once:
            raise self.stopped("stopped")

    def _restore(self) -> None:
        for kind, handler in self._before.items():
            signal.signal(kind, handler)
        self._before.clear()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {kind: signal.signal(kind, self._note) for kind in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()


@contextmanager
def shielded() -> Iterator[None]:
    """Start processes that are not stopped when all of a group are asked to: who starts them ends them.

    They inherit that the signals are blocked, from their first moment on.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
