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
        dictionary: pronunciations; read for phones alone.

    Raises:
        DataError: a file is unreadable, breaks the rules of the vocabulary, or does not fit the other.
    """
    if units == "phone":
        pronunciations = Pronunciations.read(dictionary)
        return from_lines(tokens, lambda symbols: PhoneVocabulary(symbols, pronunciations))
    return (PieceVocabulary if units == "bpe" else Vocabulary).read(tokens)
