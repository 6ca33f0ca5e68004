"""Checkpoints in the middle of an epoch: every few minutes, and when the run is asked to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from ctcasr.training.checkpoints import ProcessState
from ctcasr.training.monitor import EpochTotals
from ctcasr.training.stopping import Stopped, StopRequest


class Keeper:
    """Write a checkpoint when it is time, on all processes at the same step."""

    def __init__(
        self,
        accelerator: Accelerator,
        minutes: float,
        stop: StopRequest,
        save: Callable[[Sequence[ProcessState]], None],
    ) -> None:
        """Begin to count the time.

        Args:
            accelerator: that joins the processes.
            minutes: from one checkpoint to the next.
            stop: asks the run to stop.
            save: writes a checkpoint of what each process knows; it is called on the main process.
        """
        self._accelerator = accelerator
        self._seconds = 60 * minutes
        self._stop = stop
        self._write = save
        self._saved = time.monotonic()

    def save(self, processes: Sequence[ProcessState] = ()) -> None:
        """Write a checkpoint."""
        if self._accelerator.is_main_process:
            self._write(processes)
        self._saved = time.monotonic()

    def after_step(self, totals: EpochTotals) -> None:
        """Write a checkpoint if it is time.

        Raises:
            Stopped: the run is asked to stop, and the checkpoint is written.
        """
        is_due = time.monotonic() - self._saved >= self._seconds
        flags = torch.tensor(
            [self._stop.wanted, is_due], dtype=torch.float32, device=self._accelerator.device
        )
        stop, due = self._accelerator.reduce(flags, "sum").tolist()
        if stop or due:
            self.save(self._gathered(totals))
        if stop:
            raise self._stopped()

    @contextmanager
    def evaluating(self, totals: EpochTotals | None = None) -> Iterator[None]:
        """Evaluate, and stop at once where that is asked for: the checkpoint needs nothing of the evaluation.

        Several processes wait for one another in it: they stop after the next step.

        Args:
            totals: of the epoch that is not finished, if there is one.

        Raises:
            Stopped: the run is asked to stop, and the checkpoint is written.
        """
        if self._accelerator.num_processes > 1:
            yield
            return
        try:
            with self._stop.at_once():
                yield
        except Stopped as stopped:
            if totals is not None:
                self.save(self._gathered(totals))
            raise self._stopped() from stopped

    def _stopped(self) -> Stopped:
        return self._stop.stopped(
            "stopped, and a checkpoint is written; go on with the same command and --resume"
        )

    def _gathered(self, totals: EpochTotals) -> list[ProcessState]:
        random = {"cpu": torch.get_rng_state()}
        if self._accelerator.device.type == "cuda":
            random["cuda"] = torch.cuda.get_rng_state(self._accelerator.device)
        states: list[ProcessState] = gather_object([ProcessState(asdict(totals), random)])
        return states


def restore_random(state: ProcessState) -> None:
    """Set torch's generators to where they were in this process."""
    torch.set_rng_state(state.random["cpu"])
    if "cuda" in state.random and torch.cuda.is_available():
        torch.cuda.set_rng_state(state.random["cuda"])
