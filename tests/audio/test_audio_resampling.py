from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctcasr.audio import change_speed, resample
from ctcasr.errors import ConfigError

RATES = st.sampled_from([4000, 8000, 11025, 16000, 22050, 24000, 44100, 48000, 96000, 192000])


def sine(hertz, sample_rate, seconds=1.0):
    n = round(sample_rate * seconds)
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(n) / sample_rate)).astype(np.float32)


def test_equal_rates_give_the_same_array():
    wave = sine(440, 16000)
    assert resample(wave, 16000, 16000) is wave
    assert change_speed(wave, 1.0) is wave


@settings(max_examples=40, deadline=None)
@given(n=st.integers(0, 20_000), from_rate=RATES, to_rate=RATES)
@example(n=4000, from_rate=48000, to_rate=22050)  # 1837.5, but for the division
def test_resampled_length_is_as_documented(n, from_rate, to_rate):
    resampled = resample(np.zeros(n, np.float32), from_rate, to_rate)
    assert resampled.dtype == np.float32
    assert resampled.shape == (int(n / (from_rate / to_rate) + 0.5),)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(0, 20_000), factor=st.floats(0.5, 2.0) | st.sampled_from([0.9, 1.1, 0.5, 2.0, 1.0]))
def test_perturbed_length_is_as_documented(n, factor):
    assert change_speed(np.zeros(n, np.float32), factor).shape == (int(np.floor(n / factor + 0.5)),)


@pytest.mark.parametrize(("from_rate", "to_rate"), [(44100, 16000), (8000, 16000), (16000, 8000)])
def test_resampling_keeps_a_tone(from_rate, to_rate):
    resampled = resample(sine(1000, from_rate), from_rate, to_rate)
    edge = to_rate // 10
    np.testing.assert_allclose(resampled[edge:-edge], sine(1000, to_rate)[edge:-edge], atol=1e-4)


def test_resampling_removes_what_the_lower_rate_cannot_hold():
    resampled = resample(sine(6000, 16000), 16000, 8000)
    assert np.abs(resampled[400:-400]).max() < 1e-4


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 2.0])
def test_speed_moves_tempo_and_pitch_together(factor):
    faster = change_speed(sine(500, 16000), factor)
    expected = sine(500 * factor, 16000, 1 / factor)
    n = min(len(faster), len(expected)) - 500
    np.testing.assert_allclose(faster[500:n], expected[500:n], atol=1e-3)


@pytest.mark.parametrize("factor", [0.49, 2.01, 0.0, -1.0, float("nan")])
def test_speed_out_of_range_is_refused(factor):
    with pytest.raises(ConfigError, match=r"speed factor is .* expected 0.5 to 2.0"):
        change_speed(sine(500, 16000), factor)


@pytest.mark.parametrize(("from_rate", "to_rate", "name"), [(100, 16000, "from"), (16000, 0, "to")])
def test_rates_out_of_range_are_refused(from_rate, to_rate, name):
    with pytest.raises(ConfigError, match=f"{name}_rate is"):
        resample(sine(500, 16000), from_rate, to_rate)
