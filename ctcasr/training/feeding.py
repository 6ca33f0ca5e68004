"""Batches on their way from the data set to the network, the right share for each process."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ctcasr.data import Utterance
from ctcasr.features import FeatureExtractor, GlobalStatistics
from ctcasr.features.torch_reader import BatchFeatureExtractor
from ctcasr.models.subsampling import valid_frames
from ctcasr.text import Vocabulary
from ctcasr.training.batching import Batch, share_of
from ctcasr.training.config import BatchSettings, TrainingConfig
from ctcasr.training.dataset import ExampleSettings, Key, SpeechBatch, SpeechDataset, collate
from ctcasr.training.stopping import shielded

AnyBatch = TypeVar("AnyBatch", bound=Batch)


class BatchLoader:
    """Load planned batches of any task: this process's share of each, on its device."""

    def __init__(self, accelerator: Accelerator, settings: BatchSettings) -> None:
        """Remember the process, how many workers read for it, and in how many parts it takes its share."""
        self.accelerator = accelerator
        self.settings = settings

    def __call__(
        self,
        dataset: Dataset[Any],
        plan: list[list[int]],
        epoch: int,
        collate: Callable[[Sequence[Any]], AnyBatch],
    ) -> Iterator[AnyBatch]:
        """Yield batches; the data set is asked for a `Key` each, and epoch -1 is without augmentation.

        Of a batch that is trained on, `batches.accumulate` parts come one after another.
        """
        process, processes = self.accelerator.process_index, self.accelerator.num_processes
        turns = self.settings.accumulate if epoch >= 0 else 1
        shares = [
            share_of(batch, process + processes * turn, processes * turns)
            for batch in plan
            for turn in range(turns)
        ]
        loader = DataLoader(
            dataset,
            batch_sampler=[[Key(index, epoch) for index in part] for part, _ in shares],
            collate_fn=collate,
            num_workers=self.settings.workers,
            pin_memory=self.accelerator.device.type == "cuda",
        )
        with shielded():
            loaded = iter(loader)
        for batch, (_, weight) in zip(loaded, shares, strict=True):
            batch.weights.mul_(weight)
            yield batch.to(self.accelerator.device)


class Feeder:
    """Feed one process: features are made where that is fastest, by numpy for a CPU and on a GPU by itself."""

    def __init__(
        self,
        config: TrainingConfig,
        vocabulary: Vocabulary,
        statistics: GlobalStatistics | None,
        accelerator: Accelerator,
    ) -> None:
        self.config = config
        self.vocabulary = vocabulary
        self.accelerator = accelerator
        self.loader = BatchLoader(accelerator, config.batches)
        self.reader: BatchFeatureExtractor | None = None
        self.extractor: FeatureExtractor | None = None
        if accelerator.device.type == "cpu":
            self.extractor = FeatureExtractor(config.features, statistics)
        else:
            self.reader = BatchFeatureExtractor(config.features, statistics).to(accelerator.device)

    def dataset(
        self,
        utterances: Sequence[Utterance],
        problems: Mapping[int, str] | None = None,
        *,
        held_out: bool = False,
    ) -> SpeechDataset:
        """Return the data set of some utterances; those held out need no word times.

        Args:
            utterances: of a manifest.
            problems: which of them cannot be used, by number, and why.
            held_out: whether they are not trained on.

        Raises:
            DataError: words are to be spliced, but their times are unknown.
        """
        config = self.config
        augment = config.augment.model_copy(update={"splice": 0.0}) if held_out else config.augment
        settings = ExampleSettings(
            config.features,
            augment,
            config.model.subsampling,
            config.run.seed,
            maskings=2 if config.optimizer.consistency else 1,
        )
        return SpeechDataset(utterances, self.vocabulary, settings, self.extractor, problems)

    def batches(self, dataset: SpeechDataset, plan: list[list[int]], epoch: int) -> Iterator[SpeechBatch]:
        """Yield this process's share of each planned batch, on its device; epoch -1 is without augmentation."""
        return self.loader(dataset, plan, epoch, collate)

    def resized(self, batch: SpeechBatch, seconds: float) -> SpeechBatch:
        """Return the batch with so many seconds in each row, at the slowest speed."""
        features = self.config.features
        samples = math.ceil(seconds / min(self.config.augment.speeds) * features.sample_rate)
        frames = features.frames(samples)
        return batch.resized(frames if batch.inputs.ndim == 3 else samples, frames)

    def features(self, batch: SpeechBatch) -> tuple[Tensor, Tensor]:
        """Return `features (W * B, T, F)`, masked in W ways one after another, and their lengths.

        What is masked becomes the mean of its bin in the utterance: zero, where features are normalised.
        """
        if self.reader is not None:
            warps = batch.warps if self.config.augment.frequency_warp else None
            features, lengths = self.reader(batch.inputs, batch.lengths, warps)
        else:
            features, lengths = batch.inputs, batch.lengths
        kept = batch.kept_frames[..., None] & batch.kept_bins[:, :, None]
        masked = features[:, None] * kept
        if self.config.features.normalization == "none":
            valid = valid_frames(lengths, features.shape[1])[..., None]
            means = (features * valid).sum(1, keepdim=True) / lengths.clamp_min(1)[:, None, None]
            masked = masked + (means * valid)[:, None] * ~kept
        return masked.transpose(0, 1).flatten(0, 1), lengths.repeat(kept.shape[1])
