"""Waveforms to files in memory, sample by sample what our reader makes of them again."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import soundfile


def encoded(waveform: npt.NDArray[np.float32], sample_rate: int, container: str, bits: int) -> bytes:
    """Return a file of integer samples, those beyond full scale clipped; what was read from as many bits comes back.

    Args:
        waveform: `(N,)`.
        sample_rate: in Hz.
        container: "WAV" or "FLAC".
        bits: 16 or 24.
    """
    full = np.float32(2 ** (bits - 1))
    # As integers, which we scale as our reader does: soundfile would scale floats by one less. Float32 is exact here.
    samples = waveform * full
    np.rint(samples, out=samples)
    np.clip(samples, -full, full - 1, out=samples)
    content = io.BytesIO()
    integers = samples.astype(np.int16) if bits == 16 else samples.astype(np.int32) << (32 - bits)
    soundfile.write(content, integers, sample_rate, format=container, subtype=f"PCM_{bits}")
    return content.getvalue()
