"""English numbers as they are said: `1,250` to `one thousand two hundred fifty`."""

from __future__ import annotations

import re

# fmt: off
_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]
# fmt: on
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = ["", "thousand", "million", "billion", "trillion"]
_LONGEST = 3 * len(_SCALES)  # longer numbers are read digit by digit
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_CURRENCIES = {"$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent")}
_PLURALS = {"penny": "pence"}

# Beside letters and other digits nothing is a number (mp3, b2b, 1990s).
_NUMBER = re.compile(
    r"""(?<![^\W_]) (?P<minus>(?<!\S)[-\u2212])? (?P<currency>[$£€])?
        (?P<whole>[0-9]{1,3}(?:,[0-9]{3})+ | [0-9]+) (?:\.(?P<decimals>[0-9]+))?
        (?P<ordinal>st|nd|rd|th)? (?P<percent>\s?%)? (?![^\W_])""",
    re.VERBOSE,
)
_AND = re.compile(rf"\b(hundred|{'|'.join(_SCALES[1:])}) and (?=(?:{'|'.join(_ONES[1:] + _TENS)})\b)")


def spelled_numbers(text: str) -> str:
    """Write numbers in digits as English words; of a text in lower case.

    Cardinals (`42`, `1,250`), decimals (`3.14`: three point one four), ordinals (`21st`), percent, and amounts
    of dollars, pounds and euros. A number with leading zeros or of more than 15 digits is read digit by digit.
    Years are read as any other number. No `and` is written after hundreds, and one that stands there in words is
    left out, so that both ways of saying it are the same.
    """
    return _AND.sub(r"\1 ", _NUMBER.sub(_spelled, text))


def _spelled(match: re.Match[str]) -> str:
    digits = match["whole"].replace(",", "")
    decimals = match["decimals"] or ""
    if match["currency"]:
        words = _amount(digits, decimals, *_CURRENCIES[match["currency"]])
    else:
        words = cardinal(digits) + (" point " + _digit_by_digit(decimals) if decimals else "")
    if match["ordinal"]:
        *before, last = words.split()
        words = " ".join([*before, _ordinal(last)])
    # Spaces keep the words apart from what stood beside the digits.
    return ("minus " if match["minus"] else "") + words + (" percent" if match["percent"] else "")


def _amount(digits: str, decimals: str, unit: str, part: str) -> str:
    """Return an amount of money; with two decimals they are cents."""
    if len(decimals) not in (0, 2):
        return f"{cardinal(digits)} point {_digit_by_digit(decimals)} {unit}s"
    words = f"{cardinal(digits)} {unit if digits == '1' else unit + 's'}"
    if int(decimals or 0):
        parts = part if int(decimals) == 1 else _PLURALS.get(part, part + "s")
        words += f" {cardinal(decimals.lstrip('0'))} {parts}"
    return words


def cardinal(digits: str) -> str:
    """Return the words of a whole number in digits."""
    if len(digits) > _LONGEST or (len(digits) > 1 and digits[0] == "0"):
        return _digit_by_digit(digits)
    if digits == "0":
        return _ONES[0]
    groups = []
    number = int(digits)
    for scale in _SCALES:
        number, group = divmod(number, 1000)
        if group:
            groups.append(f"{_below_thousand(group)} {scale}".strip())
    return " ".join(reversed(groups))


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    words = [_ONES[hundreds], "hundred"] if hundreds else []
    if rest >= 20:
        words.append(_TENS[rest // 10 - 2])
        rest %= 10
    if rest:
        words.append(_ONES[rest])
    return " ".join(words)


def _digit_by_digit(digits: str) -> str:
    return " ".join(_ONES[int(digit)] for digit in digits)


def _ordinal(word: str) -> str:
    if word in _ORDINALS:
        return _ORDINALS[word]
    return word[:-1] + "ieth" if word.endswith("y") else word + "th"
