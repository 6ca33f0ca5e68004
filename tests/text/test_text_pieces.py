"""The vocabulary of pieces, by the rules of byte-pair encoding."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.errors import DataError
from ctcasr.text import BLANK, SPACE, PieceVocabulary, read_vocabulary

# In the order of the merges, then the single characters.
PIECES = PieceVocabulary((BLANK, "▁a", "ab", "▁ab", "bb", "▁", "a", "b", "c"))


def named(text: str) -> list[str]:
    return [PIECES.symbols[number] for number in PIECES.encode(text)]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a", ["▁a"]),
        ("ab", ["▁ab"]),  # "▁a" before "ab", then "▁ab"
        ("bab", ["▁", "b", "ab"]),
        ("bbb", ["▁", "bb", "b"]),  # the leftmost of equals
        ("cab  abb\tc", ["▁", "c", "ab", "▁ab", "b", "▁", "c"]),
        ("", []),
    ],
)
def test_pairs_are_merged_in_the_order_of_the_pieces(text: str, pieces: list[str]) -> None:
    assert named(text) == pieces
    assert named(text) == pieces  # kept


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.text("abc", min_size=1, max_size=6), max_size=4))
def test_what_is_encoded_comes_back(words: list[str]) -> None:
    ids = PIECES.encode(" ".join(words))
    assert PIECES.decode(ids) == " ".join(words)
    found = PIECES.words(ids)
    assert [word.text for word in found] == words
    assert [number for _, start, end in found for number in range(start, end)] == list(range(len(ids)))
    assert [PIECES.spellings(word)[0] for word in words] == [
        tuple(ids[start:end].tolist()) for _, start, end in found
    ]


def test_words_that_begin_in_the_middle() -> None:
    ids = [PIECES.symbols.index(piece) for piece in ("bb", "c", "▁", "▁", "a", "▁ab")]
    assert PIECES.decode(ids) == "bbc  a ab"
    assert [tuple(word) for word in PIECES.words(ids)] == [("bbc", 0, 2), ("a", 3, 5), ("ab", 5, 6)]


def test_unknown_characters_are_named() -> None:
    with pytest.raises(DataError, match=r"characters \['d', 'é'\] are not among the 3 that the 8 pieces"):
        PIECES.encode("adé da")
    with pytest.raises(DataError, match=r"characters \['▁'\]"):
        PIECES.encode("▁a")
    assert PIECES.fit("Ab,d") == ("ab", [",", "d"])


def test_files(tmp_path: Path) -> None:
    PIECES.write(tmp_path / "tokens.txt")
    assert read_vocabulary(tmp_path / "tokens.txt", "bpe", tmp_path / "lexicon.txt") == PIECES


@pytest.mark.parametrize(
    "symbols", [(BLANK, "a", "b"), (BLANK, "▁a", SPACE), (BLANK, "▁a", "a b"), (BLANK, "▁a", "")]
)
def test_bad_symbols(symbols: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="pieces hold no white space"):
        PieceVocabulary(symbols)
