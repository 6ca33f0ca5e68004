"""Vocal tract length perturbation: where the mel bins read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ctcasr.features import FeatureExtractor, FeatureSettings
from ctcasr.features.filters import warped_bins

NYQUIST = 8000.0


@st.composite
def feature_settings(draw: st.DrawFn) -> FeatureSettings:
    rate = draw(st.sampled_from([4000, 8000, 16000, 44100]))
    low = draw(st.floats(0, rate / 8))
    return FeatureSettings(
        sample_rate=rate,
        mel_bins=draw(st.integers(2, 128)),
        mel_scale=draw(st.sampled_from(["htk", "slaney"])),
        low_hz=low,
        high_hz=draw(st.none() | st.floats(low + rate / 8, rate / 2)),
    )


@hypothesis_settings(max_examples=150, deadline=None, derandomize=True)
@given(feature_settings(), st.floats(0.5, 1.5))
def test_positions_rise_inside_the_bins(settings: FeatureSettings, factor: float) -> None:
    positions = warped_bins(settings, factor)
    bins = np.arange(settings.mel_bins)
    assert positions.shape == bins.shape
    assert positions.min() >= 0
    assert positions.max() <= settings.mel_bins - 1
    assert (np.diff(positions) >= 0).all()
    assert ((positions - bins) * np.sign(factor - 1) >= -1e-9).all()
    np.testing.assert_allclose(warped_bins(settings, 1.0), bins, atol=1e-9)


def mel(hz: float) -> float:
    return float(2595 * np.log10(1 + hz / 700))


def bin_of(hz: float) -> float:
    """Return the bin, in fractions, whose centre is a frequency, for 80 bins from 20 Hz to 8 kHz."""
    step = (mel(NYQUIST) - mel(20)) / 81
    return (mel(hz) - mel(20)) / step - 1


def moved(hz: float, factor: float) -> float:
    """Return where a tone is found: the inverse of Jaitly and Hinton's scaling, written down a second time."""
    top = 0.3 * 2 * NYQUIST * min(factor, 1)
    if hz <= top:
        return hz / factor
    slope = (NYQUIST - top) / (NYQUIST - top / factor)
    return NYQUIST - (NYQUIST - hz) / slope


@pytest.mark.parametrize("factor", [0.5, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5])
@pytest.mark.parametrize("hz", [500.0, 1000.0, 2000.0, 3500.0, 5000.0, 6500.0])
def test_a_tone_moves_by_the_factor(hz: float, factor: float) -> None:
    settings = FeatureSettings(normalization="none")
    waveform = np.sin(2 * np.pi * hz * np.arange(8000) / settings.sample_rate).astype(np.float32)
    frame = FeatureExtractor(settings)(waveform)[25]
    warped = np.interp(warped_bins(settings, factor), np.arange(80), frame)
    peak = int(warped.argmax())
    assert peak == pytest.approx(bin_of(moved(hz, factor)), abs=1.5)
    assert np.sign(moved(hz, factor) - hz) == -np.sign(factor - 1)
    if abs(factor - 1) > 0.05:
        assert (peak - int(frame.argmax())) * (factor - 1) < 0


def test_half_the_sample_rate_stays() -> None:
    settings = FeatureSettings(mel_bins=200)
    for factor in (0.8, 1.2):
        shift = warped_bins(settings, factor) - np.arange(200)
        assert abs(shift[-1]) < 0.5 < 5 < np.abs(shift).max()
