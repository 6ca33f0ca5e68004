"""Trainers to try something with, apart from any run."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from ctcasr.training.config import TrainingConfig
from ctcasr.training.loop import Trainer


def trial(config: TrainingConfig) -> Trainer:
    """Return a trainer at its start whose folder is no run's: nothing is destroyed, and nothing is written."""
    with TemporaryDirectory() as folder:
        run = config.run.model_copy(update={"folder": Path(folder) / "run"})
        return Trainer(config.model_copy(update={"run": run}))


def plain(config: TrainingConfig) -> TrainingConfig:
    """Return the configuration without what is random in a step or added to the loss."""
    optimizer = config.optimizer.model_copy(
        update={"consistency": 0.0, "label_smoothing": 0.0, "intermediate": 0.0}
    )
    tokens = config.tokens.model_copy(update={"unknown_share": 0.0})
    steady = {"dropout": 0.0, "variational_dropout": False, "recurrent_dropout": 0.0}
    model = config.model.model_copy(update=steady)
    return config.model_copy(update={"optimizer": optimizer, "tokens": tokens, "model": model})
