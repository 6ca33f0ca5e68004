"""Sample-rate conversion and speed perturbation with libsoxr's high-quality filter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctcasr.audio.formats import check_wanted_rate
from ctcasr.errors import ConfigError

MIN_SPEED = 0.5
MAX_SPEED = 2.0


def resample(waveform: npt.NDArray[np.float32], from_rate: int, to_rate: int) -> npt.NDArray[np.float32]:
    """Convert a waveform from one sample rate to another.

    A waveform near full scale may overshoot 1.0 a little (Gibbs); nothing is clipped.

    Args:
        waveform: `(N,)` float32.
        from_rate: Rate of `waveform` in Hz, 4,000 to 192,000.
        to_rate: Wanted rate in Hz, same range.

    Returns:
        `(M,)` float32 with M = floor(N * to_rate / from_rate + 0.5); the same array when the rates are equal.

    Raises:
        ConfigError: A rate is out of range.
    """
    check_wanted_rate(from_rate, "from_rate")
    check_wanted_rate(to_rate, "to_rate")
    return waveform if from_rate == to_rate else _convert(waveform, from_rate, to_rate)


def change_speed(waveform: npt.NDArray[np.float32], factor: float) -> npt.NDArray[np.float32]:
    """Play a waveform faster or slower, changing tempo and pitch together as Kaldi and `sox speed` do.

    The samples are read as if their rate were `factor` times higher and are resampled to the old rate (Ko et
    al. 2015, "Audio augmentation for speech recognition", section 2).

    Args:
        waveform: `(N,)` float32.
        factor: 0.5 to 2.0; 1.1 is shorter and higher, 0.9 is longer and lower.

    Returns:
        `(M,)` float32 with M = floor(N / factor + 0.5); the same array for a factor of 1.

    Raises:
        ConfigError: The factor is out of range.
    """
    if not MIN_SPEED <= factor <= MAX_SPEED:
        raise ConfigError(f"the speed factor is {factor}, expected {MIN_SPEED} to {MAX_SPEED}")
    return waveform if factor == 1 else _convert(waveform, factor, 1.0)


def _convert(waveform: npt.NDArray[np.float32], from_rate: float, to_rate: float) -> npt.NDArray[np.float32]:
    # Imported when first needed: most corpora are stored at the wanted rate and start without libsoxr.
    import soxr

    converted: npt.NDArray[np.float32] = soxr.resample(waveform, from_rate, to_rate, quality="HQ")
    return converted
