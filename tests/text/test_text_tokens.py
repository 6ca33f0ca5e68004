"""Words and their spelling as numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctcasr.errors import DataError
from ctcasr.text.tokens import FIRST, MOST_CHARACTERS, UNKNOWN, Names, TokenVocabulary

VOCABULARY = TokenVocabulary.of([["Show", "me", "flights"], ["show", "fares"]])


def test_words_are_known_whatever_their_case_and_characters_are_not() -> None:
    assert VOCABULARY.words.names == ("fares", "flights", "me", "show")
    one, other = VOCABULARY.encode(["SHOW"]), VOCABULARY.encode(["show"])
    assert one.words.tolist() == other.words.tolist() == [FIRST + 3]
    assert one.characters.tolist() != other.characters.tolist()


def test_an_unknown_word_has_its_spelling() -> None:
    encoded = VOCABULARY.encode(["fights", "zoo"])
    assert encoded.words.tolist() == [UNKNOWN, UNKNOWN]
    letters = VOCABULARY.characters.ids
    assert encoded.characters[0].tolist() == [letters[letter] + FIRST for letter in "fights"]
    assert encoded.characters[1].tolist() == [UNKNOWN, letters["o"] + FIRST, letters["o"] + FIRST, 0, 0, 0]


def test_rare_words_are_unknown() -> None:
    rare = TokenVocabulary.of([["a", "b"], ["a"]], min_count=2)
    assert rare.words.names == ("a",)
    assert rare.encode(["b"]).words.tolist() == [UNKNOWN]
    with pytest.raises(DataError, match="expected names"):
        TokenVocabulary.of([["a"]], min_count=2)


def test_long_words_are_cut() -> None:
    assert VOCABULARY.encode(["f" * 100]).characters.shape == (1, MOST_CHARACTERS)
    assert VOCABULARY.encode([]).characters.shape == (0, 0)


def test_names_are_written_and_read(tmp_path: Path) -> None:
    names = Names(("B-a", "I-a", "O"))
    names.write(tmp_path / "tags.txt")
    assert Names.read(tmp_path / "tags.txt") == names
    assert (tmp_path / "tags.txt").read_text() == "B-a\nI-a\nO\n"


@pytest.mark.parametrize("content", ["", "a\na\n", "a b\n", "a\n\nb\n"])
def test_what_is_no_list_of_names_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "tags.txt").write_text(content)
    with pytest.raises(DataError, match=r"tags\.txt: expected names without spaces, each once"):
        Names.read(tmp_path / "tags.txt")
