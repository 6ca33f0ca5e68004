"""What a feature frame is: one frozen description that every reader of it obeys."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ctcasr.errors import ConfigError

ENERGY_FLOOR = 1e-6
"""Mel energies below this count as silence: about the rounding noise of 16-bit samples."""

VARIANCE_FLOOR = 1e-3
"""Added to a variance (nats squared) before dividing, so that a constant bin normalises to zero."""

DELTA_REACH = 2
"""Frames on either side in the regression of the deltas (5-frame window)."""


class FeatureSettings(BaseModel):
    """Describe the feature frames of a model: log-mel energies or MFCCs, deltas, normalisation.

    Frames are centred: frame `t` looks at the window around sample `t * hop`, and samples outside the
    waveform count as zero. So a waveform of `N` samples has exactly `1 + N // hop_samples` frames, whatever
    it is batched with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["log-mel", "mfcc"] = Field(
        "log-mel", description="log-mel energies, or their cosine transform"
    )
    sample_rate: int = Field(16000, ge=4000, le=192000, description="Hz of the audio that the model hears")
    window_seconds: float = Field(0.025, gt=0, le=0.2, description="length of the periodic Hann window")
    hop_seconds: float = Field(0.010, gt=0, le=0.2, description="from one frame to the next")
    mel_bins: int = Field(80, ge=2, le=256, description="triangular filters")
    mel_scale: Literal["htk", "slaney"] = Field("htk", description="where the filters lie")
    low_hz: float = Field(20.0, ge=0, description="lower edge of the first filter")
    high_hz: float | None = Field(
        None, description="upper edge of the last filter; half the sample rate if none"
    )
    preemphasis: float = Field(0.0, ge=0, lt=1, description="y[n] = x[n] - preemphasis * x[n-1]; 0 is off")
    cepstra: int = Field(13, ge=1, le=256, description="coefficients kept, for kind mfcc")
    deltas: Literal[0, 1, 2] = Field(0, description="orders of time derivatives appended")
    normalization: Literal["none", "utterance", "global"] = Field(
        "utterance",
        description="zero mean and unit variance of each bin, over the utterance or the training set",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        nyquist = self.sample_rate / 2
        high = nyquist if self.high_hz is None else self.high_hz
        if not self.low_hz < high <= nyquist:
            raise ValueError(
                f"the filters reach from {self.low_hz:g} to {high:g} Hz: expected low_hz < high_hz <= half "
                f"the sample rate ({nyquist:g} Hz)"
            )
        if self.window_samples < 2 or self.hop_samples < 1:
            raise ValueError("window_seconds and hop_seconds must span at least 2 samples and 1 sample")
        if self.kind == "mfcc" and self.cepstra > self.mel_bins:
            raise ValueError(f"cepstra ({self.cepstra}) cannot exceed mel_bins ({self.mel_bins})")
        return self

    @property
    def window_samples(self) -> int:
        """Length of the analysis window in samples."""
        return round(self.window_seconds * self.sample_rate)

    @property
    def hop_samples(self) -> int:
        """Samples from one frame to the next."""
        return round(self.hop_seconds * self.sample_rate)

    @property
    def fft_size(self) -> int:
        """Length of the Fourier transform: the next power of two from the window."""
        return 1 << (self.window_samples - 1).bit_length()

    @property
    def dimension(self) -> int:
        """Bins of one feature frame, deltas included (F)."""
        return (self.mel_bins if self.kind == "log-mel" else self.cepstra) * (1 + self.deltas)

    def frames(self, samples: int) -> int:
        """Return the number of feature frames of a waveform of `samples` samples."""
        return 1 + samples // self.hop_samples


class GlobalStatistics(BaseModel):
    """Mean and standard deviation of each feature bin over a training set, for global normalisation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: tuple[float, ...]
    standard_deviation: tuple[float, ...]

    def arrays(self, settings: FeatureSettings) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return `mean (F,)` and `scale (F,)`, the reciprocal of the floored deviation.

        Raises:
            ConfigError: the statistics do not belong to these settings.
        """
        if not len(self.mean) == len(self.standard_deviation) == settings.dimension:
            raise ConfigError(
                f"global statistics of {len(self.mean)} bins do not fit features of {settings.dimension} "
                "bins; compute them again with the same feature settings"
            )
        mean = np.asarray(self.mean, np.float32)
        deviation = np.asarray(self.standard_deviation, np.float64)
        return mean, (1 / np.sqrt(deviation**2 + VARIANCE_FLOOR)).astype(np.float32)


def check_statistics(settings: FeatureSettings, statistics: GlobalStatistics | None) -> None:
    """Raise ConfigError unless statistics are given exactly where the settings want them."""
    if (settings.normalization == "global") != (statistics is not None):
        given = "none are given" if statistics is None else "some are given"
        raise ConfigError(
            f"features.normalization is {settings.normalization!r} but of the global statistics {given}; "
            "they belong to 'global' and to nothing else"
        )
