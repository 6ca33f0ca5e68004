"""Words with double letters are counted apart."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.recipes.layouts import load_recipe

doubled_letters = load_recipe("an4", "doubled_letters")


def test_words_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ref.txt").write_text("a three one sixteen two\nb four\n", encoding="utf-8")
    (tmp_path / "hyp.txt").write_text("a thre one sixteen two two\nb \n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["x", str(tmp_path / "ref.txt"), str(tmp_path / "hyp.txt")])
    assert doubled_letters.main() == 0
    assert capsys.readouterr().out.splitlines() == [
        "with a double letter: 1 of 2 right (50.0%)",
        "without a double letter: 2 of 3 right (66.7%)",
    ]


def test_what_cannot_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["x", str(tmp_path / "none.txt"), str(tmp_path / "none.txt")])
    assert doubled_letters.main() == 1
    assert "none.txt" in capsys.readouterr().err
