"""Rooms, noise and channels of training utterances: which of them each is given, and how strongly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctcasr.audio.channels import narrow_band, opus, overload, telephone_band, telephone_codec
from ctcasr.audio.noise import add_noise, draw_noise
from ctcasr.audio.rooms import draw_room, reverberate, room_response
from ctcasr.training.config import AugmentSettings

Float32 = npt.NDArray[np.float32]

OVERLOAD_DB = (1.0, 20.0)
OPUS_KILOBITS = (8.0, 32.0)
TELEPHONE_SHARE = 0.5
"""Of the utterances with a limited band, those that have a telephone's."""


def degraded(
    waveform: Float32, sample_rate: int, settings: AugmentSettings, rng: np.random.Generator
) -> Float32:
    """Return a waveform as a worse room, microphone or line would have given it.

    The order is that of the sound's way: room, noise, level, overload, band, codec. What is drawn comes from a
    generator of its own, spawned from the utterance's: these settings leave speeds, warps and masks as they are.

    Args:
        waveform: `(N,)`.
        sample_rate: Hz.
        settings: shares and ranges.
        rng: the utterance's generator; no number is taken from it.

    Returns:
        `(N,)`: nothing is delayed; silence stays silence.
    """
    if not is_degrading(settings):
        return waveform
    (own,) = rng.spawn(1)
    if own.random() < settings.reverberation:
        room = draw_room(own.uniform(*settings.reverberation_seconds), own)
        waveform = reverberate(waveform, room_response(room, sample_rate, own))
    if own.random() < settings.noise:
        noise = draw_noise(len(waveform), sample_rate, own)
        waveform = add_noise(waveform, noise, own.uniform(*settings.noise_snr_db))
    if settings.level_db:
        gain_db = own.uniform(-settings.level_db, settings.level_db)
        waveform = waveform * np.float32(10 ** (gain_db / 20))
    if own.random() < settings.clip:
        waveform = overload(waveform, own.uniform(*OVERLOAD_DB))
    if own.random() < settings.band_limit:
        limit = telephone_band if own.random() < TELEPHONE_SHARE else narrow_band
        waveform = limit(waveform, sample_rate)
    if own.random() < settings.codec:
        codec = settings.codecs[own.integers(len(settings.codecs))]
        if codec == "opus":
            return opus(waveform, sample_rate, own.uniform(*OPUS_KILOBITS))
        return telephone_codec(waveform, sample_rate, codec)
    return waveform


def is_degrading(settings: AugmentSettings) -> bool:
    """Tell whether any utterance may be degraded."""
    shares = (settings.reverberation, settings.noise, settings.clip, settings.band_limit, settings.codec)
    return any(shares) or settings.level_db > 0
