"""Filters of finite length, and what all changes of a waveform share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

_SHORTEST_BLOCK = 4096


def power(waveform: Float32) -> float:
    """Return the mean square of a waveform `(N,)`, 0 for an empty one."""
    wide = waveform.astype(np.float64)
    return float(wide @ wide) / max(1, len(wide))


def fitted(waveform: Float32, samples: int) -> Float32:
    """Return a waveform cut, or padded with zeros, to so many samples."""
    if len(waveform) >= samples:
        return waveform[:samples]
    return np.pad(waveform, (0, samples - len(waveform)))


def convolve(waveform: Float32, response: Float32) -> Float32:
    """Filter a waveform by an impulse response, by fast Fourier transforms of blocks (overlap-add).

    Args:
        waveform: `(N,)`.
        response: `(R,)`, R > 0; its first sample is without delay.

    Returns:
        `(N,)`: the first N samples of the convolution; what rings on after the waveform is cut off.
    """
    samples, response = len(waveform), response[: max(1, len(waveform))]
    size = max(_SHORTEST_BLOCK, 4 * (1 << (len(response) - 1).bit_length()))
    step = size - len(response) + 1
    blocks = np.pad(waveform, (0, -samples % step)).reshape(-1, step)
    filtered = np.fft.irfft(np.fft.rfft(blocks, size) * np.fft.rfft(response, size), size)
    # A block rings on into the next one only: at least three quarters of its size are new samples.
    filtered[1:, : size - step] += filtered[:-1, step:]
    return filtered[:, :step].reshape(-1)[:samples].astype(np.float32)


def band_pass(low_hertz: float, high_hertz: float, sample_rate: int, taps: int) -> Float32:
    """Return the impulse response `(taps,)` of a band pass with linear phase: a windowed sinc.

    (Oppenheim and Schafer, Discrete-Time Signal Processing, section 7.5, with Hamming's window.) Its delay is
    half of its length, rounded down; `taps` is odd. A `high_hertz` at or above half the rate cuts off nothing there.
    """
    time = np.arange(taps) - taps // 2
    low, high = 2 * low_hertz / sample_rate, min(1.0, 2 * high_hertz / sample_rate)
    ideal = high * np.sinc(high * time) - low * np.sinc(low * time)
    response: Float32 = (ideal * np.hamming(taps)).astype(np.float32)
    return response
