"""Phones: pronunciations of words, and the vocabulary of a model that writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ctcasr.errors import DataError
from ctcasr.text.vocabulary import BLANK, SPACE, Ids, Units, Vocabulary, WrittenWord

_VARIANT = re.compile(r"(.+)\((\d{1,3})\)")
_STRESS = re.compile(r"(?<=[A-Z])[0-2]$")


@dataclass(frozen=True)
class Pronunciations:
    """The phones of words, each word with one pronunciation or more, the usual one first."""

    by_word: Mapping[str, tuple[tuple[str, ...], ...]]

    @classmethod
    def read(cls, path: Path) -> Pronunciations:
        """Read a dictionary: `word phone phone ...` a line, a word on as many lines as it has pronunciations.

        The marks of CMU's dictionaries are understood: `word(2)` is another pronunciation of `word`, lines that begin
        with `;;;` and what follows a ` #` are comments. Empty lines are passed over.

        Raises:
            DataError: the file is unreadable or has no words, or a line has no phones; names the line.
        """
        try:
            lines = path.read_text(encoding="utf-8-sig").split("\n")
        except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a NUL in the path
            raise DataError(
                f"{path}: cannot be read as UTF-8 text ({error}); expected `word phone phone ...` a line"
            ) from error
        found: dict[str, tuple[tuple[str, ...], ...]] = {}
        for number, line in enumerate(
            lines, 1
        ):  # a bundle's has 150,000: a second line costs as much as a word
            word, *phones = line.partition(" #")[0].split() or [""]
            if not word or line.startswith(";;;"):
                continue
            if not phones or BLANK in phones or SPACE in phones:
                raise DataError(
                    f"{path}:{number}: found {line.strip()!r}; expected a word and its phones, `word phone phone ...`"
                )
            if word[-1] == ")" and (variant := _VARIANT.fullmatch(word)):
                word = variant[1]
            known, new = found.get(word, ()), tuple(phones)
            if new not in known:
                found[word] = (*known, new)
        if not found:
            raise DataError(f"{path}: has no words; expected `word phone phone ...` a line")
        return cls(found)

    def write(self, path: Path) -> None:
        """Write the dictionary as `read` reads it, whole or not at all."""
        lines = (
            " ".join((word, *phones)) + "\n" for word, variants in self.by_word.items() for phones in variants
        )
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_text("".join(lines), encoding="utf-8")
        temporary.replace(path)

    def without_stress(self) -> Pronunciations:
        """Return the dictionary without the digits by which CMU's marks the stress of vowels, as in `AH0`."""
        bare = {
            word: tuple(
                dict.fromkeys(tuple(_STRESS.sub("", phone) for phone in phones) for phones in variants)
            )
            for word, variants in self.by_word.items()
        }
        return Pronunciations(bare)

    def of_words(self, words: Iterable[str]) -> Pronunciations:
        """Return the part with these words.

        Raises:
            DataError: a word is not in the dictionary; all such words are named.
        """
        wanted = list(dict.fromkeys(words))
        found = {word: self.variants(word) for word in wanted}
        missing = [word for word, variants in found.items() if not variants]
        if missing:
            more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
            raise DataError(
                f"the words {missing[:10]}{more} are not among the {len(self.by_word)} of the dictionary; add their "
                "pronunciations, or drop the utterances"
            )
        return Pronunciations(found)

    def variants(self, word: str) -> tuple[tuple[str, ...], ...]:
        """Return the pronunciations of a word, the usual one first; none if it is unknown.

        `word(2)` is the word in its second pronunciation alone: so a transcript can say which one is heard.
        """
        if word in self.by_word:
            return self.by_word[word]
        marked = _VARIANT.fullmatch(word)
        if marked is None:
            return ()
        number = int(marked[2])
        return self.by_word.get(marked[1], ())[number - 1 : number] if number else ()

    @classmethod
    def on_disk(cls, path: Path, phones: Iterable[str]) -> Pronunciations:
        """Return the dictionary of a file that is read when it is first asked for a word; it may have these phones."""
        return cls(_DictionaryFile(path, tuple(sorted(phones))))

    @cached_property
    def phones(self) -> tuple[str, ...]:
        """All phones, sorted."""
        if isinstance(self.by_word, _DictionaryFile):
            return self.by_word.phones
        return tuple(
            sorted({phone for variants in self.by_word.values() for phones in variants for phone in phones})
        )


class _DictionaryFile(Mapping[str, tuple[tuple[str, ...], ...]]):
    """A dictionary that is not read yet: 150,000 words take half a second, and transcribing needs none of them here."""

    def __init__(self, path: Path, phones: tuple[str, ...]) -> None:
        self.path = path
        self.phones = phones

    @cached_property
    def _words(self) -> Mapping[str, tuple[tuple[str, ...], ...]]:
        """All of it.

        Raises:
            DataError: the file is unreadable or damaged, or has other phones.
        """
        found = Pronunciations.read(self.path)
        if lost := sorted(set(found.phones) - set(self.phones)):
            raise _other_phones(str(self.path), lost, len(self.phones))
        return found.by_word

    def __getitem__(self, word: str) -> tuple[tuple[str, ...], ...]:
        return self._words[word]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)


def _other_phones(dictionary: str, lost: Sequence[str], count: int) -> DataError:
    return DataError(
        f"{dictionary}: has the phones {lost[:5]}, not among the {count} symbols of the vocabulary; use the "
        "dictionary that the model was trained with"
    )


@dataclass(frozen=True)
class PhoneVocabulary(Vocabulary):
    """Phones that a model writes, and the dictionary that leads from words to them.

    Words are said without a symbol between them. What a model writes without a lexicon to find words is a text
    of phones, each of them a word.
    """

    pronunciations: Pronunciations = field(hash=False)

    units: ClassVar[Units] = "phone"
    unknown_noun: ClassVar[str] = "word"

    @classmethod
    def of(cls, pronunciations: Pronunciations) -> PhoneVocabulary:
        """Return the vocabulary of the phones of a dictionary."""
        return cls((BLANK, *pronunciations.phones), pronunciations)

    def _check_symbols(self) -> None:
        wrong = [s for s in self.symbols[1:] if s == SPACE or s.split() != [s]]
        if wrong:
            raise DataError(
                f"phones are names without white space, and none is {SPACE}; found {wrong[:5]}; correct the dictionary"
            )
        lost = sorted(set(self.pronunciations.phones) - set(self.symbols))
        if lost:
            raise _other_phones("the dictionary", lost, len(self) - 1)

    def encode(self, text: str) -> npt.NDArray[np.int64]:
        """Return the phones' numbers `(U,)` of a text, each word in its usual pronunciation or the one it names.

        Raises:
            DataError: a word is not in the dictionary; all such words are named.
        """
        by_word = self.pronunciations.of_words(text.split()).by_word
        phones = [phone for word in text.split() for phone in by_word[word][0]]
        return np.array([self._ids[phone] for phone in phones], np.int64)

    def decode(self, ids: Ids) -> str:
        """Return the phones' names, a space between them; blanks write nothing."""
        return " ".join(self.symbols[number] for number in ids if number)

    def words(self, ids: Ids) -> list[WrittenWord]:
        """Return each phone as a word of its own."""
        return [
            WrittenWord(self.symbols[number], place, place + 1) for place, number in enumerate(ids) if number
        ]

    def spellings(self, word: str) -> tuple[tuple[int, ...], ...]:
        """Return the pronunciations of a word, the usual one first.

        Raises:
            DataError: the word is not in the dictionary.
        """
        variants = self.pronunciations.of_words([word]).by_word[word]
        return tuple(tuple(self._ids[phone] for phone in phones) for phones in variants)

    def unknown(self, text: str) -> list[str]:
        """Return the words that the dictionary does not have, sorted."""
        return sorted(word for word in set(text.split()) if not self.pronunciations.variants(word))

    def fit(self, word: str) -> tuple[str, list[str]]:
        """Return a word as the dictionary has it: in lower or upper case, or without the punctuation around it.

        A word that it does not have is unknown, and nothing remains.
        """
        bare = re.sub(r"^\W+|\W+$", "", word)
        for variant in (word, word.lower(), word.upper(), bare, bare.lower(), bare.upper()):
            if self.pronunciations.variants(variant):
                return variant, []
        return "", [word] if bare else []
