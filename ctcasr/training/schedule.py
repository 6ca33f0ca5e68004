"""The learning rate over the steps of a run."""

from __future__ import annotations

import math

from ctcasr.training.config import OptimizerSettings


def learning_rate(settings: OptimizerSettings, step: int, steps: int) -> float:
    """Return the rate of a step: linear warm-up, then half a cosine (Loshchilov and Hutter 2017).

    Args:
        settings: top rate, and shares of warm-up and of what is left at the end.
        step: from 0 to `steps - 1`.
        steps: of the whole run.
    """
    warmup = max(1, round(settings.warmup_share * steps))
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - 1 - warmup)
    share = settings.final_share + (1 - settings.final_share) * 0.5 * (
        1 + math.cos(math.pi * min(1.0, progress))
    )
    return settings.learning_rate * share
