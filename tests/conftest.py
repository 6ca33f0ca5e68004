"""Fixtures that several packages share: a tiny model with random weights, its bundle, and sounds to feed it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf

from ctcasr.decoding.lexicon import Lexicon
from ctcasr.features import FeatureSettings
from ctcasr.runtime.bundle import (
    DESCRIPTION,
    FORMAT_VERSION,
    LEXICON,
    MODEL_FILES,
    STREAM_MODEL,
    TOKENS,
    BundleDescription,
)
from ctcasr.text import BLANK, SPACE, Vocabulary

SAMPLE_RATE = 8000
TINY_FEATURES = FeatureSettings(sample_rate=SAMPLE_RATE, mel_bins=20)
TINY_VOCABULARY = Vocabulary((BLANK, "a", "b", SPACE, *"cdefghij"))


@pytest.fixture(scope="session")
def tiny_features() -> FeatureSettings:
    """Feature settings of the tiny bundle: 20 log-mel bins at 8 kHz."""
    return TINY_FEATURES


@pytest.fixture(scope="session")
def tiny_vocabulary() -> Vocabulary:
    """Symbols of the tiny bundle: the blank, the space and ten letters."""
    return TINY_VOCABULARY


@pytest.fixture(scope="session")
def make_bundle(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a bundle with random weights: of the tiny one's shape, but for what is given of its `ModelSettings`."""
    import onnx
    import torch

    from ctcasr.models import AcousticModel, ModelSettings
    from ctcasr.training.onnx_graph import build_stream_graph, write_models

    def make(features: FeatureSettings = TINY_FEATURES, **fields: object) -> Path:
        settings = ModelSettings(**{"subsampling": 4, "channels": 4, "layers": 2, "hidden": 16} | fields)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(9)
            model = AcousticModel(settings, features.dimension, len(TINY_VOCABULARY)).eval()
        # Random weights hardly move from frame to frame: make them, so that letters, spaces and blanks are written.
        for name, parameter in model.named_parameters():
            if "weight_ih" in name or name == "output.weight":
                parameter.data *= 4
            elif "weight_hh" in name or "bias" in name:
                parameter.data *= 0.2
        folder = tmp_path_factory.mktemp("tiny") / "bundle"
        folder.mkdir()
        write_models(model, folder / MODEL_FILES["fp32"], folder / MODEL_FILES["int8"])
        if not settings.bidirectional and features.normalization != "utterance":
            onnx.save(build_stream_graph(model), folder / STREAM_MODEL)
        TINY_VOCABULARY.write(folder / TOKENS)
        description = BundleDescription(
            format_version=FORMAT_VERSION,
            name="tiny",
            features=features,
            subsampling=settings.subsampling,
            symbols=len(TINY_VOCABULARY),
            licence="CC0-1.0",
        )
        (folder / DESCRIPTION).write_text(description.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return folder

    return make


@pytest.fixture(scope="session")
def _bundle(make_bundle: Callable[..., Path]) -> Path:
    return make_bundle()


@pytest.fixture(scope="session")
def tiny_bundle(_bundle: Path) -> Path:
    """Return the folder of a bundle with random weights; read only: damage `own_bundle` instead."""
    return _bundle


@pytest.fixture
def own_bundle(_bundle: Path, tmp_path: Path) -> Path:
    """Return a copy of the tiny bundle that the test may damage."""
    return Path(shutil.copytree(_bundle, tmp_path / "own-bundle"))


@pytest.fixture(scope="session")
def noise() -> Callable[..., npt.NDArray[np.float32]]:
    """Make a waveform that changes all the time, a different one for each seed."""

    def make(seed: int = 0, seconds: float = 1.0) -> npt.NDArray[np.float32]:
        generator = np.random.default_rng(seed)
        count = round(seconds * SAMPLE_RATE)
        pieces = [
            generator.uniform(0.01, 0.3) * np.sin(np.arange(800) * generator.uniform(0.05, 2.0))
            for _ in range(count // 800 + 1)
        ]
        waveform = np.concatenate(pieces)[:count] + 0.005 * generator.standard_normal(count)
        return np.asarray(waveform, np.float32)

    return make


@pytest.fixture
def record(tmp_path: Path, noise: Callable[..., npt.NDArray[np.float32]]) -> Callable[..., Path]:
    """Write a recording at the tiny bundle's rate into the test's folder and return its path."""

    def write(name: str = "talk.wav", seed: int = 0, seconds: float = 1.0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        sf.write(path, noise(seed, seconds), SAMPLE_RATE)
        return path

    return write


@pytest.fixture
def beam_bundle(own_bundle: Path, tiny_vocabulary: Vocabulary) -> Path:
    """Return a bundle of one's own that carries a lexicon of all words of one or two letters."""
    letters = "abcdefghij"
    spelled = [*letters, *(first + second for first in letters for second in letters)]
    Lexicon.of_characters(spelled, tiny_vocabulary).write(own_bundle / LEXICON, tiny_vocabulary.symbols)
    return own_bundle
