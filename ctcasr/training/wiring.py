"""Proof that a configuration is wired up: two utterances are learned by heart, to no error."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ctcasr.errors import ConfigError, RunError
from ctcasr.training.config import TrainingConfig
from ctcasr.training.monitor import EpochTotals
from ctcasr.training.transcribing import TranscriptionTask
from ctcasr.training.trying import plain, trial

UPDATES, EVERY = 600, 20
"""Updates after which it should have been learned, and after which it is scored each time."""

WARMUP = 20
"""Updates in which the rate rises to its top, where it stays."""


@dataclass(frozen=True)
class Wiring:
    """Two utterances that were learned by heart.

    Attributes:
        utterances: as messages name them.
        updates: that it took.
        seconds: that it took.
    """

    utterances: tuple[str, ...]
    updates: int
    seconds: float


def prove_wiring(config: TrainingConfig, told: Callable[[], None] = lambda: None) -> Wiring:
    """Learn two utterances of the training set by heart, without augmentation and dropout; nothing is written.

    Args:
        config: of the training.
        told: called after each update.

    Raises:
        ConfigError: the configuration is not about transcripts.
        RunError: they are not learned; says what to look at.
    """
    trainer = trial(plain(config))
    task = trainer.task
    if not isinstance(task, TranscriptionTask):
        raise ConfigError(
            "--overfit-batch learns transcripts by heart; this configuration learns other things"
        )
    started = time.perf_counter()
    chosen = _two(task)
    (batch,) = task.batches([chosen], -1)
    names = tuple(str(task.train_set[number]) for number in chosen)
    totals = EpochTotals()
    for update in range(UPDATES):
        trainer.stepper.model.train()
        trainer.stepper.set_rate(config.optimizer.learning_rate * min(1.0, (update + 1) / WARMUP))
        trainer.stepper.step([batch], update, totals)
        told()
        if (update + 1) % EVERY == 0:
            found = task.score_heard(trainer.network, chosen)
            if found.error == 0 and found.scores["wer"] == 0:
                return Wiring(names, update + 1, time.perf_counter() - started)
    raise RunError(
        f"{' and '.join(names)} are not learned by heart in {UPDATES} updates: {found}, loss {found.loss:.3g}, "
        f"{100 * found.signs['blank_share']:.0f} % of the frames blank; listen whether they are what their texts say "
        f"(`ctcasr doctor`), see with --find-lr whether optimizer.learning_rate ({config.optimizer.learning_rate:g}) "
        f"suits, and try a smaller model.layers ({config.model.layers}) or model.subsampling "
        f"({config.model.subsampling})"
    )


def _two(task: TranscriptionTask) -> list[int]:
    """Return two usable utterances with different texts, if there are, from the lower quartile of durations on.

    Raises:
        RunError: fewer than two can be used.
    """
    order = np.argsort(task.part.sizes, kind="stable").tolist()
    quartile = len(order) // 4
    found: list[int] = []
    for number in [*order[quartile:], *order[:quartile]]:
        (batch,) = task.batches([[number]], -1)
        text = task.train_set[number].text
        if not batch.problems and text and text not in {task.train_set[other].text for other in found}:
            found.append(number)
        if len(found) == 2:
            return found
    raise RunError(
        f"{task.part.manifest}: holds no two usable utterances with different texts; run `ctcasr doctor` on it"
    )
