"""The runtime's feature reader: numpy only, one waveform at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctcasr.features.filters import cosine_transform, hann_window, mel_filters
from ctcasr.features.settings import (
    DELTA_REACH,
    ENERGY_FLOOR,
    VARIANCE_FLOOR,
    FeatureSettings,
    GlobalStatistics,
    check_statistics,
)

Float32 = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]

_BLOCK_FRAMES = 128  # a block of frames and its spectrum stay in the second-level cache


class FeatureExtractor:
    """Turn waveforms into feature frames as `FeatureSettings` describes them.

    Fourier transforms run in float64: a quiet bin beside a loud one keeps its digits, which float32 would
    lose, and this reader and torch's then agree to 1e-4.
    """

    def __init__(self, settings: FeatureSettings, statistics: GlobalStatistics | None = None) -> None:
        """Prepare the filters.

        Raises:
            ConfigError: global statistics are missing, not wanted, or of another size.
        """
        check_statistics(settings, statistics)
        self.settings = settings
        self._window = hann_window(settings)
        self._filters = mel_filters(settings).astype(np.float32)
        # Float64: the first cepstrum is large, and normalising a near-constant one magnifies its rounding.
        self._cosines = (
            cosine_transform(settings.mel_bins, settings.cepstra) if settings.kind == "mfcc" else None
        )
        self._global = None if statistics is None else statistics.arrays(settings)

    def __call__(self, waveform: Float32, warp: float = 1.0) -> Float32:
        """Return the features `(T, F)` of a waveform `(N,)`, with `T = settings.frames(N)`.

        `warp` scales the frequencies of the filters, to vary a voice in training.
        """
        filters = self._filters if warp == 1.0 else mel_filters(self.settings, warp).astype(np.float32)
        settings = self.settings
        frames, half = settings.frames(len(waveform)), settings.fft_size // 2
        padded = np.zeros(max(half + len(waveform), (frames - 1) * settings.hop_samples) + settings.fft_size)
        padded[half : half + len(waveform)] = self.emphasised(waveform)
        return self.finished(self.statics(padded, frames, filters))

    def emphasised(self, waveform: Float32, before: float = 0.0) -> Float32:
        """Return the waveform `(N,)` with its high frequencies raised; `before` is the sample before it."""
        if not self.settings.preemphasis:
            return waveform
        shifted = np.concatenate((np.full(min(1, len(waveform)), before, np.float32), waveform[:-1]))
        return waveform - np.float32(self.settings.preemphasis) * shifted

    def statics(self, padded: Floats, frames: int, filters: Float32 | None = None) -> Floats:
        """Return log-mel energies or cepstra `(frames, bins)`; frame t lies `fft_size` samples from t hops on."""
        settings = self.settings
        filters = self._filters if filters is None else filters
        views = np.lib.stride_tricks.sliding_window_view(padded, settings.fft_size)
        views = views[: frames * settings.hop_samples : settings.hop_samples]
        energies = np.empty((frames, settings.mel_bins), np.float32)
        # Written again and again: memory that is asked for and given back makes threads wait for each other.
        rows, columns = min(frames, _BLOCK_FRAMES), settings.fft_size // 2 + 1
        windowed = np.empty((rows, settings.fft_size))
        spectrum = np.empty((rows, columns), np.complex128)
        power = np.empty((rows, columns), np.float32)
        for start in range(0, frames, _BLOCK_FRAMES):
            block = views[start : start + _BLOCK_FRAMES]
            count = len(block)
            np.multiply(block, self._window, out=windowed[:count])
            np.fft.rfft(windowed[:count], out=spectrum[:count])
            squares = spectrum[:count].view(np.float64)
            np.square(squares, out=squares)
            np.add(squares[:, 0::2], squares[:, 1::2], out=power[:count], casting="same_kind")
            np.matmul(power[:count], filters, out=energies[start : start + count])
        logs = np.log(np.maximum(energies, np.float32(ENERGY_FLOOR), out=energies), out=energies)
        return logs if self._cosines is None else logs @ self._cosines

    def finished(self, statics: Floats) -> Float32:
        """Return the features `(T, F)` of log-mel energies or cepstra `(T, bins)`: deltas appended, normalised."""
        features = statics
        if self.settings.deltas:
            parts = [features]
            for _ in range(self.settings.deltas):
                parts.append(_deltas(parts[-1]))
            features = np.concatenate(parts, axis=1)
        return np.asarray(self._normalise(features), np.float32)

    def _normalise(self, features: Floats) -> Floats:
        if self.settings.normalization == "none":
            return features
        if self._global is not None:
            mean, scale = self._global
            normalised: Floats = (features - mean) * scale
            return normalised
        centred = features - features.mean(axis=0, dtype=np.float64)
        variance = np.square(centred).mean(axis=0)
        return np.asarray(centred / np.sqrt(variance + VARIANCE_FLOOR))


def _deltas(features: Floats) -> Floats:
    """Regression over `2 * DELTA_REACH + 1` frames (HTK book, equation 5.16), edge frames repeated."""
    padded = np.pad(features, ((DELTA_REACH, DELTA_REACH), (0, 0)), mode="edge")
    frames = len(features)
    total = np.zeros_like(features)
    for step in range(1, DELTA_REACH + 1):
        ahead = padded[DELTA_REACH + step : DELTA_REACH + step + frames]
        behind = padded[DELTA_REACH - step : DELTA_REACH - step + frames]
        total += np.float32(step) * (ahead - behind)
    return total / np.float32(2 * sum(step**2 for step in range(1, DELTA_REACH + 1)))
