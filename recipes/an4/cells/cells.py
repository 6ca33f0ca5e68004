"""Compare recurrent cells on AN4 at one number of parameters.

python recipes/an4/cells/cells.py sizes [--parameters 5020028]    # the commands that train them
python recipes/an4/cells/cells.py table recipes/an4/runs/cell-*   # what came out, as a Markdown table
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ctcasr.errors import CtcAsrError
from ctcasr.models import AcousticModel, ModelSettings
from ctcasr.training.config_files import read_config
from ctcasr.training.records import METRICS
from ctcasr.training.run_folder import CONFIG, SUMMARY, TOKENS

CONFIGURATION = Path("recipes/an4/config.toml")
CELLS: dict[str, dict[str, int]] = {
    "rnn": {},
    "lstm": {},
    "gru": {},
    "clockwork": {"clock_modules": 4},
    "scrn": {"slow_units": 40},
    "lstmp": {},
    "ligru": {},
}
"""What each cell needs beside its size; the projection of lstmp is half of its cells."""

STEP = 4
"""Sizes are multiples of this, so that a clockwork RNN has equal modules."""


def parameters(settings: ModelSettings, bins: int, symbols: int) -> int:
    """Return how many parameters a network has."""
    return sum(parameter.numel() for parameter in AcousticModel(settings, bins, symbols).parameters())


def resized(base: ModelSettings, cell: str, hidden: int) -> ModelSettings:
    """Return the settings of a network of other cells."""
    own = {"projection": hidden // 2} if cell == "lstmp" else CELLS[cell]
    return ModelSettings.model_validate(
        base.model_dump(exclude_none=True) | {"cell": cell, "hidden": hidden} | own
    )


def equal_size(base: ModelSettings, wanted: int, bins: int, symbols: int) -> ModelSettings:
    """Return the network, of as many hidden units as it takes, whose number of parameters is nearest to `wanted`."""

    def size(step: int) -> int:
        return parameters(resized(base, base.cell, STEP * step), bins, symbols)

    low, high = 1, 2
    while size(high) < wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) < wanted else (low, middle)
    nearest = min((low, high), key=lambda step: abs(size(step) - wanted))
    return resized(base, base.cell, STEP * nearest)


def print_sizes(symbols: int, wanted: int | None) -> None:
    """Print a training command for each cell, in both directions and forward only; of the recipe's size by default."""
    config = read_config(CONFIGURATION)
    bins = config.features.dimension
    wanted = wanted or parameters(config.model, bins, symbols)
    for suffix, bidirectional in (("", True), ("-forward", False)):
        base = config.model.model_copy(update={"bidirectional": bidirectional})
        for cell in CELLS:
            found = equal_size(resized(base, cell, base.hidden), wanted, bins, symbols)
            print(_command(found, f"cell-{cell}{suffix}", parameters(found, bins, symbols)))


def _command(settings: ModelSettings, run: str, count: int) -> str:
    own = [("projection", settings.projection)] if settings.cell == "lstmp" else CELLS[settings.cell].items()
    sets = [("cell", settings.cell), ("hidden", settings.hidden), *own]
    sets += [("bidirectional", "false")] if not settings.bidirectional else []
    options = " ".join(f"--set model.{name}={value}" for name, value in sets)
    return f"ctcasr train {CONFIGURATION} {options} --set run.folder=runs/{run}  # {count:,} parameters"


def row(run: Path) -> str:
    """Return what a run's records say, as a row of the table.

    Raises:
        CtcAsrError: the run is not finished, or damaged.
    """
    config = read_config(run / CONFIG)
    try:
        records: list[dict[str, Any]] = [
            json.loads(line) for line in (run / METRICS).read_text(encoding="utf-8").splitlines()
        ]
        scores = json.loads((run / SUMMARY).read_text(encoding="utf-8"))
        symbols = len((run / TOKENS).read_text(encoding="utf-8").splitlines())
        name = config.model.cell + ("" if config.model.bidirectional else ", forward")
        norms, high = ([record[key] for record in records] for key in ("gradient_norm", "gradient_norm_95"))
        return (
            f"| {name} | {config.model.hidden} | {parameters(config.model, config.features.dimension, symbols):,} "
            f"| {config.run.seed} | {len(records)} | {100 * scores['dev_wer']:.2f} | {100 * scores['dev_cer']:.2f} "
            f"| {statistics.median(record['train_seconds'] for record in records):.1f} "
            f"| {statistics.median(norms):.2f} | {statistics.median(high):.2f} "
            f"| {100 * statistics.mean(record['clipped_share'] for record in records):.1f} |"
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CtcAsrError(f"{run}: cannot be compared ({error}); finish the training first") from error


def print_table(runs: Sequence[Path]) -> None:
    """Print the table of finished runs.

    The norms are medians over the epochs: of each epoch's median, and of its 95th percentile.
    """
    print(
        "| cell | hidden | parameters | seed | epochs | dev WER % | dev CER % | s an epoch | norm | 95 % | clipped % |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for run in runs:
        print(row(run))


def main(arguments: Sequence[str]) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    sizes = commands.add_parser("sizes", help="print a training command for each cell")
    sizes.add_argument("--symbols", type=int, default=28, help="of the vocabulary")
    sizes.add_argument("--parameters", type=int, metavar="N", help="of each network; default: the recipe's")
    commands.add_parser("table", help="print what runs gave").add_argument("runs", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    try:
        if options.command == "sizes":
            print_sizes(options.symbols, options.parameters)
        else:
            print_table(options.runs)
    except CtcAsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
