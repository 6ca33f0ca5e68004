"""What a training run leaves on disk: configuration, vocabulary, metrics, TensorBoard events."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import tomli_w
from pydantic import ValidationError
from torch.utils.tensorboard import SummaryWriter

from ctcasr.errors import ConfigError
from ctcasr.features import GlobalStatistics
from ctcasr.training.config import TrainingConfig
from ctcasr.training.records import CONFIG, METRICS, Record
from ctcasr.training.tensor_files import told

TOKENS = "tokens.txt"
DICTIONARY = "lexicon.txt"
STATISTICS = "statistics.json"
CHECKPOINTS = "checkpoints"
EVENTS = "events"


def write_run(config: TrainingConfig, write_task: Callable[[Path], None]) -> None:
    """Create the run's folder with its resolved configuration and what the task writes into it.

    Raises:
        ConfigError: the folder cannot be written to.
    """
    folder = config.run.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fields = json.loads(config.model_dump_json(exclude_none=True))
        fields["data"] |= {name: str(Path(fields["data"][name]).resolve()) for name in ("train", "dev")}
        fields["run"]["folder"] = "."
        if config.run.start_from is not None:
            fields["run"]["start_from"] = str(config.run.start_from.resolve())
        if config.frames.aligner is not None:
            fields["frames"]["aligner"] = str(config.frames.aligner.resolve())
        if config.text.lexicon is not None:
            fields["text"]["lexicon"] = DICTIONARY  # the task's own copy
        write_task(folder)
        write_whole(folder / CONFIG, tomli_w.dumps(fields))
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be written ({error.strerror}); choose another run.folder"
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Write a text file through a temporary one, so that it appears whole or not at all.

    Raises:
        RunError: it cannot be written.
    """
    temporary = path.with_name(path.name + ".tmp")
    with told(path):
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)


def append(path: Path, text: str) -> None:
    """Write text at the end of a file.

    Raises:
        RunError: it cannot be written.
    """
    with told(path), path.open("a", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def read_statistics(folder: Path) -> GlobalStatistics | None:
    """Read the global statistics of a run, or None where it has none.

    Raises:
        ConfigError: the file is damaged.
    """
    path = folder / STATISTICS
    if not path.exists():
        return None
    try:
        return GlobalStatistics.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"{path}: cannot be read as global statistics; train again, or restore the file"
        ) from error


class MetricsLog:
    """Append one record an epoch to `metrics.jsonl` and to TensorBoard events; `kept` are those from before a kill.

    One process of a run is `active`; the logs of the others do nothing.
    """

    def __init__(self, folder: Path, first_epoch: int, *, active: bool = True) -> None:
        """Open the log; records of epochs from `first_epoch` on, left by a killed run, are dropped."""
        self.path = folder / METRICS
        self.kept = self._records_before(first_epoch)
        self._events: SummaryWriter | None = None
        if active:
            if self.path.exists():
                write_whole(self.path, "".join(json.dumps(record) + "\n" for record in self.kept))
            self._events = SummaryWriter(str(folder / EVENTS), purge_step=first_epoch)

    def _records_before(self, epoch: int) -> list[Record]:
        kept: list[Record] = []
        if not self.path.exists():
            return kept
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
                if record["epoch"] < epoch:
                    kept.append(record)
            except ValueError:
                continue  # a record cut off by a kill: its epoch runs again
        return kept

    def write(self, record: Record) -> None:
        """Append one epoch's record.

        Raises:
            RunError: the disk is full.
        """
        if self._events is None:
            return
        append(self.path, json.dumps(record) + "\n")
        with told(self.path.parent / EVENTS):
            for name, value in record.items():
                if isinstance(value, (int, float)):
                    self._events.add_scalar(name, value, record["epoch"])
            self._events.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._events is not None:
            self._events.close()
