"""Log-probabilities of recordings of any length, in windows, so that memory does not grow with the network's.

A window is scored with context on either side, which is then dropped. Its features are normalised, where the
model does that by utterance, over the window: the log-probabilities differ a little from those of the whole
recording in one piece, and stay closer to what the model met in training, which were utterances of seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctcasr import audio
from ctcasr.errors import AudioError
from ctcasr.runtime.recognizer import Recognizer

Float32 = npt.NDArray[np.float32]

WINDOW_SECONDS = 60.0
"""Longest window, without its context; shorter recordings are scored in one piece."""

CONTEXT_SECONDS = 2.0
"""What is scored on either side of a window and dropped."""

SEEKABLE = frozenset({"WAV", "WAVEX", "RF64", "AIFF", "FLAC", "NIST"})
"""Containers of which a part is read without what stands before it; others are decoded once, and held."""


def waveform_log_probs(recognizer: Recognizer, waveform: Float32, threads: int | None = None) -> Float32:
    """Return `log_probs (T', V)` of a mono waveform `(N,)` of any length at the bundle's sample rate.

    A last frame that begins where the waveform ends is left out: each frame lies within the audio.

    Raises:
        AudioError: the waveform is empty, has not one axis, or holds NaN or infinity.
    """
    if waveform.ndim != 1 or not len(waveform):
        raise AudioError(f"the waveform has shape {waveform.shape}; expected (samples,), and at least one")
    if not np.isfinite(waveform).all():
        place = int(np.argmin(np.isfinite(waveform)))
        raise AudioError(f"the waveform holds {waveform[place]} at sample {place}; expected finite sound")
    return _in_windows(recognizer, lambda start, stop: waveform[start:stop], len(waveform), threads)


def recording_log_probs(
    recognizer: Recognizer, path: Path, threads: int | None = None
) -> tuple[Float32, float]:
    """Return `log_probs (T', V)` of an audio file of any length, and its duration in seconds.

    Of WAV, FLAC, AIFF and SPHERE only the windows in work are in memory; of other files all samples are.

    Raises:
        AudioError: the file cannot be read whole, or holds no usable sound.
    """
    rate = recognizer.bundle.description.features.sample_rate
    info = audio.probe(path)
    samples = int(info.duration_seconds * rate)
    if info.container not in SEEKABLE or samples <= WINDOW_SECONDS * rate:
        waveform = audio.load(path, rate)
        return waveform_log_probs(recognizer, waveform, threads), len(waveform) / rate

    def read(start: int, stop: int | None) -> Float32:
        duration = None if stop is None else (stop - start) / rate
        return audio.load(path, rate, offset_seconds=start / rate, duration_seconds=duration)

    return _in_windows(recognizer, read, samples, threads), info.duration_seconds


def _in_windows(
    recognizer: Recognizer,
    read: Callable[[int, int | None], Float32],
    samples: int,
    threads: int | None,
) -> Float32:
    """Score windows of equal length; `read` gives the samples of a window, None is the end."""
    description = recognizer.bundle.description
    step = description.subsampling * description.features.hop_samples
    frames = -(-samples // step)
    context = round(CONTEXT_SECONDS / recognizer.bundle.frame_seconds)
    count = -(-samples // round(WINDOW_SECONDS * description.features.sample_rate))
    edges = [frames * number // count for number in range(count + 1)]

    def score(number: int) -> Float32:
        start, stop = edges[number], edges[number + 1]
        first, last = max(0, start - context), min(frames, stop + context)
        log_probs = recognizer.log_probs(read(first * step, None if last == frames else last * step))
        return log_probs[start - first : stop - first]

    if count == 1:
        return score(0)
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        return np.concatenate(list(pool.map(score, range(count))))


__all__ = ["CONTEXT_SECONDS", "WINDOW_SECONDS", "recording_log_probs", "waveform_log_probs"]
