"""Which utterances are computed together: duration buckets under a budget, the same on every process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_JITTER = 0.05  # relative; shuffles utterances of like durations from epoch to epoch, at little padding


def plan_batches(
    durations: Sequence[float],
    budget_seconds: float,
    rng: np.random.Generator | None = None,
    processes: int = 1,
) -> list[list[int]]:
    """Group utterances of like durations so that no process's padded share of a batch exceeds the budget.

    Every utterance is in exactly one batch; one longer than the budget has a process to itself.

    Args:
        durations: seconds of each utterance.
        budget_seconds: on each process, longest duration times count is at most this.
        rng: shuffles neighbours and the order of the batches; without it longest first, in fixed order.
        processes: that share a batch as `share_of` says.

    Returns:
        Batches of utterance indices.
    """
    keys = np.asarray(durations, np.float64)
    if rng is not None:
        keys = keys * rng.uniform(1 - _JITTER, 1 + _JITTER, len(keys))
    batches: list[list[int]] = []
    longest = 0.0
    for index in np.argsort(-keys, kind="stable").tolist():
        grown = max(longest, durations[index])
        largest_share = -(-(len(batches[-1]) + 1) // processes) if batches else 1
        if batches and (largest_share == 1 or grown * largest_share <= budget_seconds):
            batches[-1].append(index)
            longest = grown
        else:
            batches.append([index])
            longest = durations[index]
    if rng is None:
        return batches
    return [batches[number] for number in rng.permutation(len(batches))]


def share_of(batch: Sequence[int], process: int, processes: int) -> tuple[list[int], float]:
    """Return this process's part of a batch and its weight.

    A process for which nothing is left computes the first utterance with weight zero, so that all processes
    take the same number of steps.
    """
    part = list(batch[process::processes])
    return (part, 1.0) if part else ([batch[0]], 0.0)
