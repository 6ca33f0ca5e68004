from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.audio.channels import narrow_band, opus, overload, telephone_band, telephone_codec
from ctcasr.audio.noise import add_noise, draw_noise
from ctcasr.audio.rooms import draw_room, reverberate, room_response
from ctcasr.errors import ConfigError

RATE = 16000


def in_noise(waveform, rate, rng):
    return add_noise(waveform, draw_noise(len(waveform), rate, rng), 10)


def in_a_room(waveform, rate, rng):
    return reverberate(waveform, room_response(draw_room(0.3, rng), rate, rng))


CHANGES = {
    "noise": in_noise,
    "room": in_a_room,
    "narrow": lambda waveform, rate, _: narrow_band(waveform, rate),
    "telephone": lambda waveform, rate, _: telephone_band(waveform, rate),
    "mulaw": lambda waveform, rate, _: telephone_codec(waveform, rate, "mulaw"),
    "gsm": lambda waveform, rate, _: telephone_codec(waveform, rate, "gsm"),
    "opus": lambda waveform, rate, _: opus(waveform, rate, 12),
    "overload": lambda waveform, *_: overload(waveform, 6),
}


def sine(hertz, rate=RATE, seconds=1.0):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def speechlike(seconds=1.0, rate=RATE):
    """Make a tone that rises and swells, in noise: something that a codec for speech can follow."""
    time = np.arange(round(seconds * rate)) / rate
    tone = np.sin(2 * np.pi * (200 + 150 * time) * time) * (1 + np.sin(2 * np.pi * 3 * time))
    return (0.1 * tone + 0.003 * np.random.default_rng(0).standard_normal(len(time))).astype(np.float32)


def gain(waveform, changed, hertz):
    """Return what is left of a tone, away from the edges."""
    inner = slice(2000, -2000)
    wave = np.exp(2j * np.pi * hertz * np.arange(len(waveform)) / RATE)[inner]
    return abs(changed[inner] @ wave) / abs(waveform[inner] @ wave)


@pytest.mark.parametrize("name", CHANGES)
@settings(max_examples=10, deadline=None)
@given(
    samples=st.integers(0, 40) | st.integers(41, 3000),
    rate=st.sampled_from([4000, 8000, 11_025, 16000, 22_050, 48_000, 192_000]),
    level=st.sampled_from([1e-30, 1e-6, 0.1, 1.0, 30.0, 1e4]),
    seed=st.integers(0, 99),
)
def test_every_change_keeps_length_finite_and_repeatable(name, samples, rate, level, seed):
    waveform = (level * np.random.default_rng(seed).uniform(-1, 1, samples)).astype(np.float32)
    waveform.flags.writeable = False  # what was given is not touched
    changed = CHANGES[name](waveform, rate, np.random.default_rng(seed))
    assert changed.shape == waveform.shape
    assert changed.dtype == np.float32
    assert np.isfinite(changed).all()
    assert np.abs(changed).max(initial=0) <= 100 * level + 0.02  # Opus may begin with a small click
    again = CHANGES[name](waveform, rate, np.random.default_rng(seed))
    np.testing.assert_array_equal(again, changed)
    silence = CHANGES[name](np.zeros(samples, np.float32), rate, np.random.default_rng(seed))
    assert silence.shape == (samples,)
    assert not silence.any()


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_changes_something_and_delays_nothing(name):
    waveform = speechlike()
    changed = CHANGES[name](waveform, RATE, np.random.default_rng(1))
    assert not np.array_equal(changed, waveform)
    lags = range(-200, 201)
    inner = waveform[400:-400]
    matches = [inner @ changed[400 + lag : len(changed) - 400 + lag] for lag in lags]
    assert abs(lags[int(np.argmax(matches))]) <= (8 if name == "room" else 1)


@pytest.mark.parametrize(
    ("hertz", "narrow", "telephone"),
    [(100, 1, 0), (700, 1, 1), (3000, 1, 1), (3700, 1, 0), (5000, 0, 0)],
)
def test_bands_end_where_they_should(hertz, narrow, telephone):
    waveform = sine(hertz)
    assert gain(waveform, narrow_band(waveform, RATE), hertz) == pytest.approx(narrow, abs=0.02)
    assert gain(waveform, telephone_band(waveform, RATE), hertz) == pytest.approx(telephone, abs=0.02)


def test_mulaw_is_g711():
    """At 8 kHz each sample is within half a step of its segment: 8 bits, steps that double seven times."""
    waveform = np.linspace(-0.98, 0.98, 4001).astype(np.float32)
    errors = np.abs(telephone_codec(waveform, 8000, "mulaw") - waveform) * 8192
    segments = np.floor(np.log2(np.abs(waveform) * 8192 + 33)) - 5
    assert (errors <= 2.0**segments + 1.1).all()
    assert errors.max() > 60
    decoded = telephone_codec(waveform, 8000, "mulaw")
    assert len(np.unique(decoded)) <= 255


def test_what_is_louder_than_full_scale_is_not_cut_off():
    waveform = speechlike()
    for codec in ("mulaw", "gsm"):
        loud = telephone_codec(waveform * 50, RATE, codec)
        assert np.corrcoef(loud, narrow_band(waveform, RATE))[0, 1] > 0.9


def test_opus_spends_what_it_is_given():
    waveform = speechlike()
    errors = [np.square(opus(waveform, RATE, rate) - waveform).mean() for rate in (6, 12, 64)]
    assert errors[0] > 1.5 * errors[1] > 3 * errors[2]


def test_codecs_say_what_they_expect():
    waveform = speechlike(0.1)
    for rate in (5.9, 257, float("nan")):
        with pytest.raises(ConfigError, match="kbit/s, expected 6 to 256"):
            opus(waveform, RATE, rate)
    with pytest.raises(ConfigError, match=r"'mp3', expected one of mulaw, gsm"):
        telephone_codec(waveform, RATE, "mp3")
    for change in ("narrow", "telephone", "mulaw", "opus"):
        with pytest.raises(ConfigError, match=r"4,?000"):
            CHANGES[change](waveform, 3000, None)


def test_overload_cuts_off_below_the_peak():
    waveform = sine(300)
    cut = overload(waveform, 6.0206)
    assert np.abs(cut).max() == pytest.approx(0.25, abs=1e-4)
    below = np.abs(waveform) < 0.24
    np.testing.assert_array_equal(cut[below], waveform[below])
