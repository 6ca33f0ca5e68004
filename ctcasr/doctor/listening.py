"""What the doctor hears in one recording."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctcasr import audio
from ctcasr.data import Utterance, recording
from ctcasr.errors import AudioError

SILENT_DB = -60.0
"""The loudest 25 ms of an utterance lie above this, of full scale."""

CLIPPED_SHARE = 0.02
GAP_SECONDS = 0.5
_FRAME_SECONDS = 0.025
_CLIPPED_RUN = 4  # samples at the very top in a row; sound that only touches it stays there for one or two
_LOUD_ENOUGH = 0.1  # the coarse steps of a quiet recording make runs of equal samples by themselves
_SPEECH_BELOW_LOUDEST_DB = 30.0

Waveform = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of an utterance.

    Attributes:
        problem: why it cannot be read, or nothing.
        is_missing: whether there is no such file.
        sample_rate: of the file, in Hz.
        file_seconds: length of the file.
        samples: of the utterance, at the file's rate.
        loudest_db: of its 25 ms frames, in dB of full scale.
        clipped_share: of its samples.
        gap_seconds: longest stretch of exact zeros between sounds.
        speech_seconds: in frames within 30 dB of the loudest.
        digest: of its samples; equal sound has equal digests.
    """

    problem: str = ""
    is_missing: bool = False
    sample_rate: int = 0
    file_seconds: float = 0.0
    samples: int = 0
    loudest_db: float = 0.0
    clipped_share: float = 0.0
    gap_seconds: float = 0.0
    speech_seconds: float = 0.0
    digest: str = ""


def listen(utterance: Utterance) -> Heard:
    """Read an utterance and measure it."""
    try:
        with recording(utterance) as path:
            info = audio.probe(path)
            # A duration beyond the end is told as a wrong duration, and what is there is listened to.
            beyond = utterance.offset_seconds + utterance.duration_seconds >= info.duration_seconds
            waveform = audio.load(
                path,
                info.sample_rate,
                offset_seconds=utterance.offset_seconds,
                duration_seconds=None if beyond else utterance.duration_seconds,
            )
    except AudioError as error:
        return Heard(problem=str(error), is_missing=not utterance.audio_path.exists())
    return measure(waveform, info.sample_rate, info.duration_seconds)


def measure(waveform: Waveform, sample_rate: int, file_seconds: float) -> Heard:
    """Measure a waveform `(N,)` at its own rate in Hz."""
    size = max(1, min(len(waveform), round(_FRAME_SECONDS * sample_rate)))
    frames = waveform[: len(waveform) // size * size].reshape(-1, size)
    decibels = 10 * np.log10(np.maximum(np.einsum("ij,ij->i", frames, frames) / size, 1e-12))
    loudest = float(decibels.max())
    return Heard(
        sample_rate=sample_rate,
        file_seconds=file_seconds,
        samples=len(waveform),
        loudest_db=loudest,
        clipped_share=_clipped_share(waveform),
        gap_seconds=_longest_gap(waveform) / sample_rate,
        speech_seconds=float(np.count_nonzero(decibels > loudest - _SPEECH_BELOW_LOUDEST_DB))
        * _FRAME_SECONDS,
        digest=hashlib.blake2b(waveform.tobytes(), digest_size=16).hexdigest(),
    )


def _clipped_share(waveform: Waveform) -> float:
    """Return the share of samples that lie at the highest or lowest value, several in a row."""
    share = 0.0
    for top in (float(waveform.max()), -float(waveform.min())):
        if top >= _LOUD_ENOUGH:
            at_top = np.abs(waveform) >= 0.9999 * top
            share += sum(run for _, run in _runs(at_top) if run >= _CLIPPED_RUN) / len(waveform)
    return share


def _longest_gap(waveform: Waveform) -> int:
    """Return the longest run of zeros that has sound before and behind it."""
    return max(
        (run for start, run in _runs(waveform == 0) if start > 0 and start + run < len(waveform)), default=0
    )


def _runs(flags: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield start and length of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    yield from zip(edges[::2].tolist(), (edges[1::2] - edges[::2]).tolist(), strict=True)
