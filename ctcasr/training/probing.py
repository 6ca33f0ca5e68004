"""The largest batch is computed first: memory that is too small shows at the start, not hours into the run."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from ctcasr.errors import RunError
from ctcasr.training.config import TrainingConfig
from ctcasr.training.stepping import Stepper
from ctcasr.training.stopping import shielded
from ctcasr.training.tasks import Task

_TRIALS = 6
"""Halvings by which a size that fits is looked for: it is right to a sixty-fourth."""


class MemoryProbe:
    """Find out whether the largest batch that a run can meet fits into memory.

    Forward and backward run on the longest examples, cut or lengthened so that they fill the budget of a batch, which
    none of the run's exceeds. Weights, optimiser and random states are left as they were.
    """

    def __init__(
        self, config: TrainingConfig, task: Task[Any], accelerator: Accelerator, stepper: Stepper
    ) -> None:
        self._config = config
        self._task = task
        self._accelerator = accelerator
        self._stepper = stepper

    def check(self) -> None:
        """Compute the largest batch on every process.

        Raises:
            RunError: it does not fit; says what does.
        """
        part = self._task.part
        longest = max(part.sizes)
        wanted = max(part.budget, longest)
        if all(gather_object([self._fits(wanted)])):
            return
        fitting = min(gather_object([self._largest(wanted)]))
        raise RunError(self._advice(fitting, longest, wanted))

    def _advice(self, fitting: float, longest: float, wanted: float) -> str:
        part, settings = self._task.part, self._config.batches
        memory = "the GPU's memory" if self._accelerator.device.type == "cuda" else "memory"
        unit = self._task.size_unit.rpartition("_")[2]
        if fitting < longest:
            example = part.examples[int(np.argmax(part.sizes))]
            return (
                f"the longest example, {example} of {longest:g} {unit}, does not fit into {memory} even alone, about "
                f"{fitting:.3g} would; drop what is longer from {part.manifest}, or make the model smaller"
            )
        key = part.budget_key
        chosen = getattr(settings, key)
        # The budget itself may be less than the setting: the slowest speed lengthens what the manifest lists.
        return (
            f"batches of {chosen * wanted / part.budget:g} {unit} do not fit into {memory}, about "
            f"{chosen * fitting / part.budget:.3g} would; lower batches.{key} ({chosen:g}) to that, and raise "
            f"batches.accumulate ({settings.accumulate}) to learn from as much in a step"
        )

    def _largest(self, wanted: float) -> float:
        low, high = 0.0, wanted
        for _ in range(_TRIALS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._fits(middle) else (low, middle)
        return low

    def _fits(self, size: float) -> bool:
        """Tell whether a batch of so much, padding included, can be computed."""
        device = self._accelerator.device
        buffers = {buffer: buffer.clone() for buffer in self._stepper.network.buffers()}
        try:
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                self._compute(size)
        except (MemoryError, RuntimeError) as error:
            if not _is_of_memory(error):
                raise
            return False
        finally:
            self._stepper.optimizer.zero_grad(set_to_none=True)
            for buffer, before in buffers.items():  # of batch normalisation
                buffer.copy_(before)
            if device.type == "cuda":
                torch.cuda.empty_cache()
        return True

    @shielded()
    def _compute(self, size: float) -> None:
        part, parts = self._task.part, self._accelerator.num_processes * self._config.batches.accumulate
        rows = max(1, int(size // max(part.sizes)))
        by_size = np.argsort(-np.asarray(part.sizes), kind="stable").tolist()
        chosen = [by_size[place % len(by_size)] for place in range(rows * parts)]
        batch = self._task.resized(next(self._task.batches([chosen], 0)), size / rows)
        network = self._stepper.network.train()
        losses, _ = self._stepper.losses(network, batch)
        torch.autograd.backward((losses * batch.weights).sum())


def _is_of_memory(error: Exception) -> bool:
    """Tell whether an error says that memory is full: torch has a class of its own for a GPU's only."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)
