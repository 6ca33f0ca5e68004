"""Log-probabilities of recordings of any length, in windows, so that memory does not grow with the network's.

A window is scored with context on either side; where two meet, `seams` joins them. Its features are normalised,
where the model does that by utterance, over the window: the log-probabilities differ a little from those of the
whole recording in one piece, and stay closer to what the model met in training, which were utterances of seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctcasr import audio
from ctcasr.errors import AudioError
from ctcasr.runtime.ordered import map_ordered
from ctcasr.runtime.recognizer import Recognizer
from ctcasr.runtime.seams import join
from ctcasr.runtime.window_cutting import Window, cut_windows

Float32 = npt.NDArray[np.float32]


def waveform_log_probs(recognizer: Recognizer, waveform: Float32, threads: int | None = None) -> Float32:
    """Return `log_probs (T', V)` of a mono waveform `(N,)` of any length at the bundle's sample rate.

    A last frame that begins where the waveform ends is left out: each frame lies within the audio.

    Raises:
        AudioError: the waveform is empty, has not one axis, or holds NaN or infinity.
    """
    check_waveform(waveform)
    return _log_probs(recognizer, [waveform], threads)


def check_waveform(waveform: Float32) -> None:
    """Raise AudioError unless a waveform has one axis, samples on it, and no NaN or infinity."""
    if waveform.ndim != 1 or not len(waveform):
        raise AudioError(f"the waveform has shape {waveform.shape}; expected (samples,), and at least one")
    if not np.isfinite(waveform).all():
        place = int(np.argmin(np.isfinite(waveform)))
        raise AudioError(f"the waveform holds {waveform[place]} at sample {place}; expected finite sound")


def recording_log_probs(
    recognizer: Recognizer, path: Path, threads: int | None = None
) -> tuple[Float32, float]:
    """Return `log_probs (T', V)` of an audio file of any length, and its duration in seconds.

    Only the windows in work are in memory, and the result.

    Raises:
        AudioError: the file cannot be read whole, or holds no usable sound.
    """
    rate = recognizer.bundle.description.features.sample_rate
    samples = 0

    def counted() -> Iterator[Float32]:
        nonlocal samples
        for block in audio.stream(path, rate):
            samples += len(block)
            yield block

    log_probs = _log_probs(recognizer, counted(), threads)
    return log_probs, samples / rate


def _log_probs(recognizer: Recognizer, blocks: Iterable[Float32], threads: int | None) -> Float32:
    threads = threads or os.cpu_count() or 1
    if threads == 1:
        return np.concatenate(list(joined_rows(recognizer, blocks, None, 1)))
    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(joined_rows(recognizer, blocks, pool, threads)))


def joined_rows(
    recognizer: Recognizer, blocks: Iterable[Float32], pool: Executor | None, threads: int
) -> Iterator[Float32]:
    """Yield the rows `(n, V)` of a waveform that comes in blocks, read only as far as there is room."""

    def score(window: Window) -> tuple[Window, Float32]:
        return window, recognizer.log_probs(window.waveform)

    windows = cut_windows(blocks, recognizer.cutter())
    yield from join(map_ordered(score, windows, pool, threads + 1))


__all__ = ["check_waveform", "joined_rows", "recording_log_probs", "waveform_log_probs"]
