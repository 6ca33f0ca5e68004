"""The records of a run's epochs, as `metrics.jsonl` holds them; read without torch."""

from __future__ import annotations

import json
from pathlib import Path

from ctcasr.errors import DataError

METRICS = "metrics.jsonl"

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
