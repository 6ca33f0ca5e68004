"""The settings of feature frames: what they derive and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ctcasr.features import FeatureSettings


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "fbank"}, "kind"),
        ({"sample_rate": 3999}, "sample_rate"),
        ({"window_seconds": 0}, "window_seconds"),
        ({"window_seconds": 1e-5}, "at least 2 samples"),
        ({"hop_seconds": 1e-5}, "at least 2 samples and 1 sample"),
        ({"mel_bins": 1}, "mel_bins"),
        ({"mel_scale": "bark"}, "mel_scale"),
        ({"low_hz": -1}, "low_hz"),
        ({"low_hz": 8000}, "low_hz < high_hz"),
        ({"low_hz": float("nan")}, "low_hz"),
        ({"high_hz": 8001}, "8001 Hz"),
        ({"high_hz": 20}, "from 20 to 20 Hz"),
        ({"high_hz": float("nan")}, "nan Hz"),
        ({"preemphasis": 1}, "preemphasis"),
        ({"kind": "mfcc", "cepstra": 41, "mel_bins": 40}, r"cepstra \(41\) cannot exceed mel_bins \(40\)"),
        ({"deltas": 3}, "deltas"),
        ({"normalization": "batch"}, "normalization"),
        ({"mels": 40}, "mels"),
    ],
)
def test_wrong_settings_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FeatureSettings(**fields)


@pytest.mark.parametrize(
    ("fields", "dimension"),
    [
        ({}, 80),
        ({"mel_bins": 40, "deltas": 2}, 120),
        ({"kind": "mfcc"}, 13),
        ({"kind": "mfcc", "cepstra": 20, "deltas": 1}, 40),
        ({"mel_bins": 8}, 8),  # cepstra (13) say nothing about log-mel
    ],
)
def test_dimension(fields: dict[str, Any], dimension: int) -> None:
    assert FeatureSettings(**fields).dimension == dimension


@pytest.mark.parametrize(
    ("rate", "window", "hop", "fft"),
    [(16000, 400, 160, 512), (8000, 200, 80, 256), (44100, 1102, 441, 2048), (20480, 512, 205, 512)],
)
def test_samples(rate: int, window: int, hop: int, fft: int) -> None:
    settings = FeatureSettings(sample_rate=rate)
    assert (settings.window_samples, settings.hop_samples, settings.fft_size) == (window, hop, fft)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        FeatureSettings().mel_bins = 3
