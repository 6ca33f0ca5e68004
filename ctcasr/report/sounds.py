"""What the report needs of the recordings: loudness against noise, and for some of them sound and picture."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import soundfile

from ctcasr.data import Utterance, load_utterance
from ctcasr.errors import AudioError
from ctcasr.features import FeatureExtractor, FeatureSettings

SAMPLE_RATE = 16000
LONGEST_CLIP_SECONDS = 30.0

_FRAME_SAMPLES = SAMPLE_RATE // 40
_QUIET, _LOUD = 10, 90  # percentiles of the frames' energies
_MOST_COLUMNS = 700
_BINS = 64
_RANGE_NATS = 14.0  # 61 dB below the loudest point is black

Waveform = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Clip:
    """An utterance to listen to and to look at.

    Attributes:
        mp3: the sound, in base64; at most 30 seconds.
        spectrogram: log-mel energies of `columns` frames of 64 bins, a byte each, in base64.
        columns: frames of the spectrogram.
        seconds: length of the sound.
    """

    mp3: str
    spectrogram: str
    columns: int
    seconds: float


def noise_ratios(utterances: Iterable[Utterance], advance: Callable[[], None]) -> dict[str, float]:
    """Estimate the signal-to-noise ratio of every utterance that can be read, in dB, by id.

    `advance` is called after each, for a progress bar.
    """
    listed = list(utterances)
    ratios = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for utterance, ratio in zip(listed, pool.map(_noise_ratio, listed), strict=True):
            advance()
            if ratio is not None:
                ratios[utterance.id] = ratio
    return ratios


def estimated_ratio_db(waveform: Waveform) -> float | None:
    """Estimate the signal-to-noise ratio of speech `(N,)` at 16 kHz, in dB, -20 to 100.

    The quietest tenth of 25 ms frames is taken for noise and the loudest for speech and noise, so it is too low
    for speech without pauses. None for less than ten frames, or digital silence.
    """
    frames = waveform[: len(waveform) // _FRAME_SAMPLES * _FRAME_SAMPLES].reshape(-1, _FRAME_SAMPLES)
    if len(frames) < 10:
        return None
    energies = np.square(frames, dtype=np.float64).mean(axis=1)
    noise, both = np.percentile(energies, (_QUIET, _LOUD))
    if both <= 0:
        return None
    return float(np.clip(10 * np.log10(max(both - noise, 1e-12) / max(noise, 1e-12)), -20, 100))


def clips(utterances: Iterable[Utterance]) -> Mapping[str, Clip]:
    """Return a clip of each utterance that can be read, by id."""
    found = {}
    for utterance in utterances:
        waveform = _read(utterance, LONGEST_CLIP_SECONDS)
        if waveform is not None:
            found[utterance.id] = clip(waveform)
    return found


def clip(waveform: Waveform) -> Clip:
    """Return the clip of a waveform `(N,)` at 16 kHz."""
    seconds = len(waveform) / SAMPLE_RATE
    hop = max(0.01, seconds / _MOST_COLUMNS)
    settings = FeatureSettings(
        sample_rate=SAMPLE_RATE, mel_bins=_BINS, hop_seconds=min(hop, 0.2), normalization="none"
    )
    energies = FeatureExtractor(settings)(waveform)
    picture = np.clip(1 + (energies - energies.max()) / _RANGE_NATS, 0, 1)
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, SAMPLE_RATE, format="MP3", subtype="MPEG_LAYER_III")
    return Clip(
        mp3=base64.b64encode(buffer.getvalue()).decode(),
        spectrogram=base64.b64encode((255 * picture).astype(np.uint8).tobytes()).decode(),
        columns=len(picture),
        seconds=round(seconds, 3),
    )


def _noise_ratio(utterance: Utterance) -> float | None:
    waveform = _read(utterance, None)
    return None if waveform is None else estimated_ratio_db(waveform)


def _read(utterance: Utterance, most_seconds: float | None) -> Waveform | None:
    """Read an utterance; None if it cannot be read, which `evaluate` has already said."""
    seconds = (
        utterance.duration_seconds if most_seconds is None else min(utterance.duration_seconds, most_seconds)
    )
    try:
        return load_utterance(replace(utterance, duration_seconds=seconds), SAMPLE_RATE)
    except AudioError:
        return None
