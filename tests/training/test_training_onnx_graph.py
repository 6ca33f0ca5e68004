"""The ONNX graphs against the torch model, and that utterances do not feel one another."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
import torch

from ctcasr.features import FeatureSettings
from ctcasr.models import AcousticModel, ModelSettings
from ctcasr.runtime import Recognizer
from ctcasr.training.onnx_graph import write_models
from tests.training.test_training_export import Noise, small_model

SHAPES = [
    (2, FeatureSettings(mel_bins=20)),
    (4, FeatureSettings(mel_bins=23)),
    (2, FeatureSettings(kind="mfcc", mel_bins=20, cepstra=13, deltas=2)),
    (4, FeatureSettings(kind="mfcc", mel_bins=20, cepstra=13)),
]


def run_onnx(path: Path, features: torch.Tensor, lengths: torch.Tensor) -> list[npt.NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    return list(
        session.run(
            ["log_probs", "input_lengths"], {"features": features.numpy(), "feature_lengths": lengths.numpy()}
        )
    )


@pytest.fixture(
    scope="module", params=SHAPES, ids=lambda shape: f"{shape[0]}x-{shape[1].kind}-{shape[1].dimension}"
)
def networks(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[AcousticModel, Path, Path]:
    subsampling, features = request.param
    model = small_model(subsampling, features.dimension)
    folder = tmp_path_factory.mktemp("networks")
    write_models(model, folder / "fp32.onnx", folder / "int8.onnx")
    return model, folder / "fp32.onnx", folder / "int8.onnx"


@pytest.fixture(scope="module")
def batch(networks: tuple[AcousticModel, Path, Path]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return padded features whose padding is not zero, and lengths of every remainder by 4."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([41, 1, 2, 3, 38, 20, 40])
    return torch.randn(len(lengths), 41, networks[0].bins, generator=generator), lengths


class TestGraph:
    def test_fp32_equals_the_torch_model(
        self, networks: tuple[AcousticModel, Path, Path], batch: tuple[torch.Tensor, torch.Tensor]
    ) -> None:
        model, fp32, _ = networks
        with torch.no_grad():
            expected, expected_lengths = model(*batch)
        found, found_lengths = run_onnx(fp32, *batch)
        assert found.shape == tuple(expected.shape)
        assert found_lengths.tolist() == expected_lengths.tolist()
        np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-5)

    def test_fp32_is_the_same_alone_and_in_a_batch(
        self, networks: tuple[AcousticModel, Path, Path], batch: tuple[torch.Tensor, torch.Tensor]
    ) -> None:
        _, fp32, _ = networks
        features, lengths = batch
        together, together_lengths = run_onnx(fp32, features, lengths)
        for index, length in enumerate(lengths.tolist()):
            alone, alone_lengths = run_onnx(
                fp32, features[index : index + 1, :length], lengths[index : index + 1]
            )
            frames = int(alone_lengths[0])
            assert frames == together_lengths[index] == alone.shape[1]
            np.testing.assert_allclose(together[index, :frames], alone[0], rtol=0, atol=1e-5)

    def test_frames_beyond_a_length_are_zero(
        self, networks: tuple[AcousticModel, Path, Path], batch: tuple[torch.Tensor, torch.Tensor]
    ) -> None:
        found, lengths = run_onnx(networks[1], *batch)
        for scores, length in zip(found, lengths, strict=True):
            assert not scores[int(length) :].any()
            np.testing.assert_allclose(np.exp(scores[: int(length)]).sum(-1), 1, atol=1e-5)

    def test_int8_is_near_fp32_but_not_equal(
        self, networks: tuple[AcousticModel, Path, Path], batch: tuple[torch.Tensor, torch.Tensor]
    ) -> None:
        _, fp32, int8 = networks
        features, lengths = batch[0][:1], batch[1][:1]
        exact, quantised = run_onnx(fp32, features, lengths)[0], run_onnx(int8, features, lengths)[0]
        difference = np.abs(np.exp(exact) - np.exp(quantised))
        assert 0 < difference.max() < 0.1
        assert difference.mean() < 0.02

    def test_int8_is_smaller_where_weights_dominate(self, tmp_path: Path) -> None:
        model = AcousticModel(ModelSettings(channels=4, layers=1, hidden=128), 20, 9)
        write_models(model, tmp_path / "fp32.onnx", tmp_path / "int8.onnx")
        assert (tmp_path / "int8.onnx").stat().st_size < 0.4 * (tmp_path / "fp32.onnx").stat().st_size


class TestIndependence:
    """Promise 1: what is transcribed beside an utterance, and by how many threads, does not matter."""

    @pytest.mark.parametrize("precision", ["int8", "fp32"])
    def test_log_probs_are_bit_identical_whatever_runs_beside(
        self, tiny_bundle: Path, noise: Noise, precision: str
    ) -> None:
        recognizer = Recognizer.load(tiny_bundle, precision)  # type: ignore[arg-type]
        waveforms = [noise(seed, 0.2 + 0.3 * seed) * (1 + 3 * (seed % 2)) for seed in range(6)]
        alone = [recognizer.log_probs(waveform) for waveform in waveforms]
        assert len({scores.tobytes() for scores in alone}) == len(alone)
        with ThreadPoolExecutor(8) as pool:
            beside = list(pool.map(recognizer.log_probs, waveforms * 20))
        for index, scores in enumerate(beside):
            np.testing.assert_array_equal(scores, alone[index % len(alone)])

    @pytest.mark.slow
    @pytest.mark.parametrize("threads", [1, 2, 7])
    def test_transcripts_do_not_depend_on_threads(
        self, tiny_bundle: Path, record: Callable[..., Path], threads: int
    ) -> None:
        recognizer = Recognizer.load(tiny_bundle)
        paths = [record(f"{seed}.wav", seed, 0.3 + 0.2 * seed) for seed in range(6)]
        alone = [next(recognizer.transcribe([path], threads=1)) for path in paths]
        beside = list(recognizer.transcribe(paths * 3, threads=threads))
        assert [(t.text, t.words, t.confidence) for t in beside] == [
            (t.text, t.words, t.confidence) for t in alone
        ] * 3
