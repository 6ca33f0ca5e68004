"""Features on their way to the network: warped, masked in several ways, made on either side."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from ctcasr.data import read_manifest
from ctcasr.features import FeatureExtractor
from ctcasr.features.torch_reader import BatchFeatureExtractor
from ctcasr.text import Vocabulary
from ctcasr.training.config_files import read_config
from ctcasr.training.feeding import Feeder

VOCABULARY = Vocabulary(("<blank>", "a", "b", "c"))


def feeder(config, on_device: bool, *overrides: str) -> Feeder:
    """Return a feeder; `on_device` makes the features from waveforms in the batch, as a GPU does."""
    settings = read_config(config, overrides)
    made = Feeder(settings, VOCABULARY, None, Accelerator(cpu=True))
    if on_device:
        made.extractor, made.reader = None, BatchFeatureExtractor(settings.features)
    return made


ROWS = [[0, 7, 3]]
OPTIONS = ("augment.frequency_warp=0.3", "optimizer.consistency=0.2", "features.deltas=1")


def test_both_sides_make_the_same_features(corpus) -> None:
    config = corpus()
    data = read_manifest(config.parent / "train.jsonl")
    made = []
    for on_device in (False, True):
        side = feeder(config, on_device, *OPTIONS)
        (batch,) = side.batches(side.dataset(data), ROWS, 4)
        assert batch.inputs.ndim == (2 if on_device else 3)
        made.append(side.features(batch))
    (ours, our_lengths), (theirs, their_lengths) = made
    assert our_lengths.tolist() == their_lengths.tolist()
    assert ours.shape == theirs.shape == (6, int(our_lengths.max()), 24)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-3)


@pytest.mark.parametrize("on_device", [False, True])
def test_the_warp_moves_the_features(corpus, on_device: bool) -> None:
    config = corpus(augment__time_masks=0, augment__frequency_masks=0)
    data = read_manifest(config.parent / "train.jsonl")
    plain, warped = feeder(config, on_device), feeder(config, on_device, "augment.frequency_warp=0.3")
    # Its draw comes after the speed's and before the masks': the rest of the batch is the same.
    (before,) = plain.batches(plain.dataset(data), ROWS, 4)
    (after,) = warped.batches(warped.dataset(data), ROWS, 4)
    waveforms = feeder(config, True)
    (raw,) = waveforms.batches(waveforms.dataset(data), ROWS, 4)
    assert set(before.warps.tolist()) == {1.0}
    assert len(set(after.warps.tolist())) == 3
    features, lengths = plain.features(before)
    moved, _ = warped.features(after)
    assert (moved - features).abs().max() > 0.3
    extractor = FeatureExtractor(warped.config.features)
    for row, count in enumerate(lengths.tolist()):
        waveform = raw.inputs[row, : int(raw.lengths[row])].numpy()
        expected = extractor(waveform, float(after.warps[row]))
        np.testing.assert_allclose(moved[row, :count].numpy(), expected, atol=1e-4)
        assert not moved[row, count:].any()


def test_maskings_follow_one_another(corpus) -> None:
    config = corpus()
    data = read_manifest(config.parent / "train.jsonl")
    side = feeder(config, False, "optimizer.consistency=0.2")
    (batch,) = side.batches(side.dataset(data), ROWS, 4)
    features, lengths = side.features(batch)
    assert lengths.tolist() == batch.lengths.tolist() * 2
    for masking in range(2):
        for row in range(3):
            kept = batch.kept_frames[row, masking][:, None] & batch.kept_bins[row, masking][None]
            assert torch.equal(features[3 * masking + row], batch.inputs[row] * kept)
    assert not torch.equal(features[:3], features[3:])


def test_masked_bands_have_no_derivatives(corpus) -> None:
    config = corpus()
    side = feeder(config, False, "features.deltas=2", "augment.frequency_masks=3")
    (batch,) = side.batches(side.dataset(read_manifest(config.parent / "train.jsonl")), ROWS, 4)
    bands = batch.kept_bins.unflatten(-1, (3, 12))
    assert not bands.all()
    assert torch.equal(bands[:, :, 0], bands[:, :, 1])
    assert torch.equal(bands[:, :, 0], bands[:, :, 2])


def test_what_is_masked_is_the_mean_of_features_as_they_are(corpus) -> None:
    config = corpus()
    side = feeder(config, False, "features.normalization=none")
    (batch,) = side.batches(side.dataset(read_manifest(config.parent / "train.jsonl")), ROWS, 4)
    features, lengths = side.features(batch)
    for row, count in enumerate(lengths.tolist()):
        raw = batch.inputs[row, :count]
        kept = batch.kept_frames[row, 0, :count, None] & batch.kept_bins[row, 0][None]
        assert not kept.all()
        torch.testing.assert_close(features[row, :count], torch.where(kept, raw, raw.mean(0)))
        assert not features[row, count:].any()


@pytest.mark.parametrize("on_device", [False, True])
def test_without_augmentation_features_are_as_they_are(corpus, on_device: bool) -> None:
    config = corpus()
    data = read_manifest(config.parent / "train.jsonl")
    side = feeder(config, on_device, "augment.frequency_warp=0.3", "optimizer.consistency=0.2")
    (batch,) = side.batches(side.dataset(data), ROWS, -1)
    features, lengths = side.features(batch)
    assert features.shape == (3, int(lengths.max()), 12)
    extractor = FeatureExtractor(side.config.features)
    waveforms = feeder(config, True)
    (plain,) = waveforms.batches(waveforms.dataset(data), ROWS, -1)
    for row, count in enumerate(lengths.tolist()):
        expected = extractor(plain.inputs[row, : int(plain.lengths[row])].numpy())
        np.testing.assert_allclose(features[row, :count].numpy(), expected, atol=1e-4)
