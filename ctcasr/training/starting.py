"""What a run takes over from another one: fine-tuning."""

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

    path: Path
    weights: dict[str, Tensor]
    vocabulary: Vocabulary
    statistics: GlobalStatistics | None


def read_start(config: TrainingConfig) -> Start | None:
    """Read the run that `run.start_from` names; None where it names none.

    Its symbols and its global statistics are taken over with its weights: what they mean must not change.

    Raises:
        ConfigError: it is no finished run, or hears other features or writes other units than this one.
    """
    run = config.run.start_from
    if run is None:
        return None
    path = run / CHECKPOINTS / AVERAGED
    if not path.exists():
        raise ConfigError(f"{path}: is not there; run.start_from must be the folder of a finished run")
    theirs = read_config(run / CONFIG)
    if (theirs.features, theirs.text.units) != (config.features, config.text.units):
        raise ConfigError(
            f"{run / CONFIG}: its [features] or text.units differ from this configuration's; fine-tuning needs the same"
        )
    vocabulary = read_vocabulary(run / TOKENS, config.text.units, run / DICTIONARY)
    return Start(path, read_tensors(path), vocabulary, read_statistics(run))
