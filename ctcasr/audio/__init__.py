"""Audio files to mono float32 waveforms at one rate, strictly: what cannot be read whole is an AudioError.

>>> from ctcasr import audio
>>> waveform = audio.load("speech.flac", 16000)  # doctest: +SKIP
"""

from __future__ import annotations

from ctcasr.audio.formats import AUDIO_SUFFIXES, AudioInfo, RawFormat
from ctcasr.audio.loading import load, probe, stream
from ctcasr.audio.resampling import StreamResampler, change_speed, resample

__all__ = [
    "AUDIO_SUFFIXES",
    "AudioInfo",
    "RawFormat",
    "StreamResampler",
    "change_speed",
    "load",
    "probe",
    "resample",
    "stream",
]
