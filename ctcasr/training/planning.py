"""The batches of an epoch, in their order: drawn from the seed and the epoch alone, so that a position says it all."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import chain

import numpy as np

from ctcasr.training.batching import plan_batches
from ctcasr.training.tasks import TrainingPart


@dataclass(frozen=True)
class Epoch:
    """Which epoch is planned.

    Attributes:
        number: from 0.
        seed: of the run.
        parts: into which each batch is divided: processes times `batches.accumulate`.
        shards: how many of them are mixed with one another.
        is_sorted: whether the batches of each window of shards (without shards: all) come in the order of their
            lengths, the shortest first (SortaGrad: Amodei et al. 2016, section 3.2: long utterances are hard, and
            drive a fresh network astray).
    """

    number: int
    seed: int
    parts: int
    shards: int
    is_sorted: bool = False


def plan_epoch(part: TrainingPart, epoch: Epoch) -> list[list[int]]:
    """Return the batches of an epoch, as `plan_batches` makes them.

    Examples in shards are planned window by window: a few shards, drawn anew in each epoch, are mixed with one
    another, then the next few, so that few files are read at a time. A window that holds all shards mixes as if
    there were none.
    """
    shards = part.shards or [range(len(part.sizes))]
    order = np.random.default_rng((epoch.seed, epoch.number, 1)).permutation(len(shards)).tolist()
    rng = np.random.default_rng((epoch.seed, epoch.number))
    plan: list[list[int]] = []
    for first in range(0, len(order), epoch.shards):
        window = sorted(chain.from_iterable(shards[shard] for shard in order[first : first + epoch.shards]))
        sizes = [part.sizes[number] for number in window]
        batches = plan_batches(sizes, part.budget, rng, epoch.parts)
        if epoch.is_sorted:
            batches.sort(key=lambda batch, sizes=sizes: max(sizes[place] for place in batch))  # type: ignore[misc]
        plan += [[window[place] for place in batch] for batch in batches]
    return plan


def plan_digest(plan: list[list[int]]) -> str:
    """Return a sum by which a run that is resumed knows whether its batches are those of before."""
    return hashlib.sha256(repr(plan).encode()).hexdigest()
