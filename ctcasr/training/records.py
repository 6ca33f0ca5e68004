"""What a run has recorded, of each epoch and in the end; read without torch."""

from __future__ import annotations

import json
from pathlib import Path

from ctcasr.errors import DataError

CONFIG = "config.toml"
METRICS = "metrics.jsonl"
SUMMARY = "summary.json"

Record = dict[str, float | int]


def score_name(name: str) -> str:
    """Return a score's name as people write it: short ones are abbreviations."""
    return name.upper() if len(name) <= 3 else name


def dev_scores(record: Record) -> dict[str, float]:
    """Return the scores on held-out examples by their names: shares, of errors (WER, CER) or of what is right."""
    return {
        name.removeprefix("dev_"): share
        for name, share in record.items()
        if name.startswith("dev_") and name != "dev_loss"
    }


def read_records(run: Path) -> list[Record]:
    """Return one record for each finished epoch of a run, in order.

    Raises:
        DataError: the folder is not that of a run with a finished epoch, or its metrics are damaged.
    """
    path = run / METRICS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        records: list[Record] = [json.loads(line) for line in lines]
        numbers = [record["epoch"] for record in records]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected the folder of a training run") from error
    if not numbers:
        raise DataError(f"{path}: holds no record yet; wait until the run has finished its first epoch")
    return records


def read_summary(run: Path) -> dict[str, float]:
    """Return the scores of the averaged weights of a finished run, as `summary.json` names them.

    Raises:
        DataError: the run is not finished, or its summary is damaged.
    """
    path = run / SUMMARY
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
        return {name: float(share) for name, share in scores.items()}
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: not there; finish the training first, with `ctcasr train --resume`"
        ) from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); expected the folder of a training run") from error
