"""Join the scores of windows that overlap, where both say that nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from ctcasr.runtime.window_cutting import Window
from ctcasr.text import BLANK_ID

Float32 = npt.NDArray[np.float32]

REACH = 3
"""Frames on either side of a seam that should be blank: the two windows may write a symbol a frame or two apart."""


class SeamJoiner:
    """Take the scores of window after window, give those of the recording.

    Two neighbours overlap by their contexts. Of the frames there that keep half of the context on either side,
    the seam is the one around which both windows are surest of the blank; of equal ones the nearest to the cut.
    Text plays no part: a word that the seam falls into would need agreement about it that posteriors show first.
    """

    def __init__(self) -> None:
        self._tail: Float32 | None = None
        self._reached = 0  # frame in which the tail begins

    def push(self, window: Window, log_probs: Float32) -> Float32:
        """Take the window's `log_probs (n, V)`, context included; return the rows `(m, V)` that are settled."""
        log_probs = log_probs[: window.stop - window.first] if window.is_last else log_probs
        if self._tail is None:
            begin, settled = 0, log_probs[:0]
        else:
            seam = _seam(self._tail, self._reached, log_probs, window)
            settled, begin = self._tail[: seam - self._reached], seam - window.first
        rows = log_probs[begin:]
        if window.is_last:
            self._tail = None
            return np.concatenate((settled, rows))
        end = max(begin, window.stop - window.first - _slack(window, len(log_probs)))
        self._tail, self._reached = log_probs[end:].copy(), window.first + end
        return np.concatenate((settled, log_probs[begin:end]))

    @property
    def open_rows(self) -> Float32 | None:
        """The rows after the settled ones, which the next window may still change."""
        return self._tail


def _slack(window: Window, rows: int) -> int:
    """Return how many frames a seam may lie from the cut: half of the context behind the window."""
    return max(0, min(rows + window.first - window.stop, window.stop - window.start)) // 2


def _seam(tail: Float32, reached: int, log_probs: Float32, window: Window) -> int:
    """Return the first frame that is the new window's; the one before is the old one's."""
    cut = window.start
    slack = min(cut - reached, reached + len(tail) - cut, cut - window.first)
    if slack <= 0:
        return cut
    low, high = (
        max(reached, cut - slack),
        min(cut + slack, reached + len(tail), window.first + len(log_probs)),
    )
    old = tail[low - reached : high - reached, BLANK_ID].astype(np.float64)
    new = log_probs[low - window.first : high - window.first, BLANK_ID].astype(np.float64)
    padded = np.pad(np.maximum(old, -30) + np.maximum(new, -30), REACH, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * REACH + 1).sum(axis=1)
    best = np.flatnonzero(around >= around.max() - 1e-3)
    return low + int(best[np.argmin(np.abs(best + low - cut))])


def join(scored: Iterable[tuple[Window, Float32]]) -> Iterator[Float32]:
    """Yield the rows of a recording from the scores of its windows."""
    joiner = SeamJoiner()
    for window, log_probs in scored:
        rows = joiner.push(window, log_probs)
        if len(rows):
            yield rows


__all__ = ["SeamJoiner", "join"]
