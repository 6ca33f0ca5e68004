"""The vocabulary of a run or a bundle, read from its files."""

from __future__ import annotations

from pathlib import Path

from ctcasr.text.phones import PhoneVocabulary, Pronunciations
from ctcasr.text.pieces import PieceVocabulary
from ctcasr.text.vocabulary import Units, Vocabulary, from_lines


def read_vocabulary(tokens: Path, units: Units, dictionary: Path) -> Vocabulary:
    """Read the vocabulary of a model.

    Args:
        tokens: `tokens.txt`, one symbol a line.
        units: what the symbols are.
        dictionary: pronunciations, for phones alone; it is read when a word is first asked for.

    Raises:
        DataError: the symbols are unreadable or break the rules of the vocabulary.
    """
    if units == "phone":
        return from_lines(
            tokens,
            lambda symbols: PhoneVocabulary(symbols, Pronunciations.on_disk(dictionary, symbols[1:])),
        )
    return (PieceVocabulary if units == "bpe" else Vocabulary).read(tokens)
