"""What a run takes over from another one: fine-tuning, or another task for what has learned to hear."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ctcasr.errors import ConfigError
from ctcasr.features import GlobalStatistics
from ctcasr.text import Vocabulary, read_vocabulary
from ctcasr.training.checkpoints import AVERAGED
from ctcasr.training.config import TrainingConfig
from ctcasr.training.config_files import read_config
from ctcasr.training.run_folder import CHECKPOINTS, CONFIG, DICTIONARY, TOKENS, read_statistics
from ctcasr.training.tensor_files import read_tensors


@dataclass(frozen=True)
class Start:
    """Where a network starts: the averaged weights of a finished run, and what they were trained with."""

    run: Path
    config: TrainingConfig
    path: Path
    weights: dict[str, Tensor]
    statistics: GlobalStatistics | None

    def vocabulary(self, config: TrainingConfig) -> Vocabulary:
        """Return the symbols of the run, which a run that writes takes over: what outputs mean must not change.

        Raises:
            ConfigError: it writes other units than this one, or does not write at all.
        """
        if (self.config.task.head, self.config.text.units) != (config.task.head, config.text.units):
            raise ConfigError(
                f"{self.run / CONFIG}: its task.head or text.units differ from this configuration's; fine-tuning needs "
                "the same"
            )
        return read_vocabulary(self.run / TOKENS, config.text.units, self.run / DICTIONARY)

    def encoder(self, name: str) -> dict[str, Tensor]:
        """Return the weights of a part of the network that hears, `front` or `layers`, whatever the run has learned."""
        old_names = (f"{name}.", "subsampling.") if name == "front" else (f"{name}.",)
        return {
            key.removeprefix(prefix): weight
            for key, weight in self.weights.items()
            for prefix in old_names
            if key.startswith(prefix)
        }


def read_start(config: TrainingConfig) -> Start | None:
    """Read the run that `run.start_from` names; None where it names none.

    Its global statistics are taken over with its weights.

    Raises:
        ConfigError: it is no finished run, or hears other features than this one.
    """
    run = config.run.start_from
    if run is None:
        return None
    path = run / CHECKPOINTS / AVERAGED
    if not path.exists():
        raise ConfigError(f"{path}: is not there; run.start_from must be the folder of a finished run")
    theirs = read_config(run / CONFIG)
    if (theirs.task.input, theirs.features) != (config.task.input, config.features):
        raise ConfigError(
            f"{run / CONFIG}: its task.input or [features] differ from this configuration's; fine-tuning needs the same"
        )
    return Start(run, theirs, path, read_tensors(path), read_statistics(run))
