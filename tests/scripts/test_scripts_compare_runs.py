"""The table of what settings were worth, over seeds."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import tomli_w

from scripts import compare_runs


def make_run(
    folder: Path, wer: float, *, seed: int = 0, batch_norm: bool = False, **optimizer: float
) -> Path:
    folder.mkdir()
    config = {
        "data": {"train": "/t", "dev": "/d"},
        "model": {"cell": "gru", "batch_norm": batch_norm},
        "optimizer": optimizer,
        "run": {"seed": seed, "folder": str(folder)},
    }
    (folder / "config.toml").write_text(tomli_w.dumps(config), encoding="utf-8")
    (folder / "summary.json").write_text(json.dumps({"dev_wer": wer, "dev_cer": wer / 2}), encoding="utf-8")
    records = [
        {
            "epoch": number + 1,
            "gradient_norm": norm,
            "gradient_norm_95": 3 * norm,
            "clipped_share": share,
            "train_seconds": seconds,
            "dev_loss": wer + 2 - number,
        }
        for number, (norm, share, seconds) in enumerate([(2.0, 0.5, 9.0), (1.0, 0.25, 7.0), (8.0, 0.0, 8.0)])
    ]
    (folder / "metrics.jsonl").write_text(
        "".join(json.dumps(record) + "\n" for record in records), encoding="utf-8"
    )
    return folder


def test_copies_of_one_dictionary_are_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = {"a": "one W AH N\n", "b": "one W AH N\n", "c": "two T UW\n"}
    for seed, (name, content) in enumerate(words.items()):
        config = make_run(tmp_path / name, 0.1, seed=seed) / "config.toml"
        (tmp_path / name / "lexicon.txt").write_text(content, encoding="utf-8")
        text = {"units": "phone", "lexicon": "lexicon.txt"}
        settings = tomllib.loads(config.read_text(encoding="utf-8")) | {"text": text}
        config.write_text(tomli_w.dumps(settings), encoding="utf-8")
    runs = [str(tmp_path / name) for name in words]
    assert compare_runs.main(runs) == 0
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[1] for row in rows] == ["0 1", "2"]
    assert rows[1][0].startswith("`text.lexicon=")
    (tmp_path / "b" / "lexicon.txt").unlink()
    assert compare_runs.main(runs) == 1
    assert "lexicon.txt: cannot be read (No such file or directory)" in capsys.readouterr().err


def test_seeds_are_one_row_and_compared_by_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [
        make_run(tmp_path / "a0", 0.10),
        make_run(tmp_path / "b1", 0.15, seed=1, consistency=0.2),
        make_run(tmp_path / "a1", 0.20, seed=1),
        make_run(tmp_path / "b0", 0.09, seed=0, consistency=0.2),
        make_run(tmp_path / "b2", 0.30, seed=2, consistency=0.2),  # which the first row has not
        make_run(tmp_path / "c", 0.30, seed=3, batch_norm=True),
    ]
    assert compare_runs.main([*map(str, runs)]) == 0
    head, line, *rows = (text.strip("| ").split(" | ") for text in capsys.readouterr().out.splitlines())
    assert {len(row) for row in (head, line, *rows)} == {11}
    assert head[3:6] == ["dev WER %", "dev CER %", "against the first"]
    assert rows[0][:5] == ["(the first)", "0 1", "3", "15.00 (10.00 to 20.00)", "7.50 (5.00 to 10.00)"]
    assert rows[0][5:] == ["", "0.150 (0.100 to 0.200)", "8.0", "2.00", "6.00", "25.0"]
    assert rows[1][0] == "`optimizer.consistency=0.2`"
    assert rows[1][1] == "0 1 2"
    assert rows[1][5] == "-3.00 (-5.00 to -1.00)"
    assert rows[2][0] == "`model.batch_norm=true`"
    assert rows[2][5] == ""


@pytest.mark.parametrize("name", ["config.toml", "summary.json", "metrics.jsonl"])
@pytest.mark.parametrize("content", [None, "", "[]", "\x00", '{"dev_wer": "x"}', "a = 1", '{"epoch": 1}'])
def test_a_damaged_or_unfinished_run_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str | None
) -> None:
    path = make_run(tmp_path / "run", 0.1) / name
    path.unlink()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert compare_runs.main([str(path.parent)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {path}: ")
    assert said.count("\n") == 1


def test_a_run_given_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(make_run(tmp_path / "run", 0.1, seed=4))
    assert compare_runs.main([run, run]) == 1
    assert "two runs have seed 4 and the same settings" in capsys.readouterr().err


def test_runs_of_other_tasks_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = make_run(tmp_path / "a", 0.1), make_run(tmp_path / "b", 0.1)
    (second / "summary.json").write_text('{"dev_accuracy": 0.9}', encoding="utf-8")
    assert compare_runs.main([str(first), str(second)]) == 1
    assert "different scores" in capsys.readouterr().err
