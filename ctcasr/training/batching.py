"""Which examples are computed together: buckets of like sizes under a budget, the same on every process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

_JITTER = 0.05  # relative; shuffles examples of like sizes from epoch to epoch, at little padding


@dataclass(frozen=True)
class Batch:
    """Examples that are computed together, of whatever task.

    Attributes:
        examples: their numbers in the manifest, `B` of them.
        weights: `(B,)`, one, or zero for a row that is there only to fill the batch.
        problems: numbers of the examples that cannot be used, and why.
    """

    examples: tuple[int, ...]
    weights: Tensor
    problems: tuple[tuple[int, str], ...]

    def to(self, device: torch.device) -> Self:
        """Return the batch with its tensors on a device."""
        moved = {
            name: value.to(device, non_blocking=True)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return type(self)(**{**vars(self), **moved})


def plan_batches(
    sizes: Sequence[float],
    budget: float,
    rng: np.random.Generator | None = None,
    processes: int = 1,
) -> list[list[int]]:
    """Group examples of like sizes so that no process's padded share of a batch exceeds the budget.

    Every example is in exactly one batch; one larger than the budget has a process to itself.

    Args:
        sizes: of each example: seconds of audio, or tokens.
        budget: on each process, largest size times count is at most this.
        rng: shuffles neighbours and the order of the batches; without it longest first, in fixed order.
        processes: that share a batch as `share_of` says.

    Returns:
        Batches of indices of examples.
    """
    keys = np.asarray(sizes, np.float64)
    if rng is not None:
        keys = keys * rng.uniform(1 - _JITTER, 1 + _JITTER, len(keys))
    batches: list[list[int]] = []
    longest = 0.0
    for index in np.argsort(-keys, kind="stable").tolist():
        grown = max(longest, sizes[index])
        largest_share = -(-(len(batches[-1]) + 1) // processes) if batches else 1
        if batches and (largest_share == 1 or grown * largest_share <= budget):
            batches[-1].append(index)
            longest = grown
        else:
            batches.append([index])
            longest = sizes[index]
    if rng is None:
        return batches
    return [batches[number] for number in rng.permutation(len(batches))]


def share_of(batch: Sequence[int], process: int, processes: int) -> tuple[list[int], float]:
    """Return this process's part of a batch and its weight.

    A process for which nothing is left computes the first example with weight zero, so that all processes
    take the same number of steps.
    """
    part = list(batch[process::processes])
    return (part, 1.0) if part else ([batch[0]], 0.0)
