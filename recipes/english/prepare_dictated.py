"""Write what is dictated rather than told: words that are spelled, codes, numbers, dates; a sentence a line.

    python recipes/english/prepare_dictated.py cmudict.dict [--data recipes/english/data] [--lines 100000] [--seed 0]

Books hardly ever spell. Beside them, a language model hears `seek a sea` where `c k c` is said: these lines tell it
that letters follow letters, and digits digits. Nothing in them is taken from a corpus of speech: words are drawn from
the dictionary, all else from a generator. What chance has put together as it stands in a test or dev manifest is left
out.
"""

from __future__ import annotations

import argparse
import random
import string
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from ctcasr.data import read_manifest
from ctcasr.errors import CtcAsrError, DataError
from ctcasr.text import Pronunciations
from ctcasr.text.english_numbers import spelled_numbers

DATA = Path(__file__).parent / "data"
# fmt: off
MONTHS = [
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
]
# fmt: on
LONGEST_SPELLED = 14
FEWEST_WORDS = 3


class Speaker:
    """Who dictates: draws what to say next."""

    def __init__(self, words: list[str], seed: int) -> None:
        """Remember words to spell, and where chance begins."""
        self._words, self._random = words, random.Random(seed)
        self._kinds: list[tuple[Callable[[], str], float]] = [
            (self._spelled, 40),
            (self._code, 20),
            (self._digits, 20),
            (self._in_pairs, 8),
            (self._number, 4),
            (self._date, 8),
        ]

    def lines(self, count: int) -> Iterator[str]:
        """Give so many lines."""
        kinds, shares = zip(*self._kinds, strict=True)
        for kind in self._random.choices(kinds, shares, k=count):
            yield kind()

    def _spelled(self) -> str:
        """Spell a word; now and then it is said before."""
        word = self._random.choice(self._words)
        letters = " ".join(word)
        return f"{word} {letters}" if self._random.random() < 0.1 else letters

    def _code(self) -> str:
        """Say one to six letters in no order, most often with a number behind them."""
        letters = " ".join(self._random.choices(string.ascii_lowercase, k=self._random.randint(1, 6)))
        number = self._random.choice([self._digits, self._in_pairs, self._in_pairs, None])
        return letters if number is None else f"{letters} {number()}"

    def _digits(self) -> str:
        """Say digits one by one: as many as in house numbers, ZIP codes, and telephone numbers."""
        zero = self._random.choice(["oh", "zero"])
        digits = self._random.choices(
            string.digits, k=self._random.choice([1, 2, 3, 3, 4, 4, 5, 5, 7, 7, 7, 10])
        )
        return " ".join(zero if digit == "0" else spelled_numbers(digit) for digit in digits)

    def _in_pairs(self) -> str:
        """Say one or two numbers below a hundred, such as `fifty six thirty four` and `two fifteen`."""
        return " ".join(self._pair() for _ in range(self._random.choice([1, 2, 2])))

    def _pair(self) -> str:
        number = self._random.randrange(1, 100)
        said = spelled_numbers(str(number))
        return f"oh {said}" if number < 10 and self._random.random() < 0.3 else said

    def _number(self) -> str:
        """Say a number as it is counted, or a half more."""
        number = self._random.randrange(1, 10 ** self._random.randint(1, 5))
        return spelled_numbers(str(number)) + (" and a half" if self._random.random() < 0.2 else "")

    def _date(self) -> str:
        """Say a day of a month, most often with the year."""
        day = self._random.randint(1, 31)
        suffix = {1: "st", 2: "nd", 3: "rd"}.get(day if day in (11, 12, 13) else day % 10, "th")
        said = spelled_numbers(self._random.choice([f"{day}{suffix}", f"{day}{suffix}", str(day)]))
        century, rest = self._random.choice(["eighteen", "nineteen", "nineteen", "twenty"]), self._pair()
        year = self._random.choice([f" {century} {rest}", f" {century} {rest}", ""])
        return f"{self._random.choice(MONTHS)} {said}{year}"


def words_to_spell(dictionary: Path) -> list[str]:
    """Return the words of a dictionary that are all letters."""
    words = sorted(Pronunciations.read(dictionary).by_word)
    return [
        word
        for word in words
        if 1 < len(word) <= LONGEST_SPELLED and set(word) <= set(string.ascii_lowercase)
    ]


def held_out_texts(data: Path) -> set[str]:
    """Return the transcripts of dev and test; a letter or a digit or two are said everywhere, and not left out.

    Raises:
        DataError: there are no manifests of dev or test, or one is damaged.
    """
    parts = [path for path in sorted(data.glob("*.jsonl")) if path.stem.partition("-")[0] in ("dev", "test")]
    if not parts:
        raise DataError(
            f"{data}: has no manifests of dev and test, whose texts are left out; run prepare.py first"
        )
    texts = {utterance.text for path in parts for utterance in read_manifest(path)}
    return {text for text in texts if len(text.split()) >= FEWEST_WORDS}


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dictionary", type=Path, help="CMU's pronouncing dictionary")
    parser.add_argument(
        "--data", type=Path, default=DATA, help="the manifests; `dictated.txt` is written there"
    )
    parser.add_argument("--lines", type=int, default=100_000, help="how many are drawn")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    arguments = parser.parse_args()
    path = arguments.data / "dictated.txt"
    try:
        held_out = held_out_texts(arguments.data)
        speaker = Speaker(words_to_spell(arguments.dictionary), arguments.seed)
        lines = [line for line in speaker.lines(arguments.lines) if line not in held_out]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except (CtcAsrError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(lines)} lines in {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
