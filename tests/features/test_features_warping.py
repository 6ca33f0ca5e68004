"""Vocal tract length perturbation: where the mel bins read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ctcasr.features import FeatureExtractor, FeatureSettings
from ctcasr.features.filters import mel_filters, scaled_hz

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


@pytest.mark.slow
@hypothesis_settings(max_examples=150, deadline=None, derandomize=True)
@given(feature_settings(), st.floats(0.5, 1.5))
def test_scaled_frequencies_rise_and_stay_inside(settings: FeatureSettings, factor: float) -> None:
    hz = np.linspace(0, settings.sample_rate / 2, 50)
    scaled = scaled_hz(hz, settings.sample_rate, factor)
    assert (np.diff(scaled) > 0).all()
    assert scaled[0] == 0
    assert scaled[-1] == pytest.approx(hz[-1])
    assert ((scaled - hz) * np.sign(factor - 1) >= -1e-6).all()
    np.testing.assert_array_equal(mel_filters(settings, 1.0), mel_filters(settings))


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
    warped = FeatureExtractor(settings)(waveform, factor)[25]
    peak = int(warped.argmax())
    assert peak == pytest.approx(bin_of(moved(hz, factor)), abs=1.5)
    assert np.sign(moved(hz, factor) - hz) == -np.sign(factor - 1)
    if abs(factor - 1) > 0.05:
        assert (peak - int(frame.argmax())) * (factor - 1) < 0
