"""Recordings are transcribed a few at a time; further requests wait, and too many are asked to come back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ctcasr.serve.refusing import RefusalError

Result = TypeVar("Result")

RETRY_SECONDS = 5


class Work:
    """Run functions in threads, so many at a time."""

    def __init__(self, jobs: int, queue: int, what: str) -> None:
        """Prepare the threads; `what` there are too many of, for the message."""
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="ctcasr")
        self._jobs, self._queue, self._what = jobs, queue, what
        self._taken = 0

    @property
    def running(self) -> int:
        """Functions in work."""
        return min(self._taken, self._jobs)

    @property
    def waiting(self) -> int:
        """Functions that wait for a thread."""
        return max(0, self._taken - self._jobs)

    def check_room(self) -> None:
        """Raise RefusalError if nothing more may wait: before the body is read, so that waiting costs no memory."""
        if self._taken >= self._jobs + self._queue:
            raise RefusalError(
                503,
                f"{self._taken} {self._what} are in work or wait already; come back in {RETRY_SECONDS} s",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )

    async def run(self, function: Callable[[], Result]) -> Result:
        """Return what the function returns, when it is its turn; a client that goes away gives up its place.

        Raises:
            RefusalError: too many wait.
        """
        self.check_room()
        self._taken += 1
        future = self._pool.submit(function)
        try:
            return await asyncio.wrap_future(future)
        finally:
            # Cancelled ones that a thread works on already are still counted out here: their thread is busy for
            # no longer than the time limit.
            future.cancel()
            self._taken -= 1

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


__all__ = ["Work"]
