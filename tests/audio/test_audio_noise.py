from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.audio.filtering import power
from ctcasr.audio.noise import LONGEST_PERIOD, add_noise, babble, coloured_noise, draw_noise
from ctcasr.errors import ConfigError

RATE = 16000


def octave_levels(noise, rate=RATE):
    """Return the level in decibels of the octaves from 125 Hz on, each per hertz."""
    lines = np.square(np.abs(np.fft.rfft(noise)))
    hertz = np.fft.rfftfreq(len(noise), 1 / rate)
    edges = 125 * 2.0 ** np.arange(7)
    bands = itertools.pairwise(edges)
    return np.array([10 * np.log10(lines[(hertz >= a) & (hertz < b)].mean()) for a, b in bands])


@pytest.mark.parametrize("exponent", [0, 1, 2])
def test_power_falls_by_the_exponent_over_the_octaves(exponent):
    noise = coloured_noise(LONGEST_PERIOD, exponent, RATE, np.random.default_rng(0))
    np.testing.assert_allclose(np.diff(octave_levels(noise)), -3.01 * exponent, atol=0.8)


def test_babble_has_the_spectrum_of_speech():
    rngs = [np.random.default_rng(seed) for seed in range(5)]
    levels = np.mean([octave_levels(babble(LONGEST_PERIOD, RATE, rng)) for rng in rngs], axis=0)
    assert np.ptp(levels[:2]) < 2  # 125 to 500 Hz
    np.testing.assert_allclose(np.diff(levels[2:]), -8.3, atol=1.5)


def test_babble_swells_and_falls_as_syllables_do():
    def unevenness(noise):
        tenths = np.square(noise[: len(noise) // 1600 * 1600].reshape(-1, 1600)).mean(axis=1)
        return tenths.std() / tenths.mean()

    rngs = [np.random.default_rng(seed) for seed in range(5)]
    assert np.mean([unevenness(babble(RATE * 4, RATE, rng)) for rng in rngs]) > 0.25
    assert unevenness(coloured_noise(RATE * 4, 1, RATE, rngs[0])) < 0.15


def test_noise_repeats_itself_without_a_seam():
    noise = coloured_noise(LONGEST_PERIOD + 1000, 2, RATE, np.random.default_rng(3))
    np.testing.assert_array_equal(noise[LONGEST_PERIOD:], noise[:1000])
    steps = np.abs(np.diff(noise))
    assert steps[LONGEST_PERIOD - 1] < 6 * steps.std() + steps.mean()


@settings(max_examples=40, deadline=None)
@given(
    samples=st.integers(1, 5000),
    rate=st.sampled_from([4000, 8000, 16000, 48000, 192_000]),
    level=st.floats(1e-6, 1e4),
    snr_db=st.floats(-20, 80),
    seed=st.integers(0, 999),
)
def test_the_ratio_is_the_wanted_one(samples, rate, level, snr_db, seed):
    rng = np.random.default_rng(seed)
    waveform = (level * rng.uniform(0.5, 1, samples)).astype(np.float32)
    noise = draw_noise(samples, rate, rng)
    assert np.isfinite(noise).all()
    noisy = add_noise(waveform, noise, snr_db)
    wanted = power(waveform) * 10 ** (-snr_db / 10)
    # Single precision of the sum: what is added is known to so many parts of the waveform only.
    rounding = 4e-7 * power(waveform) ** 0.5
    found = np.sqrt(np.mean(np.square(noisy.astype(np.float64) - waveform)))
    assert found == pytest.approx(np.sqrt(wanted), rel=1e-3, abs=rounding)


def test_noise_of_another_length_is_refused():
    with pytest.raises(ConfigError, match=r"shape \(3,\), expected that of the waveform, \(4,\)"):
        add_noise(np.ones(4, np.float32), np.ones(3, np.float32), 10)


def test_silence_has_no_ratio():
    silence, noise = np.zeros(400, np.float32), np.ones(400, np.float32)
    assert not add_noise(silence, noise, 0).any()
    assert add_noise(noise, silence, 0).tolist() == noise.tolist()


def test_kinds_are_drawn():
    slopes = [
        np.mean(np.diff(octave_levels(draw_noise(RATE, RATE, np.random.default_rng(seed)))))
        for seed in range(20)
    ]
    assert min(slopes) < -5
    assert max(slopes) > -1
