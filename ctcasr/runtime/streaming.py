"""Recognition while somebody speaks: chunks in, partial and final results out.

A bidirectional network cannot go on frame by frame: it sees what comes after. So the audio is scored in short windows
with context on both sides, as long recordings are, and what a stream finally gives is what the same windows give
offline (`StreamSettings.long_audio`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ctcasr.audio import StreamResampler
from ctcasr.errors import AudioError
from ctcasr.runtime.long_audio import LongAudioSettings
from ctcasr.runtime.pauses import PauseSettings, PauseSplitter, SegmentRows
from ctcasr.runtime.seams import SeamJoiner
from ctcasr.runtime.transcript import Segment
from ctcasr.runtime.window_cutting import Window, WindowCutter, WindowSettings

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class StreamSettings:
    """How a stream is cut.

    Attributes:
        step_seconds: of audio that are recognised at a time.
        future_seconds: of audio that are waited for behind them.
        past_seconds: of audio before them that are scored again.
        pauses: where a result is final.
    """

    step_seconds: float = 0.64
    future_seconds: float = 0.64
    past_seconds: float = 8.0
    pauses: PauseSettings = field(default_factory=lambda: PauseSettings(1.0, 0.6, 20.0))

    @property
    def latency_seconds(self) -> float:
        """The most that a settled frame comes after its audio, apart from the time for computing."""
        return self.step_seconds + 1.5 * self.future_seconds

    @property
    def long_audio(self) -> LongAudioSettings:
        """The settings with which a whole recording is cut in the same way."""
        windows = WindowSettings(self.step_seconds, self.step_seconds, self.future_seconds, self.past_seconds)
        return LongAudioSettings(windows, self.pauses)


@dataclass(frozen=True)
class StreamResult:
    """A segment that has ended, or what is recognised so far of the one that has not."""

    segment: Segment
    is_final: bool


@dataclass(frozen=True)
class StreamParts:
    """What a stream is made of; each stream needs its own cutter and splitter.

    Attributes:
        score: from a waveform to `log_probs (T', V)`.
        decode: from scores and the duration of the audio to a segment.
        cutter: cuts the windows.
        splitter: finds the pauses.
        rate: that the model hears, in Hz.
    """

    score: Callable[[Float32], Float32]
    decode: Callable[[SegmentRows, float], Segment]
    cutter: WindowCutter
    splitter: PauseSplitter
    rate: int


class RecognitionStream:
    """Take chunks of one recording; `Recognizer.stream` makes it. One thread at a time may use it."""

    def __init__(self, parts: StreamParts, sample_rate: int) -> None:
        """Begin a recording whose chunks have a sample rate in Hz.

        Raises:
            ConfigError: the rate is out of range.
        """
        self._parts = parts
        self._resampler = StreamResampler(sample_rate, parts.rate)
        self._joiner = SeamJoiner()
        self._has_rows = False
        self._is_finished = False

    def feed(self, chunk: Float32) -> list[StreamResult]:
        """Take a chunk `(n,)` of any length; return segments that have ended, then the open one if it changed.

        Raises:
            AudioError: the chunk is not one row of finite numbers, or the stream is finished.
        """
        self._check(chunk)
        results: list[StreamResult] = []
        for window in self._parts.cutter.push(self._resampler(np.asarray(chunk, np.float32))):
            self._has_rows = True
            results = [result for result in results if result.is_final] + self._take(window)
        return results

    def finish(self) -> list[StreamResult]:
        """End the recording; return the segments that are left.

        Raises:
            AudioError: the stream is finished already.
        """
        self._check(np.zeros(0, np.float32))
        self._is_finished = True
        parts = self._parts
        results: list[StreamResult] = []
        windows = [*parts.cutter.push(self._resampler.finish()), *parts.cutter.finish()]
        if len(windows) == 1 and not self._has_rows:  # as a recording of one window
            return self._finals([SegmentRows(0, parts.score(windows[0].waveform), True)])
        for window in windows:
            results += [result for result in self._take(window) if result.is_final]
        return results + self._finals([parts.splitter.finish()])

    def _check(self, chunk: Float32) -> None:
        if self._is_finished:
            raise AudioError("the stream is finished, and takes nothing more; begin another one")
        if chunk.ndim != 1 or not np.isfinite(chunk).all():
            raise AudioError(
                f"a chunk of shape {chunk.shape} came; expected (samples,) of finite numbers, one channel"
            )

    def _take(self, window: Window) -> list[StreamResult]:
        parts = self._parts
        rows = self._joiner.push(window, parts.score(window.waveform))
        results = self._finals(parts.splitter.push(rows))
        tail = self._joiner.open_rows
        if tail is not None:
            settled = parts.splitter.open_rows
            shown = SegmentRows(settled.start, np.concatenate((settled.log_probs, tail)))
            results.append(StreamResult(parts.decode(shown, self._seconds), False))
        return results

    def _finals(self, segments: Iterable[SegmentRows]) -> list[StreamResult]:
        decoded = (self._parts.decode(rows, self._seconds) for rows in segments)
        return [StreamResult(segment, True) for segment in decoded if segment.words]

    @property
    def _seconds(self) -> float:
        return self._parts.cutter.samples / self._parts.rate


__all__ = ["RecognitionStream", "StreamParts", "StreamResult", "StreamSettings"]
