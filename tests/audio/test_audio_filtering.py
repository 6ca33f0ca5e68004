from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.audio.filtering import band_pass, convolve, fitted, power


@settings(max_examples=40, deadline=None)
@given(samples=st.integers(0, 20_000), taps=st.integers(1, 6000), seed=st.integers(0, 99))
def test_convolution_is_that_of_the_definition(samples, taps, seed):
    rng = np.random.default_rng(seed)
    waveform, response = (rng.standard_normal(count).astype(np.float32) for count in (samples, taps))
    found = convolve(waveform, response)
    expected = np.convolve(waveform, response)[:samples] if samples else waveform
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_power_is_the_mean_square():
    assert power(np.array([3, -4, 0, 0], np.float32)) == 6.25
    assert power(np.zeros(0, np.float32)) == 0
    assert power(np.full(1000, 1e-25, np.float32)) == pytest.approx(1e-50)  # below the least float32


@pytest.mark.parametrize("samples", [0, 2, 3, 5])
def test_fitted_cuts_or_pads(samples):
    waveform = np.array([1, 2, 3], np.float32)
    assert fitted(waveform, samples).tolist() == [1, 2, 3, 0, 0][:samples]


@pytest.mark.parametrize(
    ("hertz", "low", "high"),
    [(100, 0, 0.01), (600, 0.99, 1.01), (2500, 0.99, 1.01), (3700, 0, 0.01), (0, 0, 0.003)],
)
def test_band_pass_keeps_the_band_only(hertz, low, high):
    response = band_pass(300, 3400, 8000, 129)
    gain = abs(response @ np.exp(2j * np.pi * hertz / 8000 * np.arange(129)))
    assert low <= gain <= high


def test_a_band_up_to_half_the_rate_has_no_upper_edge():
    response = band_pass(0, 3400, 4000, 33)
    np.testing.assert_allclose(response, np.eye(33)[16], atol=1e-6)
