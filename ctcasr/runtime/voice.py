"""Where in a waveform nobody speaks: our own detector goes by loudness, a better one may take its place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

VoiceDetector = Callable[[Float32, int], npt.NDArray[np.floating]]
"""From a waveform `(N,)` and its rate in Hz to how much voice there is, a value for each `VOICE_SECONDS` or part.

Only the order of the values counts: recordings are cut where they are low for longest.
"""

VOICE_SECONDS = 0.02
"""What one value of a detector is about."""

QUIETEST = 1e-5
"""Amplitude below which everything counts as equally silent: a third of a step of 16 bits."""


def loudness(waveform: Float32, sample_rate: int) -> npt.NDArray[np.floating]:
    """Return the loudness in decibels against full scale, from -100, of each 20 ms."""
    length = round(VOICE_SECONDS * sample_rate)
    padded = np.pad(waveform, (0, -len(waveform) % length)).reshape(-1, length)
    power = np.einsum("ij,ij->i", padded, padded) / length
    decibels: npt.NDArray[np.floating] = 10 * np.log10(np.maximum(power, QUIETEST**2))
    return decibels


def quietest(voice: npt.NDArray[np.floating], width: int) -> int:
    """Return the middle of the stretch of `width` values with the least voice on average, the last of equals.

    Fewer values than `width` are one stretch.
    """
    width = min(width, len(voice))
    totals = np.concatenate(([0.0], np.cumsum(voice, dtype=np.float64)))
    sums = totals[width:] - totals[:-width]
    last = len(sums) - 1 - int(np.argmin(sums[::-1]))
    return last + width // 2


__all__ = ["VOICE_SECONDS", "VoiceDetector", "loudness", "quietest"]
