"""Texts in the characters of a vocabulary, with what was written beside it."""

from __future__ import annotations

import unicodedata

import pytest

from ctcasr.errors import DataError
from ctcasr.runtime.alignment_text import spell
from ctcasr.text import BLANK, SPACE, Vocabulary

LOWER = Vocabulary((BLANK, SPACE, *"abcdeßé'"))
UPPER = Vocabulary((BLANK, *"ABS"))


class TestSpelling:
    def test_words_keep_what_was_written(self) -> None:
        (line,) = spell("  Bad\tCAB  ", LOWER).lines
        assert [(word.text, word.spelling) for word in line.words] == [("Bad", "bad"), ("CAB", "cab")]
        assert (line.number, line.text) == (1, "Bad CAB")

    def test_case_follows_the_vocabulary(self) -> None:
        assert spell("bA aß", UPPER).lines[0].words[1].spelling == "ASS"
        mixed = Vocabulary((BLANK, *"aAb"))
        assert spell("AaB", mixed).lines[0].words[0].spelling == "Aab"

    def test_composed_and_decomposed_are_the_same(self) -> None:
        assert spell(unicodedata.normalize("NFD", "bÉ"), LOWER) == spell("bÉ", LOWER)

    def test_empty_lines_are_passed_over_and_counted_in_numbers(self) -> None:
        spelled = spell("\na\n \t\r\n\nb c\n", LOWER)
        assert [(line.number, line.text) for line in spelled.lines] == [(2, "a"), (5, "b c")]
        assert (spelled.skipped, spelled.skipped_lines) == ({}, ())

    @pytest.mark.parametrize("text", ["", "\n\n", " \t\n"])
    def test_nothing_is_refused(self, text: str) -> None:
        with pytest.raises(DataError, match="holds no words"):
            spell(text, LOWER)


class TestUnknownCharacters:
    def test_they_are_named_with_the_first_line(self) -> None:
        with pytest.raises(
            DataError, match=r"line 2: .* characters '3' \(2 times\), '你' \(once\), only a b c"
        ):
            spell("abc\na 3\n你 3", LOWER)

    def test_many_are_named_in_part(self) -> None:
        with pytest.raises(DataError, match=r"and 2 more, only") as raised:
            spell("012345678901", Vocabulary((BLANK, *map(chr, range(0x4E00, 0x4E00 + 900)))))
        assert len(str(raised.value)) < 500
        assert "\n" not in str(raised.value)

    def test_left_out_they_are_counted(self) -> None:
        spelled = spell("«Bad», -- cab!\n--\nabc", LOWER, skip_unknown=True)
        assert [(word.text, word.spelling) for word in spelled.lines[0].words] == [
            ("«Bad»,", "bad"),
            ("cab!", "cab"),
        ]
        assert spelled.lines[0].text == "«Bad», -- cab!"
        assert [line.number for line in spelled.lines] == [1, 3]
        assert spelled.skipped == {"«": 1, "»": 1, ",": 1, "-": 4, "!": 1}
        assert spelled.skipped_lines == (2,)

    def test_nothing_left_is_refused(self) -> None:
        with pytest.raises(DataError, match="no characters that the model can write"):
            spell("12\n34", LOWER, skip_unknown=True)

    def test_the_blank_and_the_space_are_no_characters(self) -> None:
        with pytest.raises(DataError, match="'<' "):
            spell("<blank>", Vocabulary((BLANK, SPACE, *"blank>")))
