"""The comparison of cells: networks of equal sizes."""

from __future__ import annotations

import pytest

from ctcasr.models import ModelSettings
from tests.recipes.layouts import load_recipe

BASE = ModelSettings(layers=2, hidden=48, channels=8)


cells = load_recipe("an4", "cells/cells")


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("cell", cells.CELLS)
def test_sizes_are_as_near_as_their_step_allows(cell: str, bidirectional: bool) -> None:
    wanted = cells.parameters(BASE, 20, 9)
    base = cells.resized(BASE.model_copy(update={"bidirectional": bidirectional}), cell, 48)
    found = cells.equal_size(base, wanted, 20, 9)
    assert (found.cell, found.bidirectional) == (cell, bidirectional)

    def distance(hidden: int) -> int:
        return abs(cells.parameters(cells.resized(found, cell, hidden), 20, 9) - wanted)

    step = cells.STEP
    assert distance(found.hidden) <= min(distance(found.hidden - step), distance(found.hidden + step))
    if (cell, bidirectional) == ("lstm", True):
        assert found == BASE


@pytest.mark.slow
def test_a_command_for_each_cell_in_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert cells.main(["--parameters", "300000"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 * len(cells.CELLS)
    for line in lines:
        command, _, size = line.partition("  # ")
        assert command.startswith("ctcasr train recipes/an4/config.toml --set model.cell=")
        assert abs(int(size.removesuffix(" parameters").replace(",", "")) - 300_000) < 10_000
