"""Compare trainings: what settings were worth, over the seeds they were run with, as a Markdown table.

    python scripts/compare_runs.py RUN [RUN...]

RUN is the folder of a finished run. Runs that differ in nothing but seed and folder are one row: the mean over the
seeds, and the lowest and highest of them. The others are compared with the first run's row, by the seeds that both have
(a seed decides the order of the data and the first weights): the difference of the first score, in points, and again
the lowest and highest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from ctcasr.errors import CtcAsrError, DataError
from ctcasr.training.config_files import read_config
from ctcasr.training.records import (
    CONFIG,
    METRICS,
    SUMMARY,
    Record,
    dev_scores,
    read_records,
    read_summary,
    score_name,
)

ASIDE = ("run.seed", "run.folder")
"""Settings that tell runs of one row apart."""

FIELDS = ("dev_loss", "train_seconds", "gradient_norm", "gradient_norm_95", "clipped_share")
"""Of an epoch's record, what the table has."""

Settings = dict[str, object]


@dataclass(frozen=True)
class Run:
    """What a finished run has on disk."""

    settings: Settings
    seed: int
    records: list[Record]
    scores: dict[str, float]

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Read a run's folder.

        Raises:
            ConfigError: its configuration cannot be read.
            DataError: it is not that of a finished run.
        """
        sections = read_config(folder / CONFIG).model_dump(mode="json")
        settings = {f"{part}.{key}": value for part, own in sections.items() for key, value in own.items()}
        seed = settings["run.seed"]
        for name in ASIDE:
            del settings[name]
        # Each run has a copy of its own: dictionaries are told apart by what is in them.
        if settings["text.lexicon"] is not None:
            settings["text.lexicon"] = dictionary_digest(Path(str(settings["text.lexicon"])))
        records = read_records(folder)
        if missing := [name for name in FIELDS if any(name not in record for record in records)]:
            raise DataError(
                f"{folder / METRICS}: has no {missing[0]}; another version wrote it, so train the run again"
            )
        scores = dev_scores(read_summary(folder))
        if not scores:
            raise DataError(
                f"{folder / SUMMARY}: has no scores of dev; finish the training with `ctcasr train --resume`"
            )
        return cls(settings, seed, records, scores)

    def mean(self, name: str) -> float:
        """Return the mean of a field over the epochs."""
        return fmean(record[name] for record in self.records)

    def middle(self, name: str) -> float:
        """Return the median of a field over the epochs."""
        return median(record[name] for record in self.records)


def dictionary_digest(path: Path) -> str:
    """Return a few digits that stand for the content of a dictionary.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); it belongs to the run: train again"
        ) from error


def spread(values: Iterable[float], form: str) -> str:
    """Write a mean, and between what it lies, if these are not the same."""
    found = sorted(values)
    middle, low, high = (format(value, form) for value in (fmean(found), found[0], found[-1]))
    return middle if low == high else f"{middle} ({low} to {high})"


def differences(settings: Settings, base: Settings) -> str:
    """Write what differs from the first run, as `ctcasr train --set` takes it."""
    changed = {name: value for name, value in sorted(settings.items()) if value != base[name]}
    return " ".join(f"`{name}={_shown(value)}`" for name, value in changed.items())


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def grouped(runs: Sequence[Run]) -> list[list[Run]]:
    """Return the runs of each row.

    Raises:
        DataError: a seed was given twice with the same settings.
    """
    groups: list[list[Run]] = []
    for run in runs:
        row = next((group for group in groups if group[0].settings == run.settings), None)
        if row is None:
            groups.append([run])
        elif any(other.seed == run.seed for other in row):
            raise DataError(
                f"two runs have seed {run.seed} and the same settings; give each run once (what changed between "
                "them is not in the configuration)"
            )
        else:
            row.append(run)
    return groups


def cells(group: list[Run], base: list[Run], names: list[str]) -> list[str]:
    """Return the cells of a row."""
    pairs = [(run.scores, other.scores) for run in group for other in base if run.seed == other.seed]
    against = [100 * (own[names[0]] - other[names[0]]) for own, other in pairs]
    return [
        differences(group[0].settings, base[0].settings) or "(the first)",
        " ".join(str(run.seed) for run in sorted(group, key=lambda run: run.seed)),
        spread((len(run.records) for run in group), ".0f"),
        *(spread((100 * run.scores[name] for run in group), ".2f") for name in names),
        "" if group is base or not against else spread(against, "+.2f"),
        spread((run.records[-1]["dev_loss"] for run in group), ".3f"),
        spread((run.middle("train_seconds") for run in group), ".1f"),
        f"{fmean(run.middle('gradient_norm') for run in group):.2f}",
        f"{fmean(run.middle('gradient_norm_95') for run in group):.2f}",
        f"{100 * fmean(run.mean('clipped_share') for run in group):.1f}",
    ]


def table(runs: Sequence[Run]) -> str:
    """Return the table.

    The norms are medians over the epochs, of each epoch's median and of its 95th percentile, before clipping.

    Raises:
        DataError: the runs were scored by different measures, or one was given twice.
    """
    names = list(runs[0].scores)
    if any(list(run.scores) != names for run in runs):
        raise DataError("the runs have different scores (their tasks differ); compare those of one task")
    groups = grouped(runs)
    heads = ["settings", "seeds", "epochs", *(f"dev {score_name(name)} %" for name in names)]
    heads += ["against the first", "dev loss", "s an epoch", "norm", "95 %", "clipped %"]
    rows = [heads, ["---"] * len(heads), *(cells(group, groups[0], names) for group in groups)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main(arguments: Sequence[str]) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folder of a finished run")
    try:
        print(table([Run.read(folder) for folder in parser.parse_args(arguments).runs]))
    except CtcAsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
