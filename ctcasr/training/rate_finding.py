"""The learning-rate range test: at which rate a network learns fastest, and at which it begins to diverge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from ctcasr.errors import DataError, RunError
from ctcasr.training.batching import Batch
from ctcasr.training.config import TrainingConfig
from ctcasr.training.loop import Trainer
from ctcasr.training.monitor import EpochTotals
from ctcasr.training.planning import Epoch, plan_epoch
from ctcasr.training.trying import trial

LOWEST, HIGHEST, UPDATES = 1e-6, 1.0, 120
SMOOTHING = 0.9
"""Share of the smoothed loss that is kept from one update to the next."""

DIVERGED = 2.0
"""The test ends where the smoothed loss is this many times its minimum."""

FEWEST = 20
"""Updates without which nothing can be read off the test."""

BELOW_MINIMUM = 10.0
"""The rate that is proposed is this many times smaller than that of the lowest loss."""


@dataclass(frozen=True)
class RateTest:
    """What a range test found.

    Attributes:
        rates: of the updates, `(N,)`.
        losses: of their batches, in nats a symbol (or frame, ...), `(N,)`.
        smoothed: the same, smoothed, `(N,)`.
        proposed: a rate for `optimizer.learning_rate`.
    """

    rates: npt.NDArray[np.float64]
    losses: npt.NDArray[np.float64]
    smoothed: npt.NDArray[np.float64]
    proposed: float

    @property
    def lowest(self) -> float:
        """The rate at which the smoothed loss is lowest."""
        return float(self.rates[self.smoothed.argmin()])


def find_rate(config: TrainingConfig, told: Callable[[], None] = lambda: None) -> RateTest:
    """Raise the rate from update to update until the loss diverges (Smith 2017); nothing is written.

    The network starts as a training would, and sees the batches of a training. What is proposed is a tenth of the rate
    at which the smoothed loss is lowest: near the minimum the loss is about to diverge.

    Args:
        config: of the training.
        told: called after each update.

    Raises:
        RunError: the loss diverges at once, or never falls.
    """
    trainer = trial(config)
    trainer.stepper.model.train()
    rates = np.geomspace(LOWEST, HIGHEST, UPDATES)
    losses: list[float] = []
    smoothed: list[float] = []
    batches = _batches(trainer)
    for number, rate in enumerate(rates.tolist()):
        totals = EpochTotals()
        trainer.stepper.set_rate(rate)
        try:
            trainer.stepper.step(list(islice(batches, config.batches.accumulate)), number, totals)
        except DataError:  # it is not finite any more
            break
        told()
        losses.append(totals.loss / max(1.0, totals.size))
        smoothed.append(_smooth(losses))
        if len(losses) > FEWEST and not smoothed[-1] <= DIVERGED * min(smoothed):
            break
    return _read(rates[: len(losses)], np.array(losses), np.array(smoothed))


def _batches(trainer: Trainer) -> Iterator[Batch]:
    """Yield the batches of one epoch after the other, as a training has them."""
    config = trainer.config
    parts = trainer.accelerator.num_processes * config.batches.accumulate
    for number in range(UPDATES):
        epoch = Epoch(
            number, config.run.seed, parts, config.batches.shards, number < config.batches.sorted_epochs
        )
        plan = plan_epoch(trainer.task.part, epoch)
        yield from trainer.task.batches(plan, number)


def _smooth(losses: list[float]) -> float:
    """Return the exponential mean of the losses so far, unbiased."""
    weights = SMOOTHING ** np.arange(len(losses))[::-1]
    return float(weights @ np.array(losses) / weights.sum())


def _read(
    rates: npt.NDArray[np.float64], losses: npt.NDArray[np.float64], smoothed: npt.NDArray[np.float64]
) -> RateTest:
    lowest = int(smoothed.argmin()) if len(smoothed) else 0
    if len(losses) < FEWEST or lowest < FEWEST // 2:
        raise RunError(
            f"the loss does not fall at any rate from {LOWEST:g} to {HIGHEST:g} ({len(losses)} updates): prove the "
            "wiring with --overfit-batch, and let `ctcasr doctor` look at the data"
        )
    return RateTest(rates, losses, smoothed, _round(rates[lowest] / BELOW_MINIMUM))


def _round(rate: float) -> float:
    """Return the rate with one digit that counts, for more would say more than is known."""
    return float(f"{rate:.0e}")
