"""`ctcasr pronounce`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctcasr.cli.main import make_app

DICTIONARY = """;;; comment
bob B AA1 B
boss B AO1 S
sob S AA1 B
sob(2) S AO1 B
"""


@pytest.fixture
def dictionary(tmp_path: Path) -> str:
    path = tmp_path / "words.dict"
    path.write_text(DICTIONARY)
    return str(path)


def test_the_dictionarys_words_come_as_they_are(dictionary: str) -> None:
    result = CliRunner().invoke(make_app(), ["pronounce", "sob", "bob", "sob", "-d", dictionary])
    assert (result.exit_code, result.stdout) == (0, "sob S AA B\nsob S AO B\nbob B AA B\n")
    result = CliRunner().invoke(make_app(), ["pronounce", "bob", "-d", dictionary, "--stress"])
    assert result.stdout == "bob B AA1 B\n"


def test_others_are_guessed_from_standard_input_too(dictionary: str) -> None:
    result = CliRunner().invoke(make_app(), ["pronounce", "-", "-d", dictionary], input="bobs x\n\nsob\n")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith("bobs B AA B")
    assert result.stdout.splitlines()[1:] == ["sob S AA B", "sob S AO B"]
    several = CliRunner().invoke(make_app(), ["pronounce", "bobs", "-d", dictionary, "--count", "3"])
    lines = several.stdout.splitlines()
    assert len(set(lines)) == len(lines) == 3
    assert lines[0] == result.stdout.splitlines()[0]


def test_a_word_that_cannot_be_pronounced_is_told_and_the_others_are_written(dictionary: str) -> None:
    result = CliRunner().invoke(make_app(), ["pronounce", "straße", "bobs", "-d", dictionary])
    assert result.exit_code == 1
    assert "straße" in result.stderr
    assert "drop it" in result.stderr
    assert result.stdout.startswith("bobs ")
