from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf

Tone = Callable[..., npt.NDArray[np.float32]]
Write = Callable[..., Path]


@pytest.fixture(scope="session")
def tone() -> Tone:
    """Make a 440 Hz tone with a little noise, so that every codec has something to do."""

    def make(sample_rate: int = 16000, seconds: float = 1.0, hertz: float = 440.0) -> npt.NDArray[np.float32]:
        n = round(sample_rate * seconds)
        noise = np.random.default_rng(n).standard_normal(n) * 0.01
        return (0.4 * np.sin(2 * np.pi * hertz * np.arange(n) / sample_rate) + noise).astype(np.float32)

    return make


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a waveform with soundfile under a name in the test's folder and return its path."""
    kinds: dict[str, dict[str, Any]] = {
        ".opus": {"format": "OGG", "subtype": "OPUS"},
        ".sph": {"format": "NIST", "subtype": "PCM_16"},
        ".ogg": {"format": "OGG", "subtype": "VORBIS"},
    }

    def save(name: str, waveform: npt.NDArray[Any], sample_rate: int = 16000, **options: Any) -> Path:
        path = tmp_path / name
        sf.write(path, waveform, sample_rate, **(kinds.get(path.suffix, {}) | options))
        return path

    return save
