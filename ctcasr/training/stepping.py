"""One step of the optimiser: forward, loss, backward, over one batch or several."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ctcasr.training.batching import Batch
from ctcasr.training.config import TrainingConfig
from ctcasr.training.monitor import EpochTotals
from ctcasr.training.problems import Step
from ctcasr.training.stopping import shielded
from ctcasr.training.tasks import Task


def bf16_is_native() -> bool:
    """Tell whether this CPU multiplies bf16 matrices in hardware."""
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return bool(supported) or bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


class Stepper:
    """Step a network as its task and the configuration say."""

    def __init__(
        self,
        config: TrainingConfig,
        task: Task[Any],
        accelerator: Accelerator,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        """Wrap the network for several processes, where there are several."""
        self.config = config
        self.task = task
        self.accelerator = accelerator
        self.network = network
        self.model, self.optimizer = accelerator.prepare(network, optimizer)
        native = accelerator.device.type != "cpu" or bf16_is_native()
        self.bf16 = config.run.precision == "bf16" or (config.run.precision == "auto" and native)

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the steps to come."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def losses(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss of each example, `(B,)`, and over how much it is summed, `(B,)`."""
        inputs = self.task.inputs(batch)
        with torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.bf16):
            outputs = model(*inputs)
        return self.task.losses(outputs, batch)

    @shielded()
    def step(self, batches: Sequence[Batch], number: int, totals: EpochTotals) -> None:
        """Step along the mean gradient over all symbols (or frames, ...) of the batches of all processes.

        Args:
            batches: whose gradients are added up; so many processes with one batch each would do the same.
            number: of the step, for messages.
            totals: get what was seen.

        Raises:
            DataError: a loss or the gradient is not finite.
        """
        size = torch.zeros((), device=self.accelerator.device)
        for place, batch in enumerate(batches):
            is_last = place + 1 == len(batches)
            with nullcontext() if is_last else self.accelerator.no_sync(self.model):
                losses, sizes = self.losses(self.model, batch)
                self._told(batch, number).check_losses(losses)
                own = (sizes * batch.weights).sum()
                before, size = size, size + self.accelerator.reduce(own, "sum")
                if place:  # the gradients so far are a mean over fewer symbols
                    self._scale_gradients(float(before.clamp_min(1) / size.clamp_min(1)))
                loss = (losses * batch.weights).sum()
                # Processes average their gradients: times their number gives the mean over the symbols of them all.
                self.accelerator.backward(loss * self.accelerator.num_processes / size.clamp_min(1))
            totals.loss += float(loss.detach())
            totals.size += float(own)
            totals.amount += sum(
                self.task.part.sizes[index]
                for index, weight in zip(batch.examples, batch.weights.tolist(), strict=True)
                if weight
            )
            totals.problems |= dict(batch.problems)
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.optimizer.clip_norm)
        self._told(batches[-1], number).check_gradient(float(norm))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        totals.norms.append(float(norm))

    def _scale_gradients(self, factor: float) -> None:
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(factor)

    def _told(self, batch: Batch, number: int) -> Step:
        examples = [str(self.task.part.examples[index]) for index in batch.examples]
        return Step(number, examples, self.config.optimizer)
