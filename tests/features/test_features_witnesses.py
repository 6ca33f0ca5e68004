"""Features against librosa and torchaudio, which share no code with ours."""

from __future__ import annotations

from typing import Any

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import scipy.fft
import torch
import torchaudio

from ctcasr.features import FeatureExtractor, FeatureSettings

CASES = [
    {},
    {"mel_scale": "slaney", "mel_bins": 40},
    {"sample_rate": 8000, "low_hz": 100.0, "high_hz": 3800.0, "mel_bins": 23},
    {
        "sample_rate": 44100,
        "window_seconds": 0.0213,
        "hop_seconds": 0.0117,
        "mel_scale": "slaney",
        "low_hz": 0.0,
    },
]


def noise(rate: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(rate)
    return (0.1 * rng.standard_normal(rate // 2)).astype(np.float32)


def librosa_log_mel(settings: FeatureSettings, waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    energies = librosa.feature.melspectrogram(
        y=waveform.astype(np.float64),
        sr=settings.sample_rate,
        n_fft=settings.fft_size,
        win_length=settings.window_samples,
        hop_length=settings.hop_samples,
        center=True,
        pad_mode="constant",
        power=2.0,
        n_mels=settings.mel_bins,
        fmin=settings.low_hz,
        fmax=settings.high_hz,
        htk=settings.mel_scale == "htk",
        norm=None,
    )
    log_mel: npt.NDArray[np.float64] = np.log(np.maximum(energies, 1e-6)).T
    return log_mel


@pytest.mark.slow
@pytest.mark.parametrize("fields", CASES)
def test_log_mel_is_librosas(fields: dict[str, Any]) -> None:
    settings = FeatureSettings(**fields, normalization="none")
    waveform = noise(settings.sample_rate)
    expected = librosa_log_mel(settings, waveform)
    np.testing.assert_allclose(FeatureExtractor(settings)(waveform), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("fields", CASES)
def test_preemphasis_is_librosas(fields: dict[str, Any]) -> None:
    settings = FeatureSettings(**fields, normalization="none", preemphasis=0.97)
    waveform = noise(settings.sample_rate)
    # librosa's first sample depends on its filter state; ours has nothing before it.
    emphasised = librosa.effects.preemphasis(waveform, coef=0.97, zi=np.zeros(1, np.float32))
    expected = librosa_log_mel(settings, emphasised)
    np.testing.assert_allclose(FeatureExtractor(settings)(waveform), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("fields", CASES)
def test_mfcc_is_the_cosine_transform_of_the_log_mel(fields: dict[str, Any]) -> None:
    settings = FeatureSettings(**fields, kind="mfcc", cepstra=20, normalization="none")
    waveform = noise(settings.sample_rate)
    log_mel = librosa_log_mel(settings, waveform)
    expected = librosa.feature.mfcc(S=log_mel.T, n_mfcc=20, dct_type=2, norm="ortho").T
    np.testing.assert_allclose(expected, scipy.fft.dct(log_mel, norm="ortho")[:, :20])
    np.testing.assert_allclose(FeatureExtractor(settings)(waveform), expected, rtol=0, atol=1e-4)


def test_deltas_are_librosas() -> None:
    settings = FeatureSettings(normalization="none", deltas=2, mel_bins=24)
    features = FeatureExtractor(settings)(noise(16000))
    static, first, second = np.split(features, 3, axis=1)
    expected = librosa.feature.delta(static, width=5, mode="nearest", axis=0)
    np.testing.assert_allclose(first, expected, atol=1e-5)
    expected = librosa.feature.delta(first, width=5, mode="nearest", axis=0)
    np.testing.assert_allclose(second, expected, atol=1e-5)


@pytest.mark.parametrize("fields", CASES)
def test_log_mel_is_torchaudios(fields: dict[str, Any]) -> None:
    settings = FeatureSettings(**fields, normalization="none")
    waveform = noise(settings.sample_rate)
    transform = torchaudio.transforms.MelSpectrogram(
        sample_rate=settings.sample_rate,
        n_fft=settings.fft_size,
        win_length=settings.window_samples,
        hop_length=settings.hop_samples,
        f_min=settings.low_hz,
        f_max=settings.high_hz,
        n_mels=settings.mel_bins,
        mel_scale=settings.mel_scale,
        norm=None,
        center=True,
        pad_mode="constant",
    )
    expected = transform(torch.from_numpy(waveform)).clamp_min(1e-6).log().T.numpy()
    np.testing.assert_allclose(FeatureExtractor(settings)(waveform), expected, rtol=0, atol=2e-3)
