"""The symbols that a model writes, and the way from text to their numbers and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from ctcasr.errors import DataError

BLANK = "<blank>"
SPACE = "<space>"
BLANK_ID = 0
_UNWRITABLE = (" ", "\n", "\r")  # a line of tokens.txt cannot hold them

Ids = Sequence[int] | npt.NDArray[np.integer]
Units = Literal["char", "phone", "bpe"]
Made = TypeVar("Made")


class WrittenWord(NamedTuple):
    """A word and the symbols `[start, end)` that write it."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Vocabulary:
    """Characters that a model writes; symbol 0 is the CTC blank.

    In `tokens.txt` each symbol stands on a line of its own; the space is written `<space>`, because a line
    with a lone space does not survive editors. `PhoneVocabulary` and `PieceVocabulary` write other units.
    """

    symbols: tuple[str, ...]

    units: ClassVar[Units] = "char"
    unknown_noun: ClassVar[str] = "character"
    """What `fit` finds unknown."""

    def __post_init__(self) -> None:
        if len(self.symbols) < 2 or self.symbols[0] != BLANK:
            raise DataError(
                f"a vocabulary starts with {BLANK} and has at least one more symbol; "
                f"found {list(self.symbols[:3])}; put {BLANK} on the first line"
            )
        repeated = [symbol for symbol, count in Counter(self.symbols).items() if count > 1]
        if repeated:
            raise DataError(
                f"symbols stand more than once in the vocabulary: {sorted(repeated)}; keep one of each"
            )
        self._check_symbols()

    def _check_symbols(self) -> None:
        """Raise DataError unless the symbols are such as these units have."""
        wrong = [s for s in self.symbols[1:] if (len(s) != 1 or s in _UNWRITABLE) and s != SPACE]
        if wrong:
            raise DataError(
                "symbols of a character vocabulary are single characters, no line breaks, and the space is "
                f"written {SPACE}; found {wrong[:5]}; normalise the text"
            )

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> Vocabulary:
        """Collect the characters of normalised texts, sorted by code point after the blank."""
        characters = sorted(set().union(*texts))
        return cls((BLANK, *(SPACE if character == " " else character for character in characters)))

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        """Read `tokens.txt`: UTF-8, one symbol a line.

        Raises:
            DataError: the file is unreadable or breaks the rules of a vocabulary.
        """
        return from_lines(path, cls)

    def write(self, path: Path) -> None:
        """Write `tokens.txt`, whole or not at all."""
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_text("".join(f"{symbol}\n" for symbol in self.symbols), encoding="utf-8")
        temporary.replace(path)

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {
            " " if symbol == SPACE else symbol: number for number, symbol in enumerate(self.symbols) if number
        }

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """Return the symbol numbers `(U,)` of a text.

        Raises:
            DataError: a character is not in the vocabulary; all such characters are named.
        """
        try:
            return np.array([self._ids[character] for character in text], np.int64)
        except KeyError:
            unknown = sorted({character for character in text if character not in self._ids})
            raise DataError(
                f"characters {unknown} are not among the {len(self) - 1} symbols of the vocabulary; "
                "normalise the text or make the vocabulary from it"
            ) from None

    def decode(self, ids: Ids) -> str:
        """Return the text of symbol numbers; blanks write nothing."""
        return "".join(self.characters[number] for number in ids)

    def words(self, ids: Ids) -> list[WrittenWord]:
        """Return the words that symbols write: what stands between spaces."""
        words, start = [], 0
        for place in range(len(ids) + 1):
            if place < len(ids) and self.characters[ids[place]] != " ":
                continue
            if place > start:
                words.append(WrittenWord(self.decode(ids[start:place]), start, place))
            start = place + 1
        return words

    def spellings(self, word: str) -> tuple[tuple[int, ...], ...]:
        """Return the ways to spell a word, the usual one first.

        Raises:
            DataError: the word cannot be spelled.
        """
        return (tuple(self.encode(word).tolist()),)

    def unknown(self, text: str) -> list[str]:
        """Return what of a text the model cannot write as it stands: characters here, sorted."""
        return sorted(set(text) - set("".join(self.characters)))

    def fit(self, word: str) -> tuple[str, list[str]]:
        """Return a word as the model writes it, in lower or upper case where need be, and what it cannot write.

        What it cannot write, characters here, is left out of the word, of which nothing may remain.
        """
        fitted, unknown = "", []
        for character in word:
            for variant in (character, character.lower(), character.upper()):
                if set(variant) <= self.letters:
                    fitted += variant
                    break
            else:
                unknown.append(character)
        return fitted, unknown

    @cached_property
    def letters(self) -> frozenset[str]:
        """The characters that words are made of."""
        return frozenset("".join(self.characters)) - {" "}

    @cached_property
    def characters(self) -> tuple[str, ...]:
        """What each symbol writes: nothing for the blank, a space for `<space>`."""
        return ("", *(" " if symbol == SPACE else symbol for symbol in self.symbols[1:]))


def from_lines(path: Path, make: Callable[[tuple[str, ...]], Made]) -> Made:
    """Make a vocabulary of the lines of a file, a symbol a line.

    Raises:
        DataError: the file is unreadable or breaks the rules of the vocabulary.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read as UTF-8 text ({error}); expected one symbol a line"
        ) from error
    if lines and lines[-1] == "":
        lines.pop()
    try:
        return make(tuple(lines))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
