"""Texts become numbers: white space, units, blocks, compression, and what is refused."""

from __future__ import annotations

import gzip
import lzma
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctcasr.errors import DataError
from ctcasr.lm import reading
from ctcasr.lm.reading import TextReader, Unit
from ctcasr.lm.words import grown, listed_words, word_table

Write = Callable[..., Path]


def words_of(paths: list[Path], unit: Unit = "word") -> list[str]:
    """Read texts and turn the numbers back into words."""
    reader = TextReader(unit)
    numbers = [number for piece in reader.read(paths) for number in piece.tolist()]
    words = listed_words(reader.table)
    return [words[number] for number in numbers]


class TestWords:
    def test_sentences(self, write: Write) -> None:
        path = write(" the cat\t sat \r\n\n   \nthe end")
        assert words_of([path]) == ["<s>", "the", "cat", "sat", "</s>", "<s>", "the", "end", "</s>"]

    def test_numbers_are_in_the_order_of_the_text(self, write: Write) -> None:
        reader = TextReader()
        assert np.concatenate(list(reader.read([write("b a\na c\n")]))).tolist() == [1, 3, 4, 2, 1, 4, 5, 2]
        assert listed_words(reader.table) == ("<unk>", "<s>", "</s>", "b", "a", "c")
        assert reader.lines == 2

    def test_only_ascii_white_space_parts_words(self, write: Write) -> None:
        assert words_of([write("a\u00a0b c\x0bd\x0ce\u2028f\x85g\n")]) == [
            "<s>",
            "a\u00a0b",
            "c",
            "d",
            "e\u2028f\x85g",
            "</s>",
        ]

    def test_a_byte_order_mark_is_no_word(self, write: Write) -> None:
        assert words_of([write("\ufeffa b\n")]) == ["<s>", "a", "b", "</s>"]

    def test_unknown_is_unknown(self, write: Write) -> None:
        assert np.concatenate(list(TextReader().read([write("a <unk>\n")]))).tolist() == [1, 3, 0, 2]

    def test_a_given_vocabulary_does_not_grow(self, write: Write) -> None:
        reader = TextReader("word", ("</s>", "b", "<unk>", "<s>"))
        assert np.concatenate(list(reader.read([write("a b\n")]))).tolist() == [3, 2, 1, 0]

    def test_a_model_without_start(self, write: Write) -> None:
        reader = TextReader("word", ("</s>", "<unk>"))
        assert reader.start == -1
        assert np.concatenate(list(reader.read([write("a <s>\n")]))).tolist() == [-1, 1, 1, 0]

    @pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
    def test_compressed_and_several(self, write: Write, pack: Callable[[bytes], bytes]) -> None:
        paths = [write(pack(b"a b"), "one.txt"), write("c\n", "two.gz")]
        assert words_of(paths) == ["<s>", "a", "b", "</s>", "<s>", "c", "</s>"]


class TestCharacters:
    def test_spaces_stand_between_words(self, write: Write) -> None:
        path = write("  zu  Fuß\n\u00e9\u4e2d\U0001f600 \n")
        expected = ["<s>", "z", "u", "<space>", "F", "u", "ß", "</s>", "<s>", "é", "中", "😀", "</s>"]
        assert words_of([path], "char") == expected

    def test_markers_are_characters_like_any(self, write: Write) -> None:
        assert words_of([write("<s>\n")], "char") == ["<s>", "<", "s", ">", "</s>"]

    def test_a_model_without_space(self, write: Write) -> None:
        reader = TextReader("char", ("<unk>", "<s>", "</s>", "a"))
        assert np.concatenate(list(reader.read([write("a a\n")]))).tolist() == [1, 3, 0, 3, 2]


class TestBlocks:
    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(st.lists(st.text("aé中😀b", min_size=1, max_size=9), max_size=6), max_size=12),
        st.integers(1, 40),
        st.sampled_from(["word", "char"]),
    )
    def test_any_size_of_blocks(
        self, write: Write, lines: list[list[str]], block_bytes: int, unit: Unit
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reading, "BLOCK_BYTES", block_bytes)
            found = words_of([write("\n".join(" ".join(line) for line in lines))], unit)
        expected: list[str] = []
        for line in filter(None, lines):
            text = line if unit == "word" else ["<space>" if c == " " else c for c in " ".join(line)]
            expected += ["<s>", *text, "</s>"]
        assert found == expected

    @pytest.mark.parametrize("text", ["a\n" * 1000, "a", "a b", "ab", "a b c d e\n" * 10])
    def test_short_words_have_room(self, write: Write, text: str) -> None:
        lines = text.splitlines()
        assert len(words_of([write(text)])) == sum(2 + len(line.split()) for line in lines)
        assert len(words_of([write(text)], "char")) == sum(2 + len(line) for line in lines)


class TestTable:
    def test_growing_keeps_the_numbers(self) -> None:
        words = tuple(f"w{number}" for number in range(1000))
        table = grown(word_table(words), 10, 100)
        assert listed_words(table) == words

    def test_words_of_one_hash_slot_are_told_apart(self, write: Write) -> None:
        words = [f"{number:x}" for number in range(5000)]
        path = write(" ".join(words) + "\n" + " ".join(reversed(words)) + "\n")
        found = words_of([path])
        assert found == ["<s>", *words, "</s>", "<s>", *reversed(words), "</s>"]


class TestRefused:
    @pytest.mark.parametrize(
        ("content", "line", "says"),
        [
            ("a\nb <s> c\n", 2, "'<s>'"),
            ("a\nb\nc </s>", 3, "'</s>'"),
            ("a\n\n\0b\n", 3, "NUL"),
            (b"a\n" + "é\n".encode("latin-1"), 2, "0xe9 is not UTF-8"),
            (b"a\n\xe4\xb8", 2, "not UTF-8"),
        ],
    )
    def test_one_sentence_with_the_line(
        self, write: Write, content: str | bytes, line: int, says: str
    ) -> None:
        path = write(content)
        for block_bytes in (1 << 17, 3):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(reading, "BLOCK_BYTES", block_bytes)
                with pytest.raises(DataError, match=f"^{re.escape(str(path))}:{line}: .*{re.escape(says)}"):
                    words_of([path])

    def test_too_many_words(self, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "MOST_WORDS", 5)
        assert words_of([write("a b\n")])
        with pytest.raises(DataError, match="more than 5 different words"):
            words_of([write("a b c\n")])

    def test_files_that_cannot_be_read(self, write: Write, tmp_path: Path) -> None:
        cut = write(gzip.compress(b"a b c\n" * 100)[:-10])
        for path in (tmp_path, tmp_path / "none", cut):
            with pytest.raises(DataError, match=re.escape(str(path))):
                words_of([path])
