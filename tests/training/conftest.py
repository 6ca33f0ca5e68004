"""A tiny corpus: each letter is a tone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tomli_w

from ctcasr.data import Utterance, write_manifest

RATE = 8000
TONES = {"a": 500.0, "b": 1100.0, "c": 2300.0}
TEXTS = ("ab", "ba", "ac", "ca", "bc", "cb", "abc", "cab", "bca", "cba", "a", "cc")

Corpus = Callable[..., Path]


def tones(text: str, seconds: float) -> np.ndarray:
    """Sing a text: a tone for each letter, quiet noise between them."""
    rng = np.random.default_rng(sum(map(ord, text)))
    waveform = 0.001 * rng.standard_normal(round(seconds * RATE))
    for part, letter in zip(np.array_split(np.arange(len(waveform)), len(text)), text, strict=True):
        inner = part[len(part) // 5 : -len(part) // 5]
        waveform[inner] += 0.5 * np.sin(2 * np.pi * TONES[letter] * inner / RATE)
    return waveform.astype(np.float32)


@pytest.fixture(scope="session")
def audio_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tones")
    for number, text in enumerate(TEXTS):
        soundfile.write(folder / f"{number:02d}-{text}.wav", tones(text, seconds_of(number)), RATE)
    return folder


def seconds_of(number: int) -> float:
    return 0.3 + 0.02 * (number // 2)  # in pairs, so that two processes share a batch evenly


def write_corpus(
    folder: Path, audio_folder: Path, extra: tuple[Utterance, ...] = (), **fields: object
) -> Path:
    """Write manifests and a configuration into a folder; return the configuration's path.

    Keywords are `section__key=value`; `extra` are more training utterances.
    """
    utterances = [
        Utterance(f"u{number:02d}", audio_folder / f"{number:02d}-{text}.wav", seconds_of(number), text)
        for number, text in enumerate(TEXTS)
    ]
    write_manifest(folder / "train.jsonl", [*utterances, *extra])
    write_manifest(folder / "dev.jsonl", utterances[6:10])
    values: dict[str, dict[str, object]] = {
        "data": {"train": "train.jsonl", "dev": "dev.jsonl"},
        "features": {"sample_rate": RATE, "mel_bins": 12},
        "model": {"subsampling": 2, "channels": 4, "layers": 1, "hidden": 16, "dropout": 0.2},
        "augment": {"time_mask_frames": 4, "frequency_mask_bins": 2},
        "batches": {"seconds": 2.0},
        "optimizer": {"epochs": 3, "learning_rate": 0.01},
        "run": {"folder": "run", "device": "cpu", "precision": "fp32", "average": 2},
    }
    for name, value in fields.items():
        section, _, key = name.partition("__")
        values[section][key] = value
    path = folder / "config.toml"
    path.write_text(tomli_w.dumps(values), encoding="utf-8")
    return path


@pytest.fixture
def corpus(tmp_path: Path, audio_folder: Path) -> Corpus:
    """Write a corpus into the test's folder; see `write_corpus`."""

    def make(extra: tuple[Utterance, ...] = (), **fields: object) -> Path:
        return write_corpus(tmp_path, audio_folder, extra, **fields)

    return make
