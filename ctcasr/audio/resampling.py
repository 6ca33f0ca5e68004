"""Sample-rate conversion and speed perturbation with libsoxr's high-quality filter."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ctcasr.audio.formats import check_wanted_rate
from ctcasr.errors import ConfigError

_QUALITY = "HQ"
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
        `(M,)` float32 with M = floor(N / (from_rate / to_rate) + 0.5), divided in double precision (an exact half
            may fall below it); the same array when the rates are equal.

    Raises:
        ConfigError: A rate is out of range.
    """
    check_wanted_rate(from_rate, "from_rate")
    check_wanted_rate(to_rate, "to_rate")
    return waveform if from_rate == to_rate else _convert(waveform, from_rate, to_rate)


class StreamResampler:
    """Convert a waveform that comes in blocks: joined, its blocks are what `resample` makes of the whole."""

    def __init__(self, from_rate: int, to_rate: int) -> None:
        """Prepare the filter.

        Raises:
            ConfigError: a rate is out of range.
        """
        check_wanted_rate(from_rate, "from_rate")
        check_wanted_rate(to_rate, "to_rate")
        self._stream: Any = None
        if from_rate != to_rate:
            import soxr  # when first needed, as below

            self._stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality=_QUALITY)

    def __call__(self, block: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return what is ready `(m,)` after a block `(n,)`: the filter holds some samples back."""
        return block if self._stream is None else self._convert(block, last=False)

    def finish(self) -> npt.NDArray[np.float32]:
        """Return the samples that were held back."""
        empty = np.zeros(0, np.float32)
        return empty if self._stream is None else self._convert(empty, last=True)

    def _convert(self, block: npt.NDArray[np.float32], *, last: bool) -> npt.NDArray[np.float32]:
        converted: npt.NDArray[np.float32] = self._stream.resample_chunk(
            np.ascontiguousarray(block), last=last
        )
        return converted


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

    converted: npt.NDArray[np.float32] = soxr.resample(waveform, from_rate, to_rate, quality=_QUALITY)
    return converted
