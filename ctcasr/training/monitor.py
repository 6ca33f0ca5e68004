"""What is measured of the steps of an epoch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import numpy as np
import torch
from accelerate import Accelerator

from ctcasr.training.records import Record

Item = TypeVar("Item")


@dataclass
class EpochTotals:
    """What one process saw in an epoch."""

    loss: float = 0.0
    size: float = 0.0
    amount: float = 0.0
    waiting_seconds: float = 0.0
    train_seconds: float = 0.0
    norms: list[float] = field(default_factory=list)
    problems: dict[int, str] = field(default_factory=dict)

    @classmethod
    def restored(cls, fields: dict[str, Any]) -> Self:
        """Return totals from their fields as JSON gave them back: with the numbers of examples as text."""
        problems = {int(number): reason for number, reason in fields["problems"].items()}
        return cls(**(fields | {"problems": problems}))

    def waited_for(self, batches: Iterable[Item]) -> Iterator[Item]:
        """Yield the batches, and count the time until each is there: reading, augmentation, and on a CPU features."""
        source = iter(batches)
        while True:
            started = time.perf_counter()
            try:
                batch = next(source)
            except StopIteration:
                return
            finally:
                self.waiting_seconds += time.perf_counter() - started
            yield batch

    def record(self, accelerator: Accelerator, clip_norm: float, size_unit: str) -> Record:
        """Return what all processes saw together; the gradients are the same on each.

        Args:
            accelerator: that joins the processes.
            clip_norm: above which gradients are clipped.
            size_unit: name of the amount that was trained on.
        """
        sums = accelerator.reduce(
            torch.tensor([self.loss, self.size, self.amount], device=accelerator.device, dtype=torch.float64),
            "sum",
        ).tolist()
        norms = np.array(self.norms)
        return {
            "train_loss": sums[0] / max(1.0, sums[1]),
            "gradient_norm": float(np.median(norms)),
            "gradient_norm_95": float(np.percentile(norms, 95)),
            "clipped_share": float((norms > clip_norm).mean()),
            size_unit: round(sums[2], 3),
            "left_out": len(self.problems),
        }
