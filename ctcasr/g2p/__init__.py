"""Grapheme to phoneme: the pronunciation of words that no dictionary has, from their letters."""

from ctcasr.g2p.model import LONGEST_WORD, Guess, Pronouncer

__all__ = ["LONGEST_WORD", "Guess", "Pronouncer"]
