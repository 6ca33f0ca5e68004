"""Inverse text normalisation for English: spoken numbers and dates to written ones.

What is written: cardinals from ten (`twenty five` 25, `three thousand` 3000), decimals (`three point one` 3.1),
percentages, sequences of two digits and more (`five five oh one` 5501), years (`nineteen ninety nine` 1999), ordinals
from the tenth (`twenty first` 21st), and dates (`august thirteenth nineteen sixty one` August 13, 1961). Numbers below
ten stay words by themselves, as `one` is often none. Names of months and weekdays get a capital letter, `march`
and `may` only in dates. What does not parse stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple


def _words(text: str) -> list[str]:
    return text.split()


UNITS = {
    word: value for value, word in enumerate(_words("zero one two three four five six seven eight nine"))
}
TEENS = {
    word: value
    for value, word in enumerate(
        _words("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"), 10
    )
}
TENS = {
    word: 10 * value
    for value, word in enumerate(_words("twenty thirty forty fifty sixty seventy eighty ninety"), 2)
}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
UNIT_ORDINALS = {
    word: value
    for value, word in enumerate(_words("first second third fourth fifth sixth seventh eighth ninth"), 1)
}
TEEN_ORDINALS = {f"{word}th": value for word, value in TEENS.items() if value != 12} | {"twelfth": 12}
TENS_ORDINALS = {f"{word[:-1]}ieth": value for word, value in TENS.items()}
MONTHS = frozenset(
    _words("january february march april may june july august september october november december")
)
AMBIGUOUS_MONTHS = frozenset({"march", "may"})
WEEKDAYS = frozenset(_words("monday tuesday wednesday thursday friday saturday sunday"))
ZERO_LETTER = "oh"
YEARS = range(1000, 2100)
SMALLEST = 10
"""Cardinals and ordinals below are words."""

COMMAS_FROM = 10_000


class Written(NamedTuple):
    """A written word, and the spoken words `[start, stop)` that it stands for."""

    text: str
    start: int
    stop: int


class _Number(NamedTuple):
    value: int
    stop: int


def write_numbers(words: Sequence[str]) -> list[Written]:
    """Return the words with their numbers and dates written; each spoken word belongs to exactly one of them.

    Args:
        words: spoken, without punctuation, in any case.
    """
    tokens = [word.lower() for word in words]
    written: list[Written] = []
    place = 0
    while place < len(tokens):
        found = next(filter(None, (rule(tokens, place) for rule in _RULES)), None)
        found = found or [Written(_capitalised(words[place], tokens[place]), place, place + 1)]
        written += found
        place = found[-1].stop
    return written


def _capitalised(word: str, token: str) -> str:
    is_name = token in WEEKDAYS or (token in MONTHS and token not in AMBIGUOUS_MONTHS)
    return token.capitalize() if is_name else word


def _at(tokens: Sequence[str], place: int) -> str:
    return tokens[place] if place < len(tokens) else ""


def _below_hundred(tokens: Sequence[str], place: int) -> _Number | None:
    token = _at(tokens, place)
    if token in TENS:
        unit = UNITS.get(_at(tokens, place + 1), 0)
        return _Number(TENS[token] + unit, place + 1 + (unit > 0))
    value = UNITS.get(token, TEENS.get(token))
    return None if value is None else _Number(value, place + 1)


def _below_scale(tokens: Sequence[str], place: int) -> _Number | None:
    """Return a number with hundreds: `two hundred and five`, and also `nineteen hundred`."""
    found = _below_hundred(tokens, place)
    if found is None or not found.value or _at(tokens, found.stop) != "hundred":
        return found
    value, stop = found.value * 100, found.stop + 1
    rest = _below_hundred(tokens, stop + (_at(tokens, stop) == "and"))
    return _Number(value + rest.value, rest.stop) if rest and rest.value else _Number(value, stop)


def _cardinal(tokens: Sequence[str], place: int) -> _Number | None:
    total, stop, limit = 0, place, 10**12
    while (found := _below_scale(tokens, stop + (stop > place and _at(tokens, stop) == "and"))) is not None:
        scale = SCALES.get(_at(tokens, found.stop), 1)
        if found.value * scale >= limit or scale >= limit or (stop > place and not found.value):
            break
        total, stop, limit = total + found.value * scale, found.stop + (scale > 1), scale
        if scale == 1 or not found.value:
            break
    return _Number(total, stop) if stop > place else None


def _year(tokens: Sequence[str], place: int) -> _Number | None:
    """Return a year in two halves (`nineteen oh five`, `twenty twenty`), or as a number (`two thousand four`)."""
    century = TEENS.get(_at(tokens, place), 20 if _at(tokens, place) == "twenty" else 0)
    if century:
        if _at(tokens, place + 1) == ZERO_LETTER and UNITS.get(_at(tokens, place + 2)):
            return _Number(century * 100 + UNITS[tokens[place + 2]], place + 3)
        rest = _below_hundred(tokens, place + 1)
        if rest and rest.value >= 10 and _at(tokens, rest.stop) not in (*SCALES, "hundred"):
            return _Number(century * 100 + rest.value, rest.stop)
    found = _cardinal(tokens, place)
    return found if found and found.value in YEARS else None


def _ordinal(tokens: Sequence[str], place: int) -> _Number | None:
    token, following = _at(tokens, place), _at(tokens, place + 1)
    if token in TENS and following in UNIT_ORDINALS:
        return _Number(TENS[token] + UNIT_ORDINALS[following], place + 2)
    value = (UNIT_ORDINALS | TEEN_ORDINALS | TENS_ORDINALS).get(token)
    return None if value is None else _Number(value, place + 1)


def _month_first(tokens: Sequence[str], place: int) -> list[Written] | None:
    """Write `may the fifth nineteen ninety` as `May 5, 1990`, and `june nineteen ninety` as `June 1990`."""
    if tokens[place] not in MONTHS:
        return None
    month = Written(tokens[place].capitalize(), place, place + 1)
    year = _year(tokens, place + 1)
    if year is not None:
        return [month, Written(str(year.value), place + 1, year.stop)]
    begin = place + 1 + (_at(tokens, place + 1) == "the")
    day = _ordinal(tokens, begin) or _below_hundred(tokens, begin)
    if day is None or not 1 <= day.value <= 31:
        return None
    year = _year(tokens, day.stop)
    if year is None:
        return [month, Written(str(day.value), place + 1, day.stop)]
    return [
        month,
        Written(f"{day.value},", place + 1, day.stop),
        Written(str(year.value), day.stop, year.stop),
    ]


def _day_first(tokens: Sequence[str], place: int) -> list[Written] | None:
    """Write `the fifth of may nineteen ninety` as `5 May 1990`."""
    day = _ordinal(tokens, place + (tokens[place] == "the"))
    if day is None or day.value > 31 or _at(tokens, day.stop) != "of":
        return None
    at = day.stop + 1
    if _at(tokens, at) not in MONTHS:
        return None
    dated = [Written(str(day.value), place, at), Written(tokens[at].capitalize(), at, at + 1)]
    year = _year(tokens, at + 1)
    return [*dated, Written(str(year.value), at + 1, year.stop)] if year else dated


def _digits(tokens: Sequence[str], place: int) -> list[Written] | None:
    """Write two digits and more one after the other; `oh` is one of them, but not the first of two."""
    stop = place
    while _at(tokens, stop) in UNITS or _at(tokens, stop) == ZERO_LETTER:
        stop += 1
    if stop > place and _at(tokens, stop) in (*SCALES, "hundred", "point", "percent"):
        stop -= 1  # the last one begins another number
    digits = tokens[place:stop]
    if len(digits) < 2 or (ZERO_LETTER in (digits[0], digits[-1]) and len(digits) < 3):
        return None
    return [Written("".join(str(UNITS.get(digit, 0)) for digit in digits), place, stop)]


def _amount(tokens: Sequence[str], place: int) -> list[Written] | None:
    """Write a cardinal, with its decimals and its percent sign."""
    found = _cardinal(tokens, place)
    if found is None:
        return None
    text, stop = f"{found.value:,}" if found.value >= COMMAS_FROM else str(found.value), found.stop
    is_amount = found.value >= SMALLEST
    decimals = stop + 1
    while _at(tokens, stop) == "point" and _at(tokens, decimals) in UNITS:
        decimals += 1
    if decimals > stop + 1:
        text += "." + "".join(str(UNITS[token]) for token in tokens[stop + 1 : decimals])
        stop, is_amount = decimals, True
    if _at(tokens, stop) == "percent":
        text, stop, is_amount = f"{text}%", stop + 1, True
    return [Written(text, place, stop)] if is_amount else None


def _plain_year(tokens: Sequence[str], place: int) -> list[Written] | None:
    year = _year(tokens, place)
    return [Written(str(year.value), place, year.stop)] if year else None


def _rank(tokens: Sequence[str], place: int) -> list[Written] | None:
    found = _ordinal(tokens, place)
    if found is None or found.value < SMALLEST:
        return None
    ending = {1: "st", 2: "nd", 3: "rd"}.get(found.value % 10 if found.value // 10 != 1 else 0, "th")
    return [Written(f"{found.value}{ending}", place, found.stop)]


_RULES: tuple[Callable[[Sequence[str], int], list[Written] | None], ...] = (
    _month_first,
    _day_first,
    _digits,
    _rank,
    _plain_year,
    _amount,
)

__all__ = ["Written", "write_numbers"]
