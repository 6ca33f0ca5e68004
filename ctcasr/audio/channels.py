"""What telephones, low bit rates and overloaded inputs leave of a waveform."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import soundfile as sf

from ctcasr.audio.filtering import Float32, band_pass, convolve, fitted
from ctcasr.audio.resampling import resample
from ctcasr.errors import ConfigError

NARROW_RATE = 8000
"""Sample rate of the telephone, Hz."""

TELEPHONE_HERTZ = (300.0, 3400.0)
_TELEPHONE_TAPS = 129

OPUS_KILOBITS = (6.0, 256.0)
"""Lowest and highest bit rate of one channel, kbit/s, that libsndfile asks Opus for."""

_OPUS_RATES = (48_000, 24_000, 16_000, 12_000, 8_000)

TelephoneCodec = Literal["mulaw", "gsm"]
_SUBTYPES: dict[TelephoneCodec, str] = {"mulaw": "ULAW", "gsm": "GSM610"}


def narrow_band(waveform: Float32, sample_rate: int) -> Float32:
    """Return a waveform `(N,)` as it is after a way through 8 kHz: what lies above 4 kHz is gone.

    Raises:
        ConfigError: the rate is out of range.
    """
    narrow = resample(waveform, sample_rate, NARROW_RATE)
    return fitted(resample(narrow, NARROW_RATE, sample_rate), len(waveform))


def telephone_band(waveform: Float32, sample_rate: int) -> Float32:
    """Return a waveform `(N,)` with what a telephone line lets pass, 300 to 3400 Hz, at 8 kHz.

    Raises:
        ConfigError: the rate is out of range.
    """
    narrow = resample(waveform, sample_rate, NARROW_RATE)
    delay = _TELEPHONE_TAPS // 2
    response = band_pass(*TELEPHONE_HERTZ, NARROW_RATE, _TELEPHONE_TAPS)
    passed = convolve(np.pad(narrow, (0, delay)), response)[delay:]
    return fitted(resample(passed, NARROW_RATE, sample_rate), len(waveform))


def telephone_codec(waveform: Float32, sample_rate: int, codec: TelephoneCodec) -> Float32:
    """Encode and decode a waveform by a codec of the telephone, at 8 kHz.

    Args:
        waveform: `(N,)`; louder than full scale it is encoded more quietly, and not clipped.
        sample_rate: Hz.
        codec: "mulaw", G.711 at 64 kbit/s, or "gsm", the full rate of GSM 06.10 at 13 kbit/s.

    Returns:
        `(N,)`, without the codec's delay.

    Raises:
        ConfigError: the rate is out of range, or the codec unknown.
    """
    if codec not in _SUBTYPES:
        raise ConfigError(f"the telephone codec is {codec!r}, expected one of {', '.join(_SUBTYPES)}")
    return _coded(waveform, sample_rate, NARROW_RATE, format="WAV", subtype=_SUBTYPES[codec])


def opus(waveform: Float32, sample_rate: int, kilobits_per_second: float) -> Float32:
    """Encode and decode a waveform by Opus, as calls and messengers do.

    It takes some seconds for a minute of sound: libsndfile lets Opus look for the best coding.

    Args:
        waveform: `(N,)`; louder than full scale it is encoded more quietly, and not clipped.
        sample_rate: Hz; encoded is at the highest of Opus' rates that is not above it.
        kilobits_per_second: 6 to 256, a target: Opus spends more where more is said.

    Returns:
        `(N,)`, without the codec's delay.

    Raises:
        ConfigError: sample rate or bit rate are out of range.
    """
    low, high = OPUS_KILOBITS
    if not low <= kilobits_per_second <= high:
        raise ConfigError(
            f"the bit rate of Opus is {kilobits_per_second} kbit/s, expected {low:g} to {high:g}"
        )
    coded_rate = next((rate for rate in _OPUS_RATES if rate <= sample_rate), _OPUS_RATES[-1])
    # libsndfile maps its compression level, 0 to 1, to the bit rates from the highest to the lowest.
    level = (high - kilobits_per_second) / (high - low)
    return _coded(waveform, sample_rate, coded_rate, format="OGG", subtype="OPUS", compression_level=level)


def overload(waveform: Float32, decibels: float) -> Float32:
    """Return a waveform `(N,)` cut off at so many decibels below its peak, as by an input that is set too high."""
    if not len(waveform):
        return waveform
    limit = np.float32(np.abs(waveform).max() * 10 ** (-decibels / 20))
    return np.clip(waveform, -limit, limit)


def _coded(waveform: Float32, sample_rate: int, coded_rate: int, **coding: str | float) -> Float32:
    """Write a waveform at a rate into memory and read it again."""
    sent = resample(waveform, sample_rate, coded_rate)
    peak = np.float32(np.abs(sent).max(initial=0))
    if not peak:
        return waveform
    scale = max(np.float32(1), peak)
    file = io.BytesIO()
    sf.write(file, sent / scale, coded_rate, **coding)
    file.seek(0)
    received: Float32 = sf.read(file, dtype="float32")[0]
    return fitted(resample(fitted(received, len(sent)) * scale, coded_rate, sample_rate), len(waveform))
