"""The training loop."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from ctcasr.errors import ConfigError
from ctcasr.training.batching import Batch, plan_batches
from ctcasr.training.checkpoints import (
    AVERAGED,
    CheckpointFolder,
    Progress,
    load_weights,
    read_tensors,
    write_tensors,
)
from ctcasr.training.coach import Coach, CoachLog
from ctcasr.training.config import TrainingConfig
from ctcasr.training.display import Display
from ctcasr.training.monitor import EpochTotals
from ctcasr.training.problems import ProblemLog, Step
from ctcasr.training.records import Record
from ctcasr.training.run_folder import (
    CHECKPOINTS,
    SUMMARY,
    MetricsLog,
    write_run,
    write_whole,
)
from ctcasr.training.schedule import learning_rate
from ctcasr.training.tasks import Evaluation, Task
from ctcasr.training.transcribing import TranscriptionTask


def bf16_is_native() -> bool:
    """Tell whether this CPU multiplies bf16 matrices in hardware."""
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return bool(supported) or bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


class Trainer:
    """Train one network as a `TrainingConfig` says.

    Everything random is drawn from the seed, the epoch and the example, so that a run that is resumed
    goes on as if it had not stopped.
    """

    def __init__(self, config: TrainingConfig, *, resume: bool = False) -> None:
        """Read the manifests and build the network, or restore it.

        Raises:
            ConfigError: the run exists already, or there is nothing to resume.
            CtcAsrError: what the task raises: a manifest is wrong, a bundle that aligns is damaged.
        """
        self.config = config
        self.accelerator = Accelerator(cpu=config.run.device == "cpu")
        self.device = self.accelerator.device
        self.checkpoints = CheckpointFolder(config.run.folder / CHECKPOINTS, config.run.average)
        self._check_folder(resume)
        self.problems = ProblemLog(self.accelerator, config.data.max_bad_share)
        self.task: Task[Any] = TranscriptionTask(config, self.accelerator, self.problems, resume=resume)
        torch.manual_seed(config.run.seed)
        network = self.task.make_network()
        optimizer = torch.optim.AdamW(self._parameter_groups(network), lr=config.optimizer.learning_rate)
        self.network = network.to(self.device)
        self.progress = self.checkpoints.load_last(self.network, optimizer) if resume else Progress()
        self.model, self.optimizer = self.accelerator.prepare(self.network, optimizer)
        native = self.device.type != "cpu" or bf16_is_native()
        self.bf16 = config.run.precision == "bf16" or (config.run.precision == "auto" and native)

    def _metrics_log(self) -> MetricsLog:
        first_epoch = self.progress.epoch + 1
        return MetricsLog(self.config.run.folder, first_epoch, active=self.accelerator.is_main_process)

    def _coach_log(self, records: Sequence[Record]) -> CoachLog:
        coach = Coach(self.config, len(self.task.part.examples), records)
        return CoachLog(self.config.run.folder, coach, active=self.accelerator.is_main_process)

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
            write_run(self.config, self.task.write)
        with (
            Display(settings.epochs, self.accelerator.is_main_process) as display,
            self._metrics_log() as log,
            self._coach_log(log.kept) as coach,
        ):
            while self.progress.epoch < settings.epochs:
                started = time.perf_counter()
                totals, steps = self._train_epoch(display)
                trained = time.perf_counter()
                evaluation = self.task.evaluate(self.network)
                self.progress.epoch += 1
                record = self._record(totals, evaluation, steps) | {
                    "train_seconds": round(trained - started, 3),
                    "waiting_seconds": round(totals.waiting_seconds, 3),
                    "seconds": round(time.perf_counter() - started, 3),
                }
                self._finish_epoch(record, evaluation, log)
                display.epoch(record)
                display.say(coach.hear(record))
        evaluation = self._average()
        self._leave_group()
        return evaluation

    def _leave_group(self) -> None:
        """Let go of the process group and all that holds it: gloo's threads abort a process that exits over them."""
        self.accelerator.wait_for_everyone()
        self.model = self.network
        self.accelerator.free_memory()
        self.accelerator.end_training()

    def _train_epoch(self, display: Display) -> tuple[EpochTotals, int]:
        config, epoch, part = self.config, self.progress.epoch, self.task.part
        rng = np.random.default_rng((config.run.seed, epoch))
        plan = plan_batches(part.sizes, part.budget, rng, self.accelerator.num_processes)
        # Dropout's randomness, too, depends on the epoch and the process alone.
        torch.manual_seed((config.run.seed * 100_003 + epoch) * 1009 + self.accelerator.process_index)
        self.model.train()
        totals = EpochTotals()
        for number, batch in enumerate(totals.waited_for(self.task.batches(plan, epoch))):
            # Batch counts differ a little between epochs: the schedule follows the share of the epoch.
            steps = config.optimizer.epochs * len(plan)
            rate = learning_rate(config.optimizer, epoch * len(plan) + number, steps)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self._step(batch, totals)
            self.problems.check_early(totals.problems, part.examples, part.manifest)
            display.batch(number + 1, len(plan))
        totals.problems = self.problems.check(totals.problems, part.examples, part.manifest)
        return totals, len(plan)

    def _step(self, batch: Batch, totals: EpochTotals) -> None:
        inputs = self.task.inputs(batch)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            outputs = self.model(*inputs)
        losses, sizes = self.task.losses(outputs, batch)
        examples = [str(self.task.part.examples[number]) for number in batch.examples]
        step = Step(self.progress.step, examples, self.config.optimizer)
        step.check_losses(losses)
        size = (sizes * batch.weights).sum()
        all_sizes = self.accelerator.reduce(size, "sum").clamp_min(1)
        loss = (losses * batch.weights).sum()
        # Processes average their gradients: times their number gives the mean over the symbols (or frames) of them all.
        self.accelerator.backward(loss * self.accelerator.num_processes / all_sizes)
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.optimizer.clip_norm)
        step.check_gradient(float(norm))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        totals.loss += float(loss.detach())
        totals.size += float(size)
        totals.norms.append(float(norm))
        totals.amount += sum(
            self.task.part.sizes[index]
            for index, weight in zip(batch.examples, batch.weights.tolist(), strict=True)
            if weight
        )
        totals.problems |= dict(batch.problems)

    def _record(self, totals: EpochTotals, evaluation: Evaluation, steps: int) -> Record:
        settings, epoch = self.config.optimizer, self.progress.epoch
        return {
            "epoch": epoch,
            "steps": self.progress.step,
            "learning_rate": learning_rate(settings, epoch * steps - 1, settings.epochs * steps),
            "dev_loss": evaluation.loss,
            **_named(evaluation),
            **evaluation.signs,
            **totals.record(self.accelerator, settings.clip_norm, self.task.size_unit),
        }

    def _finish_epoch(self, record: Record, evaluation: Evaluation, log: MetricsLog) -> None:
        if self.accelerator.is_main_process:
            scores = (evaluation.error, evaluation.loss)
            self.checkpoints.note_epoch(self.progress, scores, self.network)
            log.write(record)
            self.checkpoints.save_last(self.progress, self.network, self.optimizer)
        self.accelerator.wait_for_everyone()

    def _average(self) -> Evaluation:
        self.accelerator.wait_for_everyone()
        path = self.checkpoints.folder / AVERAGED
        if self.accelerator.is_main_process:
            write_tensors(path, self.checkpoints.average([epoch for _, _, epoch in self.progress.best]))
        self.accelerator.wait_for_everyone()
        load_weights(self.network, read_tensors(path), path)
        evaluation = self.task.evaluate(self.network)
        if self.accelerator.is_main_process:
            write_whole(self.config.run.folder / SUMMARY, json.dumps(_named(evaluation)))
        return evaluation


def _named(evaluation: Evaluation) -> dict[str, float]:
    """Return the scores by their names in `metrics.jsonl`."""
    return {f"dev_{name}": score for name, score in evaluation.scores.items()}
