"""Measure transcripts against references: error counts, alignments, corpus scores.

Scores are strict: utterances are matched by id, every line counts (empty and one-letter ones too), and
nothing is folded, dropped or normalised on the way. What should not count as an error has to be normalised
away before, by the text normalisers, in both the reference and the hypothesis.
"""

from ctcasr.scoring.aligning import Alignment, AlignmentChunk, ChunkKind, align, align_all, tokenize
from ctcasr.scoring.corpus import CorpusScore, UtteranceScore, score
from ctcasr.scoring.counts import ErrorCounts, Unit
from ctcasr.scoring.reading import read_pair, read_speakers, read_texts
from ctcasr.scoring.results import as_json, as_lines
from ctcasr.scoring.sclite import as_sclite

__all__ = [
    "Alignment",
    "AlignmentChunk",
    "ChunkKind",
    "CorpusScore",
    "ErrorCounts",
    "Unit",
    "UtteranceScore",
    "align",
    "align_all",
    "as_json",
    "as_lines",
    "as_sclite",
    "read_pair",
    "read_speakers",
    "read_texts",
    "score",
    "tokenize",
]
