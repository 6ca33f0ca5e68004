"""Words and their spelling as numbers, for networks that read text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.errors import DataError
from ctcasr.text.vocabulary import from_lines

PADDING, UNKNOWN = 0, 1
"""Numbers that no word and no character of a vocabulary has."""

FIRST = 2
MOST_CHARACTERS = 32
"""Of a longer word the last ones are not read."""


class EncodedWords(NamedTuple):
    """A sentence: the numbers of its words `(T,)`, and of their characters `(T, C)`, padded by 0."""

    words: npt.NDArray[np.int64]
    characters: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Names:
    """What outputs stand for, or words and characters: a name a line in a file, each only once."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        repeated = [name for name, count in Counter(self.names).items() if count > 1]
        if not self.names or repeated or any(not name or name.split() != [name] for name in self.names):
            raise DataError(
                f"expected names without spaces, each once, one a line; found {len(self.names)} names, "
                f"of which {repeated[:5]} stand more than once"
            )

    @classmethod
    def read(cls, path: Path) -> Names:
        """Read names, one a line.

        Raises:
            DataError: the file is unreadable, or no list of names.
        """
        return from_lines(path, cls)

    def write(self, path: Path) -> None:
        """Write a name a line; the file appears whole or not at all."""
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_text("".join(f"{name}\n" for name in self.names), encoding="utf-8")
        temporary.replace(path)

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def ids(self) -> dict[str, int]:
        """The number of each name."""
        return {name: number for number, name in enumerate(self.names)}


@dataclass(frozen=True)
class TokenVocabulary:
    """The words that a network knows as such, in lower case, and the characters that it spells all words with.

    A word that it does not know is the unknown word, told from others by its spelling.
    """

    words: Names
    characters: Names

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]], min_count: int = 1) -> TokenVocabulary:
        """Collect all characters of sentences, and the words that they have at least so many times.

        Raises:
            DataError: no word is left.
        """
        counts: Counter[str] = Counter()
        characters: set[str] = set()
        for sentence in sentences:
            counts.update(word.lower() for word in sentence)
            characters.update(*sentence)
        words = Names(tuple(sorted(word for word, count in counts.items() if count >= min_count)))
        return cls(words, Names(tuple(sorted(characters))))

    def encode(self, sentence: Sequence[str]) -> EncodedWords:
        """Return the numbers of a sentence's words and of their characters."""
        words = [self.words.ids.get(word.lower(), UNKNOWN - FIRST) + FIRST for word in sentence]
        width = min(MOST_CHARACTERS, max(map(len, sentence), default=0))
        characters = np.zeros((len(sentence), width), np.int64)
        for place, word in enumerate(sentence):
            ids = [self.characters.ids.get(letter, UNKNOWN - FIRST) + FIRST for letter in word[:width]]
            characters[place, : len(ids)] = ids
        return EncodedWords(np.array(words, np.int64), characters)

    @property
    def word_count(self) -> int:
        """Numbers that a word can have."""
        return FIRST + len(self.words)

    @property
    def character_count(self) -> int:
        """Numbers that a character can have."""
        return FIRST + len(self.characters)
