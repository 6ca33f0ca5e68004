"""Normalisation of transcripts and the vocabulary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.errors import DataError
from ctcasr.text import BLANK, SPACE, Vocabulary, normalize

# Whatever JSON can hold but line breaks, which `normalize` turns into spaces.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vocabularies")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_texts_survive_numbers_and_the_file(folder: Path, texts: list[str]) -> None:
    vocabulary = Vocabulary.from_texts(texts)
    path = folder / "tokens.txt"
    vocabulary.write(path)
    read = Vocabulary.read(path)
    assert read == vocabulary
    assert len(read) == 1 + len(set("".join(texts)))
    for text in texts:
        numbers = read.encode(text)
        assert numbers.dtype == np.int64
        assert numbers.min() >= 1
        assert numbers.max() < len(read)
        assert read.decode(numbers) == text


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_normalised_text_is_stable_and_fits_a_vocabulary(text: str) -> None:
    kept = normalize(text, case="keep")
    assert normalize(kept, case="keep") == kept
    assert kept.split() == kept.split(" ") or kept == ""
    if kept:
        assert Vocabulary.from_texts([kept]).encode(kept).size == len(kept)


@pytest.mark.parametrize(
    ("text", "case", "expected"),
    [
        ("  Hello\t WORLD\n", "lower", "hello world"),
        ("Grüße", "upper", "GRÜSSE"),
        ("Ae\u0301", "keep", "Aé"),
        ("你\u3000好", "lower", "你 好"),
        ("", "lower", ""),
    ],
)
def test_normalize(text: str, case: str, expected: str) -> None:
    assert normalize(text, case=case) == expected


def test_symbols_are_sorted_and_the_space_is_spelt() -> None:
    assert Vocabulary.from_texts(["b a", "", "é"]).symbols == (BLANK, SPACE, "a", "b", "é")


def test_blanks_write_nothing() -> None:
    vocabulary = Vocabulary((BLANK, "a", SPACE))
    assert vocabulary.decode([0, 1, 0, 2, 1]) == "a a"
    assert vocabulary.decode([]) == ""
    assert vocabulary.encode("").shape == (0,)


def test_every_unknown_character_is_named() -> None:
    with pytest.raises(DataError, match=r"\['x', 'ß'\] are not among the 2 symbols"):
        Vocabulary((BLANK, "a", "b")).encode("axbßx")


def test_the_space_is_unknown_to_a_vocabulary_without_it() -> None:
    with pytest.raises(DataError, match=r"\[' '\]"):
        Vocabulary((BLANK, "a")).encode("a a")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with <blank>"),
        (b"<blank>\n", "at least one more symbol"),
        (b"a\nb\n", r"found \['a', 'b'\]"),
        (b"<blank>\na\nb\na\n", r"more than once in the vocabulary: \['a'\]"),
        (b"<blank>\na\n<blank>\n", "more than once"),
        (b"<blank>\nab\n", r"single characters.*\['ab'\]"),
        (b"<blank>\na\n\nb\n", r"single characters.*\[''\]"),
        (b"<blank>\n \na\n", r"the space is written <space>.*\[' '\]"),
        (b"<blank>\n\xff\n", "cannot be read as UTF-8"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "tokens.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        Vocabulary.read(path)
    assert str(path) in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tokens\.txt: cannot be read"):
        Vocabulary.read(tmp_path / "tokens.txt")


@pytest.mark.parametrize("content", ["\ufeff<blank>\na\n", "<blank>\r\na\r\n", "<blank>\na"])
def test_editors_habits_are_read(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokens.txt"
    path.write_bytes(content.encode())
    assert Vocabulary.read(path).symbols == (BLANK, "a")


@pytest.mark.parametrize("text", ["a\nb", "a\rb"])
def test_line_breaks_are_no_symbols(text: str) -> None:
    with pytest.raises(DataError, match="no line breaks"):
        Vocabulary.from_texts([text])
