"""The training loop."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ctcasr.data import Utterance, read_manifest
from ctcasr.errors import ConfigError, DataError
from ctcasr.features import GlobalStatistics
from ctcasr.models import AcousticModel, consistency_loss, smoothing_loss
from ctcasr.text import read_vocabulary
from ctcasr.training.batching import plan_batches
from ctcasr.training.checkpoints import (
    AVERAGED,
    CheckpointFolder,
    Progress,
    load_weights,
    read_tensors,
    write_tensors,
)
from ctcasr.training.config import TrainingConfig
from ctcasr.training.dataset import Batch, SpeechDataset
from ctcasr.training.display import Display
from ctcasr.training.evaluating import Evaluation, Task, evaluate
from ctcasr.training.feeding import Feeder
from ctcasr.training.objectives import make_objective, topology_of
from ctcasr.training.problems import ProblemLog
from ctcasr.training.run_folder import (
    CHECKPOINTS,
    DICTIONARY,
    SUMMARY,
    TOKENS,
    MetricsLog,
    write_run,
    write_whole,
)
from ctcasr.training.schedule import learning_rate
from ctcasr.training.starting import read_start
from ctcasr.training.statistics import measure_statistics
from ctcasr.training.vocabularies import make_vocabulary


def bf16_is_native() -> bool:
    """Tell whether this CPU multiplies bf16 matrices in hardware."""
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return bool(supported) or bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


@dataclass
class EpochTotals:
    """What one process saw in an epoch."""

    loss: float = 0.0
    size: float = 0.0
    seconds: float = 0.0
    norms: list[float] = field(default_factory=list)
    problems: dict[int, str] = field(default_factory=dict)


class Trainer:
    """Train one acoustic model as a `TrainingConfig` says.

    Everything random is drawn from the seed, the epoch and the utterance, so that a run that is resumed
    goes on as if it had not stopped.
    """

    def __init__(self, config: TrainingConfig, *, resume: bool = False) -> None:
        """Read the manifests and build the model, or restore it; align, where frames are to be learned.

        Raises:
            ConfigError: the run exists already, or there is nothing to resume.
            BundleError: the model that aligns is damaged.
            DataError: a manifest is wrong, or a dev transcript has symbols that training lacks.
        """
        self.config = config
        self.accelerator = Accelerator(cpu=config.run.device == "cpu")
        self.device = self.accelerator.device
        self.checkpoints = CheckpointFolder(config.run.folder / CHECKPOINTS, config.run.average)
        self._check_folder(resume)
        self.train_set, self.dev_set = read_manifest(config.data.train), read_manifest(config.data.dev)
        texts = [utterance.text for utterance in self.train_set]
        start = read_start(config)
        self.vocabulary = (
            start.vocabulary if start else make_vocabulary(config.text, texts, config.data.train)
        )
        self.topology = topology_of(config, self.vocabulary)
        self._check_texts([*self.train_set, *self.dev_set])
        if resume:
            self._check_vocabulary()
        statistics = start.statistics if start else None
        if config.features.normalization == "global" and statistics is None:
            statistics = measure_statistics(self.train_set, config.features)
        self.statistics: GlobalStatistics | None = statistics
        torch.manual_seed(config.run.seed)
        network = AcousticModel(config.model, config.features.dimension, self.topology.output_count)
        if start is not None:
            load_weights(network, start.weights, start.path)
        optimizer = torch.optim.AdamW(self._parameter_groups(network), lr=config.optimizer.learning_rate)
        self.network = network.to(self.device)
        self.progress = self.checkpoints.load_last(self.network, optimizer) if resume else Progress()
        self.model, self.optimizer = self.accelerator.prepare(self.network, optimizer)
        self.feeder = Feeder(config, self.vocabulary, statistics, self.accelerator)
        self.problems = ProblemLog(self.accelerator, config.data.max_bad_share)
        self.objective, self.dev_objective = (
            make_objective(config, utterances, self.topology) for utterances in (self.train_set, self.dev_set)
        )
        native = self.device.type != "cpu" or bf16_is_native()
        self.bf16 = config.run.precision == "bf16" or (config.run.precision == "auto" and native)

    def _metrics_log(self) -> MetricsLog:
        first_epoch = self.progress.epoch + 1
        return MetricsLog(self.config.run.folder, first_epoch, active=self.accelerator.is_main_process)

    def _check_folder(self, resume: bool) -> None:
        if resume and not self.checkpoints.has_last():
            raise ConfigError(
                f"{self.config.run.folder}: holds no checkpoint to resume from; train without --resume"
            )
        if not resume and self.checkpoints.has_last():
            raise ConfigError(
                f"{self.config.run.folder}: holds a run already; go on with --resume, or choose another folder with "
                "--set run.folder=..."
            )

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

    def _parameter_groups(self, network: nn.Module) -> list[dict[str, object]]:
        matrices = [parameter for parameter in network.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
        return [
            {"params": matrices, "weight_decay": self.config.optimizer.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]

    def run(self) -> Evaluation:
        """Train to the last epoch, average the best epochs, and return the average's dev scores.

        Raises:
            DataError: too many utterances are unusable, or the loss is not a number.
        """
        settings = self.config.optimizer
        if self.accelerator.is_main_process:
            write_run(self.config, self.vocabulary, self.statistics)
        train, dev = self.feeder.dataset(self.train_set, self.objective.problems), self._dev_task()
        with (
            Display(settings.epochs, self.accelerator.is_main_process) as display,
            self._metrics_log() as log,
        ):
            while self.progress.epoch < settings.epochs:
                started = time.perf_counter()
                totals, steps = self._train_epoch(train, display)
                trained = time.perf_counter()
                evaluation = evaluate(self.network, self.feeder, self.problems, dev)
                self.progress.epoch += 1
                record = self._record(totals, evaluation, steps) | {
                    "train_seconds": round(trained - started, 3),
                    "seconds": round(time.perf_counter() - started, 3),
                }
                self._finish_epoch(record, evaluation, log)
                display.epoch(record)
        evaluation = self._average(dev)
        self._leave_group()
        return evaluation

    def _dev_task(self) -> Task:
        dataset = self.feeder.dataset(self.dev_set, self.dev_objective.problems, held_out=True)
        return Task(dataset, self.dev_objective, self.topology)

    def _leave_group(self) -> None:
        """Let go of the process group and all that holds it: gloo's threads abort a process that exits over them."""
        self.accelerator.wait_for_everyone()
        self.model = self.network
        self.accelerator.free_memory()
        self.accelerator.end_training()

    def _train_epoch(self, dataset: SpeechDataset, display: Display) -> tuple[EpochTotals, int]:
        config, epoch = self.config, self.progress.epoch
        durations = [utterance.duration_seconds for utterance in self.train_set]
        slowest = min(config.augment.speeds)
        rng = np.random.default_rng((config.run.seed, epoch))
        plan = plan_batches(durations, config.batches.seconds * slowest, rng, self.accelerator.num_processes)
        # Dropout's randomness, too, depends on the epoch and the process alone.
        torch.manual_seed((config.run.seed * 100_003 + epoch) * 1009 + self.accelerator.process_index)
        self.model.train()
        totals = EpochTotals()
        for number, batch in enumerate(self.feeder.batches(dataset, plan, epoch)):
            # Batch counts differ a little between epochs: the schedule follows the share of the epoch.
            steps = config.optimizer.epochs * len(plan)
            rate = learning_rate(config.optimizer, epoch * len(plan) + number, steps)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self._step(batch, totals)
            self.problems.check_early(totals.problems, self.train_set, config.data.train)
            display.batch(number + 1, len(plan))
        totals.problems = self.problems.check(totals.problems, self.train_set, config.data.train)
        return totals, len(plan)

    def _step(self, batch: Batch, totals: EpochTotals) -> None:
        features, lengths = self.feeder.features(batch)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            log_probs, input_lengths = self.model(features, lengths)
        losses = self._losses(log_probs, input_lengths, batch)
        self._check_finite(losses, batch)
        size = (self.objective.sizes(input_lengths[: len(losses)], batch) * batch.weights).sum()
        all_sizes = self.accelerator.reduce(size, "sum").clamp_min(1)
        loss = (losses * batch.weights).sum()
        # Processes average their gradients: times their number gives the mean over the symbols (or frames) of them all.
        self.accelerator.backward(loss * self.accelerator.num_processes / all_sizes)
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.optimizer.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        totals.loss += float(loss.detach())
        totals.size += float(size)
        totals.norms.append(float(norm))
        totals.seconds += sum(
            self.train_set[index].duration_seconds
            for index, weight in zip(batch.utterances, batch.weights.tolist(), strict=True)
            if weight
        )
        totals.problems |= dict(batch.problems)

    def _losses(self, log_probs: Tensor, input_lengths: Tensor, batch: Batch) -> Tensor:
        """Return each utterance's loss, `(B,)`: the mean over its maskings, and how far these disagree."""
        maskings, weight = batch.kept_frames.shape[1], self.config.optimizer.consistency
        losses = self.objective.losses(log_probs, input_lengths, batch)
        if share := self.config.optimizer.label_smoothing:
            losses = (1 - share) * losses + share * smoothing_loss(log_probs, input_lengths)
        losses = losses.view(maskings, -1).mean(0)
        if maskings == 2:
            losses = losses + weight * consistency_loss(log_probs, input_lengths)
        return losses

    def _check_finite(self, losses: Tensor, batch: Batch) -> None:
        wrong = ~torch.isfinite(losses.detach())
        if wrong.any():
            names = [str(self.train_set[batch.utterances[row]]) for row in wrong.nonzero().flatten().tolist()]
            raise DataError(
                f"the loss is not finite at step {self.progress.step} for {', '.join(names[:5])} "
                f"({len(names)} of {len(losses)} in the batch); listen to these recordings, or lower "
                f"optimizer.learning_rate ({self.config.optimizer.learning_rate:g}), and go on with --resume"
            )

    def _record(self, totals: EpochTotals, evaluation: Evaluation, steps: int) -> dict[str, float | int]:
        settings = self.config.optimizer
        sums = self.accelerator.reduce(
            torch.tensor([totals.loss, totals.size, totals.seconds], device=self.device, dtype=torch.float64),
            "sum",
        ).tolist()
        norms = np.array(totals.norms)
        return {
            "epoch": self.progress.epoch,
            "steps": self.progress.step,
            "learning_rate": learning_rate(
                settings, self.progress.epoch * steps - 1, settings.epochs * steps
            ),
            "train_loss": sums[0] / max(1.0, sums[1]),
            "dev_loss": evaluation.loss,
            "dev_wer": evaluation.word_error_rate,
            "dev_cer": evaluation.character_error_rate,
            "gradient_norm": float(np.median(norms)),
            "gradient_norm_95": float(np.percentile(norms, 95)),
            "clipped_share": float((norms > settings.clip_norm).mean()),
            "audio_seconds": round(sums[2], 3),
            "left_out": len(totals.problems),
        }

    def _finish_epoch(self, record: dict[str, float | int], evaluation: Evaluation, log: MetricsLog) -> None:
        if self.accelerator.is_main_process:
            scores = (evaluation.character_error_rate, evaluation.loss)
            self.checkpoints.note_epoch(self.progress, scores, self.network)
            log.write(record)
            self.checkpoints.save_last(self.progress, self.network, self.optimizer)
        self.accelerator.wait_for_everyone()

    def _average(self, dev: Task) -> Evaluation:
        self.accelerator.wait_for_everyone()
        path = self.checkpoints.folder / AVERAGED
        if self.accelerator.is_main_process:
            write_tensors(path, self.checkpoints.average([epoch for _, _, epoch in self.progress.best]))
        self.accelerator.wait_for_everyone()
        load_weights(self.network, read_tensors(path), path)
        evaluation = evaluate(self.network, self.feeder, self.problems, dev)
        if self.accelerator.is_main_process:
            summary = {"dev_wer": evaluation.word_error_rate, "dev_cer": evaluation.character_error_rate}
            write_whole(self.config.run.folder / SUMMARY, json.dumps(summary))
        return evaluation
