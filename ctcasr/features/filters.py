"""Filters of the feature readers: mel triangles, cosine transform, Hann window."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctcasr.features.settings import FeatureSettings

Float64 = npt.NDArray[np.float64]

# Slaney's Auditory Toolbox (1998): linear below 1 kHz, logarithmic above with 27 steps for a factor of 6.4.
_SLANEY_HZ_PER_MEL = 200.0 / 3
_SLANEY_BREAK_HZ = 1000.0
_SLANEY_BREAK_MEL = _SLANEY_BREAK_HZ / _SLANEY_HZ_PER_MEL
_SLANEY_LOG_STEP = np.log(6.4) / 27


def hz_to_mel(hz: Float64, scale: str) -> Float64:
    """Convert frequencies to mels: `htk` is O'Shaughnessy's 2595 log10(1 + f/700), `slaney` Slaney's."""
    if scale == "htk":
        return 2595 * np.log10(1 + hz / 700)
    above = _SLANEY_BREAK_MEL + np.log(np.maximum(hz, _SLANEY_BREAK_HZ) / _SLANEY_BREAK_HZ) / _SLANEY_LOG_STEP
    return np.where(hz < _SLANEY_BREAK_HZ, hz / _SLANEY_HZ_PER_MEL, above)


def mel_to_hz(mel: Float64, scale: str) -> Float64:
    """Convert mels to frequencies in Hz; the inverse of `hz_to_mel`."""
    if scale == "htk":
        return np.asarray(700 * (10 ** (mel / 2595) - 1), np.float64)
    above = _SLANEY_BREAK_HZ * np.exp(
        _SLANEY_LOG_STEP * (np.maximum(mel, _SLANEY_BREAK_MEL) - _SLANEY_BREAK_MEL)
    )
    return np.where(mel < _SLANEY_BREAK_MEL, mel * _SLANEY_HZ_PER_MEL, above)


def mel_filters(settings: FeatureSettings, factor: float = 1.0) -> Float64:
    """Return the triangular mel filters, `(fft_size // 2 + 1, mel_bins)`, each with peak 1 at its centre.

    The triangles are straight lines in Hz between neighbouring centres (Davis and Mermelstein 1980).

    Args:
        settings: of the features.
        factor: by which the centres are scaled: a tone at f shows where one at `f / factor` would.
    """
    high = settings.sample_rate / 2 if settings.high_hz is None else settings.high_hz
    low_mel, high_mel = hz_to_mel(np.array([settings.low_hz, high]), settings.mel_scale)
    centres = mel_to_hz(np.linspace(low_mel, high_mel, settings.mel_bins + 2), settings.mel_scale)
    centres = scaled_hz(centres, settings.sample_rate, factor)
    frequencies = np.linspace(0, settings.sample_rate / 2, settings.fft_size // 2 + 1)
    widths = np.diff(centres)
    rising = (frequencies[:, None] - centres[None, :-2]) / widths[None, :-1]
    falling = (centres[None, 2:] - frequencies[:, None]) / widths[None, 1:]
    filters: Float64 = np.maximum(0, np.minimum(rising, falling))
    return filters


def scaled_hz(hz: Float64, sample_rate: int, factor: float) -> Float64:
    """Scale frequencies up to 0.3 of the sample rate, and bend those above: half of it stays where it is.

    Vocal tract length perturbation (Jaitly and Hinton 2013, equation 1).
    """
    if factor == 1.0:
        return hz
    nyquist = sample_rate / 2
    top = 0.6 * nyquist * min(factor, 1.0)
    bent = nyquist - (nyquist - top) / (nyquist - top / factor) * (nyquist - hz)
    return np.where(hz <= top / factor, factor * hz, bent)


def cosine_transform(mel_bins: int, cepstra: int) -> Float64:
    """Return the orthonormal DCT-II as a matrix `(mel_bins, cepstra)`."""
    bins = (np.arange(mel_bins) + 0.5)[:, None]
    matrix: Float64 = np.cos(np.pi / mel_bins * bins * np.arange(cepstra)[None]) * np.sqrt(2 / mel_bins)
    matrix[:, 0] /= np.sqrt(2)
    return matrix


def hann_window(settings: FeatureSettings) -> Float64:
    """Return the periodic Hann window, centred in `fft_size` samples: `(fft_size,)`."""
    length = settings.window_samples
    window = np.zeros(settings.fft_size)
    start = (settings.fft_size - length) // 2
    window[start : start + length] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    return window
