"""Spoken numbers and dates to written ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcasr.text.written_numbers import TEENS, TENS, UNITS, write_numbers

NAMES = {value: word for table in (UNITS, TEENS, TENS) for word, value in table.items()}


def written(text: str) -> str:
    return " ".join(word.text for word in write_numbers(text.split()))


def spoken(number: int, link: str = " ") -> str:
    """Spell a number below a thousand million; `link` stands between hundreds and what follows."""
    for scale, name in ((10**6, "million"), (10**3, "thousand")):
        if number >= scale:
            rest = number % scale
            return f"{spoken(number // scale, link)} {name}" + (f" {spoken(rest, link)}" if rest else "")
    if number >= 100:
        rest = number % 100
        return f"{NAMES[number // 100]} hundred" + (link + spoken(rest) if rest else "")
    if number in NAMES:
        return NAMES[number]
    return f"{NAMES[number // 10 * 10]} {NAMES[number % 10]}"


@given(st.integers(10, 10**9 - 1), st.sampled_from([" ", " and "]))
def test_cardinals(number: int, link: str) -> None:
    assert written(f"about {spoken(number, link)} people").split()[1].replace(",", "") == str(number)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("five", "five"),
        ("the one i saw", "the one i saw"),
        ("ten", "10"),
        ("twenty five thousand", "25,000"),
        ("two thousand and four", "2004"),
        ("two thousand nineteen hundred", "2000 1900"),
        ("five five oh one", "5501"),
        ("oh five", "oh five"),
        ("five two hundred", "five 200"),
        ("one two three four point", "123 four point"),
        ("three point one four", "3.14"),
        ("zero point five percent", "0.5%"),
        ("five percent", "5%"),
        ("three point", "three point"),
        ("nineteen ninety nine", "1999"),
        ("nineteen oh five", "1905"),
        ("nineteen hundred", "1900"),
        ("twenty twenty", "2020"),
        ("twenty five", "25"),
        ("twenty five hundred", "2500"),
        ("the first", "the first"),
        ("twenty first", "21st"),
        ("eleventh twelfth thirteenth", "11th 12th 13th"),
        ("twenty second twenty third", "22nd 23rd"),
        ("august thirteenth nineteen sixty one", "August 13, 1961"),
        ("may the fifth", "May 5"),
        ("june nineteen ninety", "June 1990"),
        ("the fifth of may two thousand four", "5 May 2004"),
        ("december thirty first", "December 31"),
        ("december thirty two", "December 32"),
        ("you may march on monday in april", "you may march on Monday in April"),
        ("AUGUST THIRTEENTH", "August 13"),
        ("RUBOUT G M", "RUBOUT G M"),
        ("hundred and thousand", "hundred and thousand"),
        ("and", "and"),
        ("", ""),
    ],
)
def test_examples(said: str, expected: str) -> None:
    assert written(said) == expected


SPOKEN = (
    "zero one nine oh ten nineteen twenty ninety hundred thousand million and point percent the of first twentieth "
    "january may monday word"
)
WORDS = st.sampled_from(SPOKEN.split())


@given(st.lists(WORDS, max_size=14))
def test_every_spoken_word_belongs_to_one_written_word(words: list[str]) -> None:
    found = write_numbers(words)
    assert [place for word in found for place in range(word.start, word.stop)] == list(range(len(words)))
    assert all(word.text and " " not in word.text for word in found)


@given(st.lists(st.text("abc", min_size=1), max_size=9))
def test_other_words_stay(words: list[str]) -> None:
    assert [word.text for word in write_numbers(words)] == words
