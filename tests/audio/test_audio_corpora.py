from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ctcasr import audio
from ctcasr.audio import RawFormat
from ctcasr.errors import AudioError

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def first_files(folder: str, suffix: str, count: int = 5) -> list[Path]:
    """Return some files of a corpus, or skip the test."""
    files = sorted((DATA / folder).rglob(f"*{suffix}"))
    if not files:
        pytest.skip(f"the corpus {folder} is not beside the checkout")
    return files[:: max(1, len(files) // count)][:count]


def zero_crossing_rate(wave: np.ndarray) -> float:
    return float(np.mean(wave[1:] * wave[:-1] < 0))


def test_an4_raw_files_are_big_endian_speech():
    for path in first_files("an4", ".raw"):
        with pytest.raises(AudioError, match="byte order"):
            audio.load(path, 16000)
        speech = audio.load(path, 16000, raw=RawFormat(16000, "s16", "big"))
        noise = audio.load(path, 16000, raw=RawFormat(16000, "s16", "little"))
        assert len(speech) == path.stat().st_size // 2
        assert zero_crossing_rate(speech) < 0.6 * zero_crossing_rate(noise)
        assert np.sqrt(np.mean(speech**2)) < 0.5 * np.sqrt(np.mean(noise**2))


@pytest.mark.parametrize(("folder", "suffix"), [("an4", ".flac"), ("mini_librispeech", ".opus")])
def test_compressed_corpora_are_speech(folder, suffix):
    for path in first_files(folder, suffix):
        info = audio.probe(path)
        speech = audio.load(path, 16000)
        assert len(speech) == pytest.approx(info.duration_seconds * 16000, abs=1)
        assert 0.5 < info.duration_seconds < 40
        assert 0.001 < np.sqrt(np.mean(speech**2)) < 0.5
        assert zero_crossing_rate(speech) < 0.4
