"""The symbols that a model writes, and the way from text to their numbers and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctcasr.errors import DataError

BLANK = "<blank>"
SPACE = "<space>"
BLANK_ID = 0
_UNWRITABLE = (" ", "\n", "\r")  # a line of tokens.txt cannot hold them


@dataclass(frozen=True)
class Vocabulary:
    """Characters that a model writes; symbol 0 is the CTC blank.

    In `tokens.txt` each symbol stands on a line of its own; the space is written `<space>`, because a line
    with a lone space does not survive editors.
    """

    symbols: tuple[str, ...]

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
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path}: cannot be read as UTF-8 text ({error}); expected one symbol a line"
            ) from error
        if lines and lines[-1] == "":
            lines.pop()
        try:
            return cls(tuple(lines))
        except DataError as error:
            raise DataError(f"{path}: {error}") from error

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

    def decode(self, ids: Sequence[int] | npt.NDArray[np.integer]) -> str:
        """Return the text of symbol numbers; blanks write nothing."""
        return "".join(self.characters[number] for number in ids)

    @cached_property
    def characters(self) -> tuple[str, ...]:
        """What each symbol writes: nothing for the blank, a space for `<space>`."""
        return ("", *(" " if symbol == SPACE else symbol for symbol in self.symbols[1:]))
