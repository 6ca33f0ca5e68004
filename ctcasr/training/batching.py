"""Which utterances are computed together: duration buckets under a budget, the same on every process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from ctcasr.data import Utterance
from ctcasr.training.config import BatchSettings

_NO_SHARD = Path()

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


def plan_epoch(
    utterances: Sequence[Utterance], settings: BatchSettings, epoch: Epoch, budget_seconds: float
) -> list[list[int]]:
    """Return the batches of an epoch in their order, as `plan_batches` makes them.

    Utterances in shards are planned window by window: a few shards, drawn anew in each epoch, are mixed with one
    another, then the next few. So the disk reads a few files at a time, and nothing but the plan's position is needed
    to go on in the middle of an epoch. A window that holds all shards mixes as if there were none.

    Args:
        utterances: of the training manifest.
        settings: how many shards are a window, and how many batches a step.
        epoch: what is drawn depends on nothing else.
        budget_seconds: see `plan_batches`.
    """
    shards: dict[Path, list[int]] = {}
    for number, utterance in enumerate(utterances):
        shards.setdefault(utterance.audio_path if utterance.byte_span else _NO_SHARD, []).append(number)
    groups = list(shards.values())
    order = np.random.default_rng((epoch.seed, epoch.number, 1)).permutation(len(groups)).tolist()
    rng = np.random.default_rng((epoch.seed, epoch.number))
    plan: list[list[int]] = []
    for first in range(0, len(groups), settings.shards):
        window = sorted(chain.from_iterable(groups[shard] for shard in order[first : first + settings.shards]))
        durations = [utterances[number].duration_seconds for number in window]
        batches = plan_batches(durations, budget_seconds, rng, epoch.parts)
        plan += [[window[place] for place in batch] for batch in batches]
    return plan


@dataclass(frozen=True)
class Epoch:
    """Which epoch is planned.

    Attributes:
        number: from 0.
        seed: of the run.
        parts: into which each batch is divided: processes times batches a step.
    """

    number: int
    seed: int
    parts: int


def share_of(batch: Sequence[int], process: int, processes: int) -> tuple[list[int], float]:
    """Return this process's part of a batch and its weight.

    A process for which nothing is left computes the first utterance with weight zero, so that all processes
    take the same number of steps.
    """
    part = list(batch[process::processes])
    return (part, 1.0) if part else ([batch[0]], 0.0)
