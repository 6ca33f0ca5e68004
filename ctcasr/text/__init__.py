"""Text: normalisation of transcripts, and the vocabularies between characters, phones or pieces and numbers."""

from ctcasr.text.normalizers import NORMALIZERS, Normalizer, find_normalizer
from ctcasr.text.normalizing import normalize
from ctcasr.text.phones import PhoneVocabulary, Pronunciations
from ctcasr.text.pieces import WORD_START_MARK, PieceVocabulary
from ctcasr.text.reading import read_vocabulary
from ctcasr.text.vocabulary import BLANK, BLANK_ID, SPACE, Units, Vocabulary

__all__ = [
    "BLANK",
    "BLANK_ID",
    "NORMALIZERS",
    "SPACE",
    "WORD_START_MARK",
    "Normalizer",
    "PhoneVocabulary",
    "PieceVocabulary",
    "Pronunciations",
    "Units",
    "Vocabulary",
    "find_normalizer",
    "normalize",
    "read_vocabulary",
]
