"""Cut a waveform that comes in pieces into windows that overlap, between which nobody speaks if possible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctcasr.errors import ConfigError
from ctcasr.runtime.voice import VOICE_SECONDS, VoiceDetector, loudness, quietest

Float32 = npt.NDArray[np.float32]

PAUSE_SECONDS = 0.3
"""Length of the stretch whose middle a cut is made in."""


@dataclass(frozen=True)
class WindowSettings:
    """How long recordings are cut.

    Attributes:
        longest_seconds: of a window without its context; a cut is never later.
        shortest_seconds: a cut is never earlier; equal to `longest_seconds`, windows are of one length.
        context_seconds: what is scored after a window and dropped, or left to the next one by a seam.
        past_seconds: what is scored before a window; as much as `context_seconds` by default.
        voice: where a cut is best.
    """

    longest_seconds: float = 20.0
    shortest_seconds: float = 12.0
    context_seconds: float = 2.0
    past_seconds: float | None = None
    voice: VoiceDetector = loudness

    def __post_init__(self) -> None:
        if not 0 < self.shortest_seconds <= self.longest_seconds < 3600:
            raise ConfigError(
                f"windows of {self.shortest_seconds:g} to {self.longest_seconds:g} s; expected more than 0, less "
                "than 3600, and the shortest first"
            )
        if not 0 <= self.context_seconds <= self.past < 3600:
            raise ConfigError(
                f"windows with {self.past:g} s before them and {self.context_seconds:g} s behind; expected at "
                "least as much before as behind, and neither below 0"
            )

    @property
    def past(self) -> float:
        """Seconds that are scored before a window."""
        return self.context_seconds if self.past_seconds is None else self.past_seconds


@dataclass(frozen=True)
class Window:
    """A stretch of a recording, in encoder frames, with the context that it is scored in.

    Attributes:
        waveform: `(n,)`, context included.
        first: frame in which the waveform begins.
        start: frame in which the window begins.
        stop: frame before which it ends.
        is_last: the recording ends with it.
    """

    waveform: Float32
    first: int
    start: int
    stop: int
    is_last: bool


class WindowCutter:
    """Take a waveform piece by piece, give windows as soon as they are whole.

    Whatever the pieces are, the windows are the same. What has no more than the longest window and its context
    is one window.
    """

    def __init__(self, settings: WindowSettings, sample_rate: int, step: int) -> None:
        """Start at the beginning of a recording.

        Args:
            settings: of the windows.
            sample_rate: of the waveform, Hz.
            step: samples from one encoder frame to the next.
        """
        self._settings, self._rate, self._step = settings, sample_rate, step
        self._longest = self._frames(settings.longest_seconds)
        self._shortest = self._frames(settings.shortest_seconds)
        self._context = round(settings.context_seconds * sample_rate / step)
        self._past = round(settings.past * sample_rate / step)
        self._pieces: list[Float32] = []
        self._held = 0
        self._first = 0  # frame in which what is held begins
        self._start = 0  # frame in which the next window begins

    def _frames(self, seconds: float) -> int:
        return max(1, round(seconds * self._rate / self._step))

    @property
    def samples(self) -> int:
        """Samples that were taken so far."""
        return self._first * self._step + self._held

    def push(self, piece: Float32) -> Iterator[Window]:
        """Take a piece `(n,)`; yield the windows that are now whole."""
        self._pieces.append(piece)
        self._held += len(piece)
        while self.samples > (self._start + self._longest + self._context) * self._step:
            yield self._next(self._cut())

    def finish(self) -> Iterator[Window]:
        """Yield the last window; none where nothing was taken."""
        frames = -(-self.samples // self._step)
        if frames > self._start:
            yield Window(self._joined(), self._first, self._start, frames, True)

    def _joined(self) -> Float32:
        if len(self._pieces) != 1:
            self._pieces = [np.concatenate([np.zeros(0, np.float32), *self._pieces])]
        return self._pieces[0]

    def _cut(self) -> int:
        """Return the frame at which the next window ends."""
        if self._shortest == self._longest:
            return self._start + self._longest
        begin = self._start + self._shortest
        stop = self._start + self._longest
        sound = self._joined()[(begin - self._first) * self._step : (stop - self._first) * self._step]
        voice = self._settings.voice(sound, self._rate)
        middle = quietest(voice, round(PAUSE_SECONDS / VOICE_SECONDS)) * VOICE_SECONDS
        return min(stop, begin + round(middle * self._rate / self._step))

    def _next(self, stop: int) -> Window:
        whole = self._joined()
        end = (stop + self._context - self._first) * self._step
        window = Window(whole[:end], self._first, self._start, stop, False)
        first = max(0, stop - self._past)
        # A copy, so that what lies before it is given back.
        rest = whole[(first - self._first) * self._step :].copy()
        self._pieces, self._held = [rest], len(rest)
        self._first, self._start = first, stop
        return window


def cut_windows(pieces: Iterable[Float32], cutter: WindowCutter) -> Iterator[Window]:
    """Yield the windows of a waveform whose pieces are read as they are needed."""
    for piece in pieces:
        yield from cutter.push(piece)
    yield from cutter.finish()


__all__ = ["Window", "WindowCutter", "WindowSettings", "cut_windows"]
