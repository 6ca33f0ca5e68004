"""Batch normalisation of frames that does not feel the padding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

BATCH_SHARE = 0.05
"""Share of a batch in the running means and variances."""

EPSILON = 1e-5
"""What is added to a variance."""


class FrameBatchNorm(nn.Module):
    """Normalise each number of a frame over all frames of a batch (Ioffe and Szegedy 2015; Laurent et al. 2016).

    So it is in training. Otherwise the running mean and variance of the batches stand in for those of the batch: what
    becomes of a frame then depends on nothing else.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))
        self.register_buffer("running_mean", torch.zeros(size))
        self.register_buffer("running_var", torch.ones(size))

    def forward(self, frames: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return normalised frames; in training, padding becomes zero.

        Args:
            frames: `(..., size)`, float32 or float64.
            valid: `(...)`, false where a frame is padding; None: all frames count.
        """
        if valid is None or not self.training:
            return self._normalised(frames.flatten(0, -2)).view_as(frames)
        found = torch.zeros_like(frames)
        found[valid] = self._normalised(frames[valid])
        return found

    def _normalised(self, rows: Tensor) -> Tensor:
        """Normalise rows `(N, size)`; one alone has no variance."""
        learns = self.training and len(rows) > 1
        running, scales = (self.running_mean, self.running_var), (self.weight, self.bias)
        return functional.batch_norm(rows, *running, *scales, learns, BATCH_SHARE, EPSILON)
