"""Recognition while somebody speaks: chunks in, partial and final results out.

A network of one direction goes on where it stopped (`incremental`). A bidirectional one cannot go on frame by frame: it
sees what comes after. So the audio is scored in short windows with context on both sides, as long recordings are, and
what a stream finally gives is what the same windows give offline (`StreamSettings.long_audio`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ctcasr.audio import StreamResampler
from ctcasr.errors import AudioError
from ctcasr.runtime.long_audio import LongAudioSettings
from ctcasr.runtime.pauses import PauseSettings, PauseSplitter, SegmentRows
from ctcasr.runtime.seams import SeamJoiner
from ctcasr.runtime.transcript import Segment
from ctcasr.runtime.window_cutting import WindowCutter, WindowSettings

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class StreamSettings:
    """How a stream is cut.

    Attributes:
        step_seconds: of audio that are recognised at a time.
        future_seconds: of audio that are waited for behind them, by a model that needs windows.
        past_seconds: of audio before them that are scored again, by a model that needs windows.
        pauses: where a result is final.
    """

    step_seconds: float = 0.64
    future_seconds: float = 0.64
    past_seconds: float = 8.0
    pauses: PauseSettings = field(default_factory=lambda: PauseSettings(1.0, 0.6, 20.0))

    @property
    def latency_seconds(self) -> float:
        """The most that a settled frame of windows comes after its audio, apart from the time for computing."""
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


class RowSource(Protocol):
    """From the samples of one recording to rows of scores `(n, O)`."""

    @property
    def samples(self) -> int:
        """Samples that were taken so far."""
        ...

    @property
    def latency_seconds(self) -> float:
        """The most that a settled row comes after its audio, apart from the time for computing."""
        ...

    @property
    def open_rows(self) -> Float32 | None:
        """Rows after the settled ones, which may still change; None where there are never any."""
        ...

    @property
    def is_one_piece(self) -> bool:
        """Whether the recording has ended so soon that its rows are decoded in one piece."""
        ...

    def push(self, samples: Float32) -> Iterator[Float32]:
        """Take samples `(n,)`; yield rows that are settled."""
        ...

    def finish(self) -> Iterator[Float32]:
        """Yield the rows that are left."""
        ...


class WindowedRows:
    """Rows of windows that overlap, joined as those of a long recording."""

    def __init__(
        self, score: Callable[[Float32], Float32], cutter: WindowCutter, latency_seconds: float
    ) -> None:
        """Start at the beginning of a recording.

        Args:
            score: from a waveform to `log_probs (T', O)`.
            cutter: cuts the windows.
            latency_seconds: that these windows have.
        """
        self._score, self._cutter = score, cutter
        self._joiner = SeamJoiner()
        self._windows = 0
        self.latency_seconds = latency_seconds
        self.is_one_piece = False

    @property
    def samples(self) -> int:
        """Samples that were taken so far."""
        return self._cutter.samples

    @property
    def open_rows(self) -> Float32 | None:
        """Rows that the next window may still change."""
        return self._joiner.open_rows

    def push(self, samples: Float32) -> Iterator[Float32]:
        """Take samples `(n,)`; yield rows that are settled."""
        for window in self._cutter.push(samples):
            self._windows += 1
            yield self._joiner.push(window, self._score(window.waveform))

    def finish(self) -> Iterator[Float32]:
        """Yield the rows that are left; of a recording of one window they are all that the network gives."""
        for window in self._cutter.finish():
            self.is_one_piece = not self._windows
            rows = self._score(window.waveform)
            yield rows if self.is_one_piece else self._joiner.push(window, rows)


@dataclass(frozen=True)
class StreamParts:
    """What a stream is made of; each stream needs its own rows and splitter.

    Attributes:
        rows: from samples to scores.
        decode: from scores and the duration of the audio to a segment.
        splitter: finds the pauses.
        rate: that the model hears, in Hz.
    """

    rows: RowSource
    decode: Callable[[SegmentRows, float], Segment]
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
        self._is_finished = False

    @property
    def latency_seconds(self) -> float:
        """The most that a settled frame comes after its audio, apart from the time for computing."""
        return self._parts.rows.latency_seconds

    def feed(self, chunk: Float32) -> list[StreamResult]:
        """Take a chunk `(n,)` of any length; return segments that have ended, then the open one if it changed.

        Raises:
            AudioError: the chunk is not one row of finite numbers, or the stream is finished.
        """
        self._check(chunk)
        parts = self._parts
        results: list[StreamResult] = []
        changed = False
        for rows in parts.rows.push(self._resampler(np.asarray(chunk, np.float32))):
            changed = True
            results += self._finals(parts.splitter.push(rows))
        return [*results, self._partial()] if changed else results

    def finish(self) -> list[StreamResult]:
        """End the recording; return the segments that are left.

        Raises:
            AudioError: the stream is finished already.
        """
        self._check(np.zeros(0, np.float32))
        self._is_finished = True
        parts = self._parts
        results: list[StreamResult] = []
        pieces = [*parts.rows.push(self._resampler.finish()), *parts.rows.finish()]
        if parts.rows.is_one_piece:
            return self._finals([SegmentRows(0, pieces[0], True)])
        for rows in pieces:
            results += self._finals(parts.splitter.push(rows))
        return results + self._finals([parts.splitter.finish()])

    def _check(self, chunk: Float32) -> None:
        if self._is_finished:
            raise AudioError("the stream is finished, and takes nothing more; begin another one")
        if chunk.ndim != 1 or not np.isfinite(chunk).all():
            raise AudioError(
                f"a chunk of shape {chunk.shape} came; expected (samples,) of finite numbers, one channel"
            )

    def _partial(self) -> StreamResult:
        """Return what is recognised so far of the segment that has not ended."""
        settled, tail = self._parts.splitter.open_rows, self._parts.rows.open_rows
        if tail is not None:
            settled = SegmentRows(settled.start, np.concatenate((settled.log_probs, tail)))
        return StreamResult(self._parts.decode(settled, self._seconds), False)

    def _finals(self, segments: Iterable[SegmentRows]) -> list[StreamResult]:
        decoded = (self._parts.decode(rows, self._seconds) for rows in segments)
        return [StreamResult(segment, True) for segment in decoded if segment.words]

    @property
    def _seconds(self) -> float:
        return self._parts.rows.samples / self._parts.rate


__all__ = ["RecognitionStream", "RowSource", "StreamParts", "StreamResult", "StreamSettings", "WindowedRows"]
