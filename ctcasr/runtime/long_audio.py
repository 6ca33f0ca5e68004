"""Recordings of any length to segments: windows are scored and segments decoded while the rest is still read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import numpy.typing as npt

from ctcasr.runtime.ordered import map_ordered
from ctcasr.runtime.pauses import PauseSettings, PauseSplitter, SegmentRows, split
from ctcasr.runtime.seams import join
from ctcasr.runtime.transcript import Segment
from ctcasr.runtime.window_cutting import Window, WindowCutter, WindowSettings, cut_windows

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LongAudioSettings:
    """How recordings longer than a window are cut for the network, and their scores for the decoder."""

    windows: WindowSettings = field(default_factory=WindowSettings)
    pauses: PauseSettings = field(default_factory=PauseSettings)


Watch = Callable[[int, float, float], None]
"""Is told the number of a recording, the seconds of it that are recognised, and the share of all of it."""


@dataclass(frozen=True)
class Workers:
    """Who recognises: windows of long recordings go to a pool of their own, which waits for nobody."""

    threads: int
    windows: Executor | None = None
    watch: Watch | None = None


class Stages:
    """Seconds that the stages took, over all threads."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("read", "features", "network", "decode"), 0.0)
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add to a stage what the block takes."""
        started = time.perf_counter()
        yield
        with self._lock:
            self.seconds[stage] += time.perf_counter() - started

    def reading(self, blocks: Iterable[Float32]) -> Iterator[Float32]:
        """Yield the blocks; add the time that reading them takes."""
        blocks = iter(blocks)
        while True:
            with self("read"):
                block = next(blocks, None)
            if block is None:
                return
            yield block


@dataclass(frozen=True)
class Pipeline:
    """The steps from a waveform to segments.

    Attributes:
        score: from a waveform to `log_probs (T', V)`.
        decode: from scores and the duration of the audio to a segment.
        splitter: makes what finds the pauses of one recording.
        watch: is told how many seconds of the recording are scored.
        pool: for windows and segments; without one, all is done where the segments are asked for.
        threads: of the pool.
    """

    score: Callable[[Float32], Float32]
    decode: Callable[[SegmentRows, float], Segment]
    splitter: Callable[[], PauseSplitter]
    watch: Callable[[float], None] | None = None
    pool: Executor | None = None
    threads: int = 1

    def segments(
        self, blocks: Iterable[Float32], cutter: WindowCutter, frame_seconds: float, rate: int
    ) -> Iterator[Segment]:
        """Yield the segments of a waveform that comes in blocks; one, where there is one window.

        Raises:
            CtcAsrError: what reading, scoring or decoding raises.
        """
        windows = cut_windows(blocks, cutter)
        first = next(windows, None)
        second = next(windows, None)
        if first is None:
            return
        if second is None:
            rows = SegmentRows(0, self.score(first.waveform), True)
            yield self.decode(rows, cutter.samples / rate)
            return

        def score(window: Window) -> tuple[Window, Float32]:
            return window, self.score(window.waveform)

        def watched(pieces: Iterable[Float32]) -> Iterator[Float32]:
            frames = 0
            for rows in pieces:
                yield rows
                frames += len(rows)
                if self.watch is not None:
                    self.watch(frames * frame_seconds)

        scored = map_ordered(score, chain((first, second), windows), self.pool, self.threads + 1)
        pieces = split(watched(join(scored)), self.splitter())
        yield from map_ordered(
            # The duration is known when the last segment is, and only that one needs it.
            lambda rows: self.decode(rows, cutter.samples / rate),
            pieces,
            self.pool,
            self.threads + 1,
        )


__all__ = ["LongAudioSettings", "Pipeline", "Stages", "Watch", "Workers"]
