"""Measure transcripts against references: error counts, alignments, corpus scores.

Scores are strict: utterances are matched by id, every line counts (empty and one-letter ones too), and
nothing is folded, dropped or normalised on the way. What should not count as an error has to be normalised
away before, by the text normalisers, in both the reference and the hypothesis.
"""

from ctcasr.scoring.aligning import Alignment, AlignmentChunk, ChunkKind, align, align_all, tokenize
from ctcasr.scoring.comparing import Comparison, compare
from ctcasr.scoring.corpus import CorpusScore, UtteranceScore, score
from ctcasr.scoring.counts import ErrorCounts, Unit
from ctcasr.scoring.reading import read_pair, read_speakers, read_texts
from ctcasr.scoring.results import Result
from ctcasr.scoring.sclite import as_sclite, steps
from ctcasr.scoring.uncertainty import Interval, rate_interval

__all__ = [
    "Alignment",
    "AlignmentChunk",
    "ChunkKind",
    "Comparison",
    "CorpusScore",
    "ErrorCounts",
    "Interval",
    "Result",
    "Unit",
    "UtteranceScore",
    "align",
    "align_all",
    "as_sclite",
    "compare",
    "rate_interval",
    "read_pair",
    "read_speakers",
    "read_texts",
    "score",
    "steps",
    "tokenize",
]
