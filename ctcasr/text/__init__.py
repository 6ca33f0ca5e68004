"""Text: normalisation of transcripts, and the vocabulary between characters and numbers."""

from ctcasr.text.normalizers import NORMALIZERS, Normalizer, find_normalizer
from ctcasr.text.normalizing import normalize
from ctcasr.text.vocabulary import BLANK, BLANK_ID, SPACE, Vocabulary

__all__ = [
    "BLANK",
    "BLANK_ID",
    "NORMALIZERS",
    "SPACE",
    "Normalizer",
    "Vocabulary",
    "find_normalizer",
    "normalize",
]
