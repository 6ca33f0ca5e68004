"""Noise made of random numbers alone, and its addition to speech."""

from __future__ import annotations

import numpy as np

from ctcasr.audio.filtering import Float32, power
from ctcasr.errors import ConfigError

LONGEST_PERIOD = 1 << 16
"""Samples after which noise repeats itself: 4 s at 16 kHz; longer transforms would cost more than they are worth."""

LOWEST_HERTZ = 50.0
"""Below it spectra are flat: what small microphones do not pick up should not be most of the noise."""

HIGHEST_EXPONENT = 2.0
"""Of the spectra that are drawn: brown noise, as of wind and engines."""

BABBLE_SHARE = 1 / 3
VOICES = (3, 8)
SYLLABLES_PER_SECOND = 4.0
PITCH_HERTZ = (80.0, 250.0)
PITCH_OCTAVES = 0.02
"""By which a voice's pitch wanders from one pulse to the next, as a standard deviation."""

BREATH = 0.1
"""Amplitude of a noise beneath the voices, relative to them."""


def coloured_noise(samples: int, exponent: float, sample_rate: int, rng: np.random.Generator) -> Float32:
    """Return noise whose power falls with the frequency as `1 / f**exponent`.

    Spectral lines of normal real and imaginary parts are transformed (Timmer and Koenig 1995, "On generating power law
    noise", section 3.1); 0 is white, 1 pink, 2 brown.

    Args:
        samples: wanted; after `LONGEST_PERIOD` of them the noise repeats itself, without a seam.
        exponent: of the frequency.
        sample_rate: Hz.
        rng: source of the randomness.

    Returns:
        `(samples,)` float32 of a power of about 1.
    """
    period = _period(samples)
    lines = rng.standard_normal((2, period // 2 + 1), dtype=np.float32)
    frequencies = np.maximum(np.fft.rfftfreq(period, 1 / sample_rate), LOWEST_HERTZ)
    shape = (frequencies / LOWEST_HERTZ) ** (-exponent / 2)
    return _tiled((lines[0] + 1j * lines[1]) * shape.astype(np.float32), samples)


def babble(samples: int, sample_rate: int, rng: np.random.Generator) -> Float32:
    """Return a murmur of several voices without words.

    Each voice is a train of pulses whose pitch wanders and whose loudness changes from syllable to syllable. The
    spectrum is that of speech on average: flat up to 500 Hz, then falling by 8.3 dB an octave (ANSI S3.5-1997, table 1,
    normal vocal effort).

    Args:
        samples: wanted; after `LONGEST_PERIOD` of them the voices repeat themselves.
        sample_rate: Hz.
        rng: source of the randomness.

    Returns:
        `(samples,)` float32 of a power of about 1.
    """
    period = _period(samples)
    pulses = BREATH * rng.standard_normal(period, dtype=np.float32)
    for _ in range(rng.integers(VOICES[0], VOICES[1] + 1)):
        places, loudness = _voice(period, sample_rate, rng)
        pulses[places] += loudness
    frequencies = np.fft.rfftfreq(period, 1 / sample_rate)
    shape = np.maximum(1, frequencies / 500) ** (-8.3 / (20 * np.log10(2)))
    shape[frequencies < LOWEST_HERTZ] = 0  # pulses all have one sign
    return _tiled(np.fft.rfft(pulses) * shape.astype(np.float32), samples)


def draw_noise(samples: int, sample_rate: int, rng: np.random.Generator) -> Float32:
    """Return noise `(samples,)` of a kind that is drawn too: babble, or any colour from white to brown."""
    if rng.random() < BABBLE_SHARE:
        return babble(samples, sample_rate, rng)
    return coloured_noise(samples, rng.uniform(0, HIGHEST_EXPONENT), sample_rate, rng)


def add_noise(waveform: Float32, noise: Float32, snr_db: float) -> Float32:
    """Add noise to a waveform at a signal-to-noise ratio.

    Args:
        waveform: `(N,)`.
        noise: `(N,)`, scaled as needed.
        snr_db: ratio of their powers over all N samples, pauses included, in decibels.

    Returns:
        `(N,)`; the waveform as it is where it or the noise is silent.

    Raises:
        ConfigError: the lengths differ.
    """
    if waveform.shape != noise.shape:
        raise ConfigError(
            f"the noise has shape {noise.shape}, expected that of the waveform, {waveform.shape}"
        )
    signal_power, noise_power = power(waveform), power(noise)
    if not signal_power or not noise_power:
        return waveform
    gain = np.sqrt(signal_power / noise_power) * 10 ** (-snr_db / 20)
    return waveform + noise * np.float32(gain)


def _period(samples: int) -> int:
    """Return the power of two, at least 64, that holds the samples, but at most `LONGEST_PERIOD`."""
    return min(LONGEST_PERIOD, max(64, 1 << (samples - 1).bit_length()))


def _tiled(spectrum: np.ndarray[tuple[int, ...], np.dtype[np.complexfloating]], samples: int) -> Float32:
    """Return the signal of a spectrum with a power of 1, repeated to so many samples."""
    signal = np.fft.irfft(spectrum).astype(np.float32)
    signal /= np.float32(max(np.sqrt(power(signal)), np.finfo(np.float32).tiny))
    return np.resize(signal, samples)


def _voice(
    period: int, sample_rate: int, rng: np.random.Generator
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.intp]], Float32]:
    """Return the samples at which a voice pulses, each once, and how loudly."""
    most = int(period / sample_rate * 2 * PITCH_HERTZ[1]) + 1
    octaves = np.clip(np.cumsum(rng.normal(0, PITCH_OCTAVES, most)), -1, 1)
    pitch = rng.uniform(*PITCH_HERTZ) * 2**octaves
    times = np.cumsum(sample_rate / pitch) + rng.uniform(-1, 0) * sample_rate / pitch[0]
    places = np.unique(times[times < period].astype(np.intp))
    knots = 2 + int(period / sample_rate * SYLLABLES_PER_SECOND)
    syllables = np.maximum(0, rng.normal(0.5, 0.7, knots))
    loudness = np.interp(places, np.linspace(0, period, knots), syllables)
    return places, loudness.astype(np.float32)
