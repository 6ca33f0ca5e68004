"""Examples and batches: what they hold, and how utterances that cannot be used are named."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ctcasr.ctc import min_input_length
from ctcasr.data import Utterance
from ctcasr.errors import DataError
from ctcasr.features import FeatureExtractor, FeatureSettings
from ctcasr.text import Vocabulary
from ctcasr.training.config import AugmentSettings
from ctcasr.training.dataset import ExampleSettings, Key, SpeechDataset, collate, subsampled
from ctcasr.training.statistics import measure_statistics

FEATURES = FeatureSettings(sample_rate=8000, mel_bins=12)


@pytest.fixture
def utterances(tmp_path: Path) -> list[Utterance]:
    rng = np.random.default_rng(0)
    for name, seconds in (("a", 0.5), ("b", 0.3), ("short", 0.03)):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * rng.standard_normal(round(8000 * seconds)), 8000)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    return [
        Utterance("a", tmp_path / "a.wav", 0.5, "abba"),
        Utterance("b", tmp_path / "b.wav", 0.3, "b"),
        Utterance("short", tmp_path / "short.wav", 0.03, "abb"),
        Utterance("broken", tmp_path / "broken.wav", 1.0, "ab"),
        Utterance("missing", tmp_path / "missing.wav", 1.0, "ab"),
        Utterance("silent", tmp_path / "b.wav", 0.3, ""),
        Utterance("part", tmp_path / "a.wav", 0.1, "a", offset_seconds=0.2),
    ]


def dataset(
    utterances: list[Utterance], on_device: bool = False, maskings: int = 1, **augment: object
) -> SpeechDataset:
    settings = ExampleSettings(FEATURES, AugmentSettings(**augment), subsampling=4, seed=5, maskings=maskings)
    extractor = None if on_device else FeatureExtractor(FEATURES)
    return SpeechDataset(utterances, Vocabulary(("<blank>", "a", "b")), settings, extractor)


def test_example_without_augmentation(utterances: list[Utterance]) -> None:
    example = dataset(utterances, maskings=2, frequency_warp=0.2)[Key(0)]
    assert example.inputs.shape == (51, 12)
    assert example.targets.tolist() == [1, 2, 2, 1]
    assert example.kept_frames.shape == (1, 51)
    assert example.kept_bins.shape == (1, 12)
    assert example.warp == 1.0
    assert example.kept_frames.all()
    assert example.kept_bins.all()
    assert example.problem == ""


def test_segment_is_read(utterances: list[Utterance]) -> None:
    data = dataset(utterances, on_device=True)
    assert torch.equal(data[Key(6)].inputs, data[Key(0)].inputs[1600:2400])


def test_augmentation_is_drawn_from_epoch_and_utterance(utterances: list[Utterance]) -> None:
    data = dataset(utterances, speeds=(0.9, 1.1))
    examples = [data[Key(0, epoch)] for epoch in range(12)]
    assert {len(example.inputs) for example in examples} == {1 + 4444 // 80, 1 + 3636 // 80}
    assert any(not example.kept_bins.all() for example in examples)
    assert any(not example.kept_frames.all() for example in examples)
    for epoch, example in enumerate(examples):
        again = data[Key(0, epoch)]
        assert torch.equal(again.inputs, example.inputs)
        assert torch.equal(again.kept_frames, example.kept_frames)
        assert torch.equal(again.kept_bins, example.kept_bins)
        assert example.kept_frames.shape == (1, len(example.inputs))
        assert example.warp == 1.0


def test_two_maskings_differ_and_the_warp_is_one(utterances: list[Utterance]) -> None:
    data = dataset(utterances, maskings=2, frequency_warp=0.2, time_mask_share=0.5)
    examples = [data[Key(0, epoch)] for epoch in range(12)]
    for epoch, example in enumerate(examples):
        assert example.kept_frames.shape == (2, len(example.inputs))
        assert example.kept_bins.shape == (2, 12)
        again = data[Key(0, epoch)]
        assert torch.equal(again.kept_frames, example.kept_frames)
        assert torch.equal(again.kept_bins, example.kept_bins)
        assert again.warp == example.warp
        assert torch.equal(again.inputs, example.inputs)
    assert any(not torch.equal(*example.kept_frames) for example in examples)
    assert any(not torch.equal(*example.kept_bins) for example in examples)
    assert len({example.warp for example in examples}) == 12


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (2, r"3 symbols need at least 4 frames, the model gives 1; .*model\.subsampling \(4\)"),
        (3, r"broken\.wav: "),
        (4, r"missing\.wav: cannot be opened"),
    ],
)
@pytest.mark.parametrize("epoch", [-1, 0])
def test_problems_are_told(utterances: list[Utterance], index: int, reason: str, epoch: int) -> None:
    example = dataset(utterances)[Key(index, epoch)]
    assert re.search(reason, example.problem)


def test_batch_pads_and_weighs(utterances: list[Utterance]) -> None:
    data = dataset(utterances)
    batch = collate([data[Key(index)] for index in (1, 0, 2, 4, 5)])
    assert batch.examples == (1, 0, 2, 4, 5)
    assert batch.inputs.shape == (5, 51, 12)
    assert batch.lengths.tolist() == [31, 51, 4, 1, 31]
    assert not batch.inputs[0, 31:].any()
    assert batch.targets.tolist() == [[2, 0, 0, 0], [1, 2, 2, 1], [0] * 4, [0] * 4, [0] * 4]
    assert batch.target_lengths.tolist() == [1, 4, 0, 0, 0]
    assert batch.weights.tolist() == [1, 1, 0, 0, 1]
    assert batch.kept_frames.shape == (5, 1, 51)
    assert batch.kept_bins.shape == (5, 1, 12)
    assert batch.warps.tolist() == [1.0] * 5
    assert [index for index, _ in batch.problems] == [2, 4]
    moved = batch.to(torch.device("cpu"))
    assert moved.problems == batch.problems
    assert torch.equal(moved.inputs, batch.inputs)


def test_batch_of_two_maskings(utterances: list[Utterance]) -> None:
    data = dataset(utterances, maskings=2, frequency_warp=0.2, time_mask_share=0.5)
    examples = [data[Key(index, 3)] for index in (1, 0, 4)]
    batch = collate(examples)
    frames = batch.inputs.shape[1]
    assert batch.kept_frames.shape == (3, 2, frames)
    assert batch.kept_bins.shape == (3, 2, 12)
    assert batch.warps.tolist() == [example.warp for example in examples]
    for row, example in enumerate(examples):
        count = len(example.inputs)
        assert torch.equal(batch.kept_frames[row, :, :count], example.kept_frames)
        assert not batch.kept_frames[row, :, count:].any()
        assert torch.equal(batch.kept_bins[row], example.kept_bins)


def test_a_feasible_utterance_has_enough_frames(utterances: list[Utterance]) -> None:
    data = dataset(utterances)
    example = data[Key(0)]
    assert subsampled(len(example.inputs), 4) == 13 >= min_input_length(example.targets.numpy())


def test_unknown_characters_are_refused(utterances: list[Utterance]) -> None:
    with pytest.raises(DataError, match=r"\['x'\]"):
        dataset([Utterance("x", Path("x.wav"), 1.0, "axb")])


def test_statistics_are_those_of_all_frames(utterances: list[Utterance]) -> None:
    settings = FEATURES.model_copy(update={"normalization": "global", "deltas": 1})
    extractor = FeatureExtractor(settings.model_copy(update={"normalization": "none"}))
    read = [soundfile.read(u.audio_path, dtype="float32")[0] for u in utterances[:2]]
    frames = np.concatenate([extractor(waveform) for waveform in read])
    statistics = measure_statistics([*utterances[:2], utterances[4]], settings)
    np.testing.assert_allclose(statistics.mean, frames.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(statistics.standard_deviation, frames.std(axis=0), atol=1e-4)


def test_statistics_of_nothing_are_refused(utterances: list[Utterance]) -> None:
    with pytest.raises(DataError, match="none of 2 recordings"):
        measure_statistics(utterances[3:5], FEATURES)
