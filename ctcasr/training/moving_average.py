"""An average of the weights that follows them through a run."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[Tensor, ...] | list[Tensor]


class MovingAverage(AveragedModel):
    """A copy of a network whose weights are an exponential average of those it had after each step.

    Running statistics of batch normalisation are averaged along: those of the network belong to its own weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Begin with the network after its first step.

        Args:
            network: of which no step is made yet.
            decay: share of itself that the average keeps in a step. Early on it keeps less, `(1 + n) / (10 + n)` after
                n steps (as TensorFlow's `ExponentialMovingAverage` does): what the network was before it learned
                anything would weigh for thousands of steps. So a decay of 0.999 is reached after 9,000 steps, and
                before that the average is over the last ninth of the steps, or so.
        """

        @torch.no_grad()
        def update(averages: Tensors, weights: Tensors, steps: Tensor | int) -> None:
            count = float(steps)
            kept = min(decay, (1 + count) / (10 + count))
            torch._foreach_lerp_(averages, weights, 1 - kept)

        super().__init__(network, multi_avg_fn=update, use_buffers=True)
