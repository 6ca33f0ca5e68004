"""The training loop."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import nn

from ctcasr.errors import ConfigError
from ctcasr.training.checkpoints import AVERAGED, CheckpointFolder, ProcessState, Progress
from ctcasr.training.coach import Coach, CoachLog
from ctcasr.training.config import TrainingConfig
from ctcasr.training.display import Display
from ctcasr.training.keeping import Keeper, restore_random
from ctcasr.training.making import make_task
from ctcasr.training.monitor import EpochTotals
from ctcasr.training.moving_average import MovingAverage
from ctcasr.training.planning import Epoch, plan_digest, plan_epoch
from ctcasr.training.probing import MemoryProbe
from ctcasr.training.problems import ProblemLog
from ctcasr.training.records import SUMMARY, Record
from ctcasr.training.run_folder import (
    CHECKPOINTS,
    MetricsLog,
    write_run,
    write_whole,
)
from ctcasr.training.schedule import learning_rate
from ctcasr.training.stepping import Stepper
from ctcasr.training.stopping import Stopped, StopRequest
from ctcasr.training.tasks import Evaluation
from ctcasr.training.tensor_files import load_weights, write_tensors
from ctcasr.training.threads import limit_threads

logger = logging.getLogger(__name__)


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
        limit_threads()
        # Said outright: several processes without a GPU would otherwise each train alone, unknown to one another.
        self.accelerator = Accelerator(cpu=config.run.device == "cpu" or not torch.accelerator.is_available())
        self.device = self.accelerator.device
        self.checkpoints = CheckpointFolder(config.run.folder / CHECKPOINTS, config.run.average)
        self._check_folder(resume)
        self.problems = ProblemLog(self.accelerator, config.data.max_bad_share)
        self.task = make_task(config, self.accelerator, self.problems, resume=resume)
        torch.manual_seed(config.run.seed)
        network = self.task.make_network()
        optimizer = torch.optim.AdamW(
            self._parameter_groups(network), lr=config.optimizer.learning_rate, fused=True
        )
        self.network = network.to(self.device)
        decay = config.optimizer.moving_average
        self.average = MovingAverage(self.network, decay) if decay else None
        self.progress = Progress()
        self._processes: list[ProcessState] = []
        if resume:
            self.progress, self._processes = self.checkpoints.load_last(self._state(), optimizer)
        self.stepper = Stepper(config, self.task, self.accelerator, self.network, optimizer)
        self.stop = StopRequest()
        self.keeper = Keeper(self.accelerator, config.run.checkpoint_minutes, self.stop, self._save)

    def _save(self, processes: Sequence[ProcessState]) -> None:
        self.checkpoints.save_last(self.progress, self._state(), self.stepper.optimizer, processes)

    def _state(self) -> nn.Module:
        """Return all of which a checkpoint holds the weights."""
        if self.average is None:
            return self.network
        return nn.ModuleDict({"network": self.network, "average": self.average})

    @property
    def judged(self) -> nn.Module:
        """The network that is scored and kept: the one that is trained, or the average that follows it."""
        judged: nn.Module = self.network if self.average is None else self.average.module
        return judged

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

        Its sign `averaged_epochs` is how many epochs that are.

        Raises:
            DataError: too many utterances are unusable, or the loss is not a number.
            RunError: the largest batch does not fit into memory, or the disk is full.
            Stopped: a signal asked to stop, and a checkpoint is written.
        """
        try:
            with self.stop:
                evaluation = self._run()
        except Stopped:
            self._leave_group()
            raise
        self._leave_group()
        return evaluation

    def _run(self) -> Evaluation:
        settings = self.config.optimizer
        if self.accelerator.is_main_process:
            write_run(self.config, self.task.write)
        MemoryProbe(self.config, self.task, self.accelerator, self.stepper).check()
        with (
            Display(settings.epochs, self.accelerator.is_main_process) as display,
            self._metrics_log() as log,
            self._coach_log(log.kept) as coach,
        ):
            while self.progress.epoch < settings.epochs:
                totals, steps = self._train_epoch(display)
                trained = time.perf_counter()
                with self.keeper.evaluating(totals):
                    evaluation = self.task.evaluate(self.judged)
                self.progress.epoch, self.progress.batch = self.progress.epoch + 1, 0
                record = self._record(totals, evaluation, steps) | {
                    "train_seconds": round(totals.train_seconds, 3),
                    "waiting_seconds": round(totals.waiting_seconds, 3),
                    "seconds": round(totals.train_seconds + time.perf_counter() - trained, 3),
                }
                self._finish_epoch(record, evaluation, log)
                display.epoch(record)
                display.say(coach.hear(record))
        return self._average()

    def _leave_group(self) -> None:
        """Let go of the process group and all that holds it: gloo's threads abort a process that exits over them."""
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return  # and nothing to collect garbage for, which takes a third of a second
        self.accelerator.wait_for_everyone()
        self.stepper.model = self.network
        self.accelerator.free_memory()
        self.accelerator.end_training()

    def _train_epoch(self, display: Display) -> tuple[EpochTotals, int]:
        config, number, part = self.config, self.progress.epoch, self.task.part
        parts = self.accelerator.num_processes * config.batches.accumulate
        plan = plan_epoch(
            part,
            Epoch(
                number, config.run.seed, parts, config.batches.shards, number < config.batches.sorted_epochs
            ),
        )
        totals, state = self._resumed(plan)
        # Dropout's randomness, too, depends on the epoch and the process alone.
        torch.manual_seed((config.run.seed * 100_003 + number) * 1009 + self.accelerator.process_index)
        self.stepper.model.train()
        started = time.perf_counter() - totals.train_seconds
        batches = totals.waited_for(self.task.batches(plan[self.progress.batch :], number))
        for group in zip(*[batches] * config.batches.accumulate, strict=True):
            if state is not None:  # only now: the loader, too, draws a number when it begins
                restore_random(state)
                state = None
            # Batch counts differ a little between epochs: the rate follows the share of the epoch.
            place, steps = number * len(plan) + self.progress.batch, config.optimizer.epochs * len(plan)
            self.stepper.set_rate(learning_rate(config.optimizer, place, steps))
            self.stepper.step(group, self.progress.step, totals)
            if self.average is not None:
                self.average.update_parameters(self.network)
            self.progress.step += 1
            self.progress.batch += 1
            totals.train_seconds = time.perf_counter() - started
            self.problems.check_early(totals.problems, part.examples, part.manifest)
            display.batch(number + 1, self.progress.batch, len(plan), totals)
            self.keeper.after_step(totals)
        totals.problems = self.problems.check(totals.problems, part.examples, part.manifest)
        return totals, len(plan)

    def _resumed(self, plan: list[list[int]]) -> tuple[EpochTotals, ProcessState | None]:
        """Return what this process knew where the checkpoint was written, if that was in the middle of this epoch."""
        states, self._processes = self._processes, []
        digest = plan_digest(plan)
        if self.progress.batch and (digest, len(states)) != (
            self.progress.plan,
            self.accelerator.num_processes,
        ):
            if self.accelerator.is_main_process:
                logger.warning(
                    "epoch %d begins anew: its batches are others than before", self.progress.epoch + 1
                )
            self.progress.batch = 0
        self.progress.plan = digest
        if not self.progress.batch:
            return EpochTotals(), None
        state = states[self.accelerator.process_index]
        return EpochTotals.restored(state.totals), state

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
            self.checkpoints.note_epoch(self.progress, scores, self.judged)
            log.write(record)
        self.keeper.save()
        self.accelerator.wait_for_everyone()

    def _average(self) -> Evaluation:
        """Average as many of the best epochs as score best on dev, and return the scores.

        Early epochs of a short run would spoil the average: where the loss still falls fast, none is better.
        """
        path = self.checkpoints.folder / AVERAGED
        # The main process alone has noted them.
        [epochs] = broadcast_object_list([[epoch for _, _, epoch in self.progress.best]])
        best: Evaluation | None = None
        for count, weights in self.checkpoints.averages(epochs):
            load_weights(self.network, weights, path)
            with self.keeper.evaluating():
                evaluation = self.task.evaluate(self.network)
            # Of equal ones the larger mean: it is less a matter of chance.
            if best is None or (evaluation.error, evaluation.loss) <= (best.error, best.loss):
                best, kept = replace(evaluation, signs={"averaged_epochs": count}), weights
        assert best is not None
        load_weights(self.network, kept, path)
        if self.accelerator.is_main_process:
            write_tensors(path, kept)
            write_whole(self.config.run.folder / SUMMARY, json.dumps(_named(best)))
        return best


def _named(evaluation: Evaluation) -> dict[str, float]:
    """Return the scores by their names in `metrics.jsonl`."""
    return {f"dev_{name}": score for name, score in evaluation.scores.items()}
