"""Print the commands that train AN4 with each recurrent cell, at one number of parameters.

python recipes/an4/cells/cells.py [--parameters 5020028]
python scripts/compare_runs.py recipes/an4/runs/cell-*            # what came out, as a Markdown table
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ctcasr.errors import CtcAsrError
from ctcasr.models import AcousticModel, ModelSettings
from ctcasr.training.config_files import read_config

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


def main(arguments: Sequence[str]) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--symbols", type=int, default=28, help="of the vocabulary")
    parser.add_argument("--parameters", type=int, metavar="N", help="of each network; default: the recipe's")
    options = parser.parse_args(arguments)
    try:
        print_sizes(options.symbols, options.parameters)
    except CtcAsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
