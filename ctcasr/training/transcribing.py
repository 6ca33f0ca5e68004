"""The task of writing what is said: CTC, or frames that are named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from accelerate import Accelerator
from torch import Tensor, nn

from ctcasr.data import Utterance, by_shard, read_manifest
from ctcasr.errors import ConfigError, DataError
from ctcasr.features import GlobalStatistics
from ctcasr.models import AcousticModel, consistency_loss, smoothing_loss
from ctcasr.text import PhoneVocabulary, Vocabulary, read_vocabulary
from ctcasr.training.config import TrainingConfig
from ctcasr.training.dataset import SpeechBatch
from ctcasr.training.evaluating import ScoredSet, evaluate, sample
from ctcasr.training.feeding import Feeder
from ctcasr.training.objectives import Objective, make_objective, topology_of
from ctcasr.training.problems import ProblemLog
from ctcasr.training.run_folder import DICTIONARY, STATISTICS, TOKENS, write_whole
from ctcasr.training.starting import read_start
from ctcasr.training.statistics import measure_statistics
from ctcasr.training.tasks import Evaluation, TrainingPart
from ctcasr.training.vocabularies import make_vocabulary

MOST_HEARD = 50
"""Utterances of the training set that are scored after each epoch, if dev has as many."""


class TranscriptionTask:
    """Learn to write the transcripts of a manifest."""

    size_unit = "audio_seconds"

    def __init__(
        self, config: TrainingConfig, accelerator: Accelerator, problems: ProblemLog, *, resume: bool
    ) -> None:
        """Read the manifests, and align them where frames are to be learned.

        Raises:
            ConfigError: the run that is resumed writes other symbols.
            BundleError: the model that aligns is damaged.
            DataError: a manifest is wrong, or a dev transcript has symbols that training lacks.
        """
        self.config = config
        self.problems = problems
        self.train_set, self.dev_set = read_manifest(config.data.train), read_manifest(config.data.dev)
        texts = [utterance.text for utterance in self.train_set]
        self.start = start = read_start(config)
        symbols = start.symbols(config.text) if start else None
        self.vocabulary = symbols or make_vocabulary(config.text, texts, config.data.train)
        self.topology = topology_of(config, self.vocabulary)
        self._check_texts([*self.train_set, *self.dev_set])
        if resume:
            self._check_vocabulary()
        statistics = start.statistics if start else None
        if config.features.normalization == "global" and statistics is None:
            statistics = measure_statistics(self.train_set, config.features)
        self.statistics: GlobalStatistics | None = statistics
        durations = [utterance.duration_seconds for utterance in self.train_set]
        slowest = min(config.augment.speeds)
        self.part = TrainingPart(
            config.data.train,
            self.train_set,
            durations,
            config.batches.seconds * slowest,
            shards=by_shard(self.train_set),
        )
        self.feeder = Feeder(config, self.vocabulary, statistics, accelerator)
        self.objective, self.dev_objective = (
            make_objective(config, utterances, self.topology) for utterances in (self.train_set, self.dev_set)
        )
        self._dataset = self.feeder.dataset(self.train_set, self.objective.problems)

    def _check_vocabulary(self) -> None:
        folder, units = self.config.run.folder, self.config.text.units
        if read_vocabulary(folder / TOKENS, units, folder / DICTIONARY) != self.vocabulary:
            raise ConfigError(
                f"{folder / TOKENS}: differs from the symbols of {self.config.data.train}; resume with the transcripts "
                "and units of the first start, or train in another folder"
            )

    def _check_texts(self, utterances: Sequence[Utterance]) -> None:
        for utterance in utterances:
            try:
                self.vocabulary.encode(utterance.text)
            except DataError as error:
                raise DataError(f"{utterance}: {error}") from error

    def make_network(self) -> AcousticModel:
        """Return an acoustic model, with the weights that it starts from, if there are any."""
        config = self.config
        early_layer = config.model.layers // 2 if config.optimizer.intermediate else 0
        network = AcousticModel(
            config.model, config.features.dimension, self.topology.output_count, early_layer
        )
        if self.start is not None:
            self.start.load(network, self.topology)
        return network

    def batches(self, plan: list[list[int]], epoch: int) -> Iterator[SpeechBatch]:
        """Yield this process's share of each planned batch."""
        return self.feeder.batches(self._dataset, plan, epoch)

    def inputs(self, batch: SpeechBatch) -> tuple[Tensor, ...]:
        """Return features and their lengths."""
        return self.feeder.features(batch)

    def resized(self, batch: SpeechBatch, size: float) -> SpeechBatch:
        """Return the batch with so many seconds in each row, at the slowest speed."""
        return self.feeder.resized(batch, size)

    def losses(self, outputs: tuple[Tensor, ...], batch: SpeechBatch) -> tuple[Tensor, Tensor]:
        """Return losses and sizes; a loss is the mean over the maskings, and how far these disagree."""
        log_probs, input_lengths, *early = outputs
        maskings, settings = batch.kept_frames.shape[1], self.config.optimizer
        losses = self.objective.losses(log_probs, input_lengths, batch)
        for early_log_probs in early:
            share = settings.intermediate
            losses = (1 - share) * losses + share * self.objective.losses(
                early_log_probs, input_lengths, batch
            )
        if share := settings.label_smoothing:
            losses = (1 - share) * losses + share * smoothing_loss(
                log_probs, self.objective.counted(log_probs, input_lengths, batch)
            )
        losses = losses.view(maskings, -1).mean(0)
        if maskings == 2:
            losses = losses + settings.consistency * consistency_loss(log_probs, input_lengths)
        return losses, self.objective.sizes(input_lengths[: len(losses)], batch)

    def evaluate(self, network: nn.Module) -> Evaluation:
        """Decode the dev set greedily and score it, see `evaluating.evaluate`, and a sample of the training set."""
        numbers = range(len(self.dev_set))
        dev = self._scored(network, self.config.data.dev, self.dev_set, self.dev_objective, numbers)
        heard = self.score_heard(network, sample(len(self.train_set), min(MOST_HEARD, len(self.dev_set))))
        return replace(dev, signs={**dev.signs, "train_wer": heard.scores["wer"]})

    def score_heard(self, network: nn.Module, numbers: Sequence[int]) -> Evaluation:
        """Score some utterances of the training set, without augmentation."""
        return self._scored(network, self.part.manifest, self.train_set, self.objective, numbers)

    def _scored(
        self,
        network: nn.Module,
        manifest: Path,
        utterances: Sequence[Utterance],
        objective: Objective,
        numbers: Sequence[int],
    ) -> Evaluation:
        dataset = self.feeder.dataset(utterances, objective.problems, held_out=True)
        scored = ScoredSet(manifest, dataset, numbers, objective, self.topology)
        return evaluate(network, self.feeder, self.problems, scored)

    def write(self, folder: Path) -> None:
        """Write the vocabulary, its dictionary where it has one, and global statistics."""
        write_symbols(folder, self.vocabulary, self.statistics)


def write_symbols(folder: Path, vocabulary: Vocabulary, statistics: GlobalStatistics | None) -> None:
    """Write what a run that transcribes has beside its configuration; each file appears whole or not at all."""
    if isinstance(vocabulary, PhoneVocabulary):
        vocabulary.pronunciations.write(folder / DICTIONARY)
    vocabulary.write(folder / TOKENS)
    if statistics is not None:
        write_whole(folder / STATISTICS, statistics.model_dump_json())
