"""The task of saying what a recording is, as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from torch import Tensor

from ctcasr.data import Utterance, by_shard, read_manifest
from ctcasr.errors import ConfigError, DataError
from ctcasr.models.subsampling import ConvSubsampling
from ctcasr.models.understanding import UnderstandingModel
from ctcasr.runtime.understanding_bundle import LABELS
from ctcasr.text import BLANK, Vocabulary
from ctcasr.text.tokens import Names
from ctcasr.training.batching import plan_batches
from ctcasr.training.config import TrainingConfig
from ctcasr.training.dataset import SpeechBatch
from ctcasr.training.feeding import Feeder
from ctcasr.training.problems import ProblemLog
from ctcasr.training.run_folder import STATISTICS, write_whole
from ctcasr.training.starting import read_start
from ctcasr.training.statistics import measure_statistics
from ctcasr.training.tasks import TrainingPart
from ctcasr.training.understanding import UNKNOWN_NAME, Said, Targets, Truth, UnderstandingTask


@dataclass(frozen=True)
class LabelVocabulary(Vocabulary):
    """Labels in place of symbols: a text is one label, and one that is not known is the blank."""

    def _check_symbols(self) -> None:
        pass  # a label may be any text

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """Return the number of a label, `(1,)`."""
        return np.array([self._ids.get(text, 0)], np.int64)


class RecordingTask(UnderstandingTask[SpeechBatch]):
    """Learn the labels of a manifest's recordings."""

    size_unit = "audio_seconds"

    def __init__(
        self, config: TrainingConfig, accelerator: Accelerator, problems: ProblemLog, *, resume: bool
    ) -> None:
        """Read the manifests.

        Raises:
            ConfigError: the run that is resumed has other labels.
            DataError: a manifest is wrong, or an utterance has no label.
        """
        self.train_set, self.dev_set = (
            _labelled(read_manifest(path)) for path in (config.data.train, config.data.dev)
        )
        labels = Names(tuple(sorted({utterance.text for utterance in self.train_set})))
        super().__init__(config, accelerator, Targets(None, labels))
        self.problems = problems
        path = config.run.folder / LABELS
        if resume and Names.read(path) != labels:
            raise ConfigError(
                f"{path}: differs from the labels of {config.data.train}; resume with those of the first start, or "
                "train in another folder"
            )
        self.start = read_start(config)
        self.statistics = self.start.statistics if self.start else None
        if config.features.normalization == "global" and self.statistics is None:
            self.statistics = measure_statistics(self.train_set, config.features)
        slowest = min(config.augment.speeds)
        self.part = TrainingPart(
            config.data.train,
            self.train_set,
            _sizes(self.train_set),
            config.batches.seconds * slowest,
            shards=by_shard(self.train_set),
        )
        vocabulary = LabelVocabulary((BLANK, *labels.names))
        self.feeder = Feeder(config, vocabulary, self.statistics, accelerator)
        self._train = self.feeder.dataset(self.train_set)

    def make_front(self) -> ConvSubsampling:
        """Return the convolutions over feature frames."""
        return ConvSubsampling(self.config.model, self.config.features.dimension)

    def make_network(self) -> UnderstandingModel:
        """Return a network that has to learn its labels; what hears starts where `run.start_from` ended.

        Raises:
            ConfigError: its network has another shape.
        """
        network = super().make_network()
        if self.start is not None:
            self.start.load_hearing(network.get_submodule("front"), network.get_submodule("layers"))
        return network

    def batches(self, plan: list[list[int]], epoch: int) -> Iterator[SpeechBatch]:
        """Yield this process's share of each planned batch."""
        return self.feeder.batches(self._train, plan, epoch)

    def dev_batches(self) -> Iterator[SpeechBatch]:
        """Yield this process's share of the held-out recordings; those that cannot be used are told."""
        found: dict[int, str] = {}
        processes = self.accelerator.num_processes
        plan = plan_batches(_sizes(self.dev_set), self.config.batches.seconds, processes=processes)
        for batch in self.feeder.batches(self.feeder.dataset(self.dev_set, held_out=True), plan, -1):
            yield batch
            found |= dict(batch.problems)
            self.problems.check_early(found, self.dev_set, self.config.data.dev)
        self.problems.check(found, self.dev_set, self.config.data.dev)

    def dev_truth(self) -> list[Said]:
        """Return the label of each held-out recording."""
        return [Said(label=utterance.text) for utterance in self.dev_set]

    def inputs(self, batch: SpeechBatch) -> tuple[Tensor, ...]:
        """Return features and their lengths."""
        return self.feeder.features(batch)

    def resized(self, batch: SpeechBatch, size: float) -> SpeechBatch:
        """Return the batch with so many seconds in each row, at the slowest speed."""
        return self.feeder.resized(batch, size)

    def truth(self, batch: SpeechBatch) -> Truth:
        """Return the labels; of a recording that cannot be used, none."""
        labels = torch.full_like(batch.target_lengths, UNKNOWN_NAME)
        known = batch.target_lengths > 0
        labels[known] = batch.targets[known, 0] - 1  # symbol 0 is the blank
        return Truth(labels.new_zeros(len(labels), 0), labels)

    def write(self, folder: Path) -> None:
        """Write the labels, and global statistics where features are normalised by them."""
        assert self.targets.labels is not None
        self.targets.labels.write(folder / LABELS)
        if self.statistics is not None:
            write_whole(folder / STATISTICS, self.statistics.model_dump_json())


def _sizes(utterances: Sequence[Utterance]) -> list[float]:
    return [utterance.duration_seconds for utterance in utterances]


def _labelled(utterances: Sequence[Utterance]) -> list[Utterance]:
    """Return the utterances with their labels as texts."""
    for utterance in utterances:
        if not utterance.label:
            raise DataError(f"{utterance}: has no `label`; task.head = 'label' needs one for each recording")
    return [replace(utterance, text=utterance.label or "") for utterance in utterances]
