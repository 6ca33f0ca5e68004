"""Pronouncing dictionaries and the vocabulary of phones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.errors import DataError
from ctcasr.text import BLANK, SPACE, PhoneVocabulary, Pronunciations, read_vocabulary

CMU = """;;; a comment
'bout B AW1 T
A  AH0
A(2)  EY1
aalborg AO1 L B AO0 R G # place, danish

zero Z IH1 R OW0
zero(2) Z IY1 R OW0
zero(3) Z IH1 R OW0
"""
SMALL = Pronunciations({"two": (("T", "UW"),), "a": (("AH",), ("EY",)), "to": (("T", "UW"), ("T", "AH"))})
WORDS = st.text(st.characters(categories=["L", "N"], include_characters="'"), min_size=1, max_size=5)
PHONES = st.lists(st.sampled_from(["AH", "EY", "T", "UW", "ʃ"]), min_size=1, max_size=4).map(tuple)


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "words.dict"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


class TestDictionaries:
    def test_cmus_marks(self, tmp_path: Path) -> None:
        found = Pronunciations.read(write(tmp_path, CMU))
        assert dict(found.by_word) == {
            "'bout": (("B", "AW1", "T"),),
            "A": (("AH0",), ("EY1",)),
            "aalborg": (("AO1", "L", "B", "AO0", "R", "G"),),
            "zero": (("Z", "IH1", "R", "OW0"), ("Z", "IY1", "R", "OW0")),
        }
        assert found.phones == (
            "AH0",
            "AO0",
            "AO1",
            "AW1",
            "B",
            "EY1",
            "G",
            "IH1",
            "IY1",
            "L",
            "OW0",
            "R",
            "T",
            "Z",
        )

    def test_without_stress_equal_pronunciations_are_one(self, tmp_path: Path) -> None:
        found = Pronunciations.read(write(tmp_path, "a AH0\na(2) AH1\na(3) EY2\nx X3 E10\n")).without_stress()
        assert dict(found.by_word) == {"a": (("AH",), ("EY",)), "x": (("X3", "E10"),)}

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(
        st.dictionaries(WORDS, st.lists(PHONES, min_size=1, max_size=3, unique=True), min_size=1, max_size=4)
    )
    def test_round_trip(
        self, tmp_path_factory: pytest.TempPathFactory, words: dict[str, list[tuple[str, ...]]]
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "round.dict"
        written = Pronunciations({word: tuple(variants) for word, variants in words.items()})
        written.write(path)
        assert Pronunciations.read(path) == written
        assert not path.with_name("round.dict.tmp").exists()

    def test_a_part(self) -> None:
        assert list(SMALL.of_words(["a", "two", "a"]).by_word) == ["a", "two"]
        with pytest.raises(DataError, match=r"words \['three', 'four'\] are not among the 3"):
            SMALL.of_words(["three", "two", "four"])
        with pytest.raises(DataError, match=r"'w9'\] and 2 more are not"):
            SMALL.of_words([f"w{number}" for number in range(12)])

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "has no words"),
            (";;; nothing\n\n", "has no words"),
            ("two T UW\nthree\n", r"words\.dict:2: found 'three'; expected a word and its phones"),
            ("two T <blank>", r"words\.dict:1: found"),
            ("two T <space>", r"words\.dict:1: found"),
            ("two # T UW", r"words\.dict:1: found"),
            (b"\xff\xfe", "cannot be read as UTF-8"),
        ],
    )
    def test_bad_dictionaries(self, tmp_path: Path, content: str | bytes, message: str) -> None:
        with pytest.raises(DataError, match=message):
            Pronunciations.read(write(tmp_path, content))

    def test_a_missing_dictionary(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"none\.dict: cannot be read"):
            Pronunciations.read(tmp_path / "none.dict")
        with pytest.raises(DataError, match="cannot be read"):
            Pronunciations.read(Path("a\0b"))


class TestVocabulary:
    def test_symbols_are_the_dictionarys_phones(self) -> None:
        vocabulary = PhoneVocabulary.of(SMALL)
        assert vocabulary.symbols == (BLANK, "AH", "EY", "T", "UW")
        assert (len(vocabulary), vocabulary.units) == (5, "phone")

    def test_words_are_said_in_their_usual_way(self) -> None:
        vocabulary = PhoneVocabulary.of(SMALL)
        assert vocabulary.encode(" two  a to").tolist() == [3, 4, 1, 3, 4]
        assert vocabulary.encode("").tolist() == []
        assert vocabulary.spellings("to") == ((3, 4), (3, 1))
        with pytest.raises(DataError, match=r"words \['three'\]"):
            vocabulary.encode("two three")
        with pytest.raises(DataError, match=r"words \['three'\]"):
            vocabulary.spellings("three")

    def test_text_is_phones(self) -> None:
        vocabulary = PhoneVocabulary.of(SMALL)
        assert vocabulary.decode([3, 0, 4]) == "T UW"
        assert vocabulary.words([3, 0, 4]) == [("T", 0, 1), ("UW", 2, 3)]

    @pytest.mark.parametrize(
        ("word", "fitted", "unknown"),
        [
            ("two", "two", []),
            ("Two", "two", []),
            ("TWO", "two", []),
            ("«two,»", "two", []),
            ("--", "", []),
            ("three", "", ["three"]),
            ("three!", "", ["three!"]),
        ],
    )
    def test_words_are_looked_up(self, word: str, fitted: str, unknown: list[str]) -> None:
        assert PhoneVocabulary.of(SMALL).fit(word) == (fitted, unknown)

    def test_upper_case_dictionaries(self) -> None:
        vocabulary = PhoneVocabulary.of(Pronunciations({"TWO": (("T", "UW"),), "'BOUT": (("B",),)}))
        assert vocabulary.fit("two") == ("TWO", [])
        assert vocabulary.fit("'bout") == ("'BOUT", [])

    def test_files(self, tmp_path: Path) -> None:
        vocabulary = PhoneVocabulary.of(SMALL)
        vocabulary.write(tmp_path / "tokens.txt")
        SMALL.write(tmp_path / "lexicon.txt")
        assert read_vocabulary(tmp_path / "tokens.txt", "phone", tmp_path / "lexicon.txt") == vocabulary
        (tmp_path / "tokens.txt").write_text("<blank>\nAH\nT\n")

    def test_a_dictionary_is_read_when_a_word_is_asked_for(self, tmp_path: Path) -> None:
        (tmp_path / "tokens.txt").write_text("<blank>\nAH\nT\n")
        SMALL.write(tmp_path / "lexicon.txt")
        other = read_vocabulary(tmp_path / "tokens.txt", "phone", tmp_path / "lexicon.txt")
        none = read_vocabulary(tmp_path / "tokens.txt", "phone", tmp_path / "none.txt")
        assert [other.decode([1, 2]), none.decode([1, 2])] == ["AH T", "AH T"]
        with pytest.raises(
            DataError, match=r"lexicon\.txt: has the phones \['EY', 'UW'\], not among the 2 symbols"
        ):
            other.encode("a")
        with pytest.raises(DataError, match=r"none\.txt: cannot be read"):
            none.encode("a")

    @pytest.mark.parametrize(
        "symbols", [(BLANK, SPACE), (BLANK, "A B"), (BLANK, ""), ("A", "B"), (BLANK, "A", "A")]
    )
    def test_bad_symbols(self, symbols: tuple[str, ...]) -> None:
        with pytest.raises(DataError):
            PhoneVocabulary(symbols, Pronunciations({"a": ((symbols[1],),)}))


class TestNamedPronunciations:
    VOCABULARY = PhoneVocabulary.of(SMALL)

    def test_a_text_can_say_which_pronunciation_is_heard(self) -> None:
        decode = self.VOCABULARY.decode
        assert decode(self.VOCABULARY.encode("a two a(2)")) == "AH T UW EY"
        assert self.VOCABULARY.spellings("a(2)") == (self.VOCABULARY.spellings("a")[1],)
        assert self.VOCABULARY.fit("a(2)") == ("a(2)", [])

    @pytest.mark.parametrize("word", ["a(3)", "a(0)", "b(1)", "a()", "a(1", "(1)", "a(1234)", "a(2)(2)"])
    def test_others_are_unknown(self, word: str) -> None:
        assert self.VOCABULARY.unknown(f"two {word}") == [word]
        with pytest.raises(DataError, match="are not among the 3 of the dictionary"):
            self.VOCABULARY.encode(word)
