"""The comparison of cells: equal sizes, and the table of what runs recorded."""

from __future__ import annotations

import json
from pathlib import Path

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


def make_run(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.toml").write_text(
        '[data]\ntrain = "t"\ndev = "d"\n[model]\ncell = "gru"\nbidirectional = false\nlayers = 1\nhidden = 8\n'
        "[run]\nseed = 3\n",
        encoding="utf-8",
    )
    (folder / "tokens.txt").write_text("<blank>\na\nb\n", encoding="utf-8")
    (folder / "summary.json").write_text('{"dev_wer": 0.125, "dev_cer": 0.0625}', encoding="utf-8")
    records = [
        {
            "gradient_norm": norm,
            "gradient_norm_95": 3 * norm,
            "clipped_share": share,
            "train_seconds": seconds,
        }
        for norm, share, seconds in ((2.0, 0.5, 9.0), (1.0, 0.25, 7.0), (8.0, 0.0, 8.0))
    ]
    (folder / "metrics.jsonl").write_text(
        "".join(json.dumps(record) + "\n" for record in records), encoding="utf-8"
    )
    return folder


def test_the_table_says_what_the_runs_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run")
    assert cells.main(["table", str(run)]) == 0
    head, line, found = capsys.readouterr().out.splitlines()
    assert head.count("|") == line.count("|") == found.count("|")
    size = cells.parameters(ModelSettings(cell="gru", bidirectional=False, layers=1, hidden=8), 80, 3)
    assert found == f"| gru, forward | 8 | {size:,} | 3 | 3 | 12.50 | 6.25 | 8.0 | 2.00 | 6.00 | 25.0 |"


def test_an_unfinished_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run")
    (run / "summary.json").unlink()
    assert cells.main(["table", str(run)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {run}: cannot be compared")
