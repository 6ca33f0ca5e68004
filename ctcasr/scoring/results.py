"""What is told of a corpus's scores: lines to read, and one JSON object."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from ctcasr.scoring.corpus import CorpusScore


def as_lines(scores: Sequence[CorpusScore]) -> list[str]:
    """Return Kaldi's lines, `%WER`, `%SER` and `%MER` of the first unit and the rate of any other unit."""
    first, *others = scores
    lines = [*first.kaldi_lines(), first.counts.match_error_line()]
    return lines + [other.kaldi_lines()[0] for other in others]


def as_json(scores: Sequence[CorpusScore]) -> str:
    """Return one JSON object, on lines of its own, with counts and rates (as shares, not percent) by unit.

    A rate that is infinite, of insertions where nothing was to be said, is null.
    """
    first = scores[0]
    fields: dict[str, Any] = {
        "utterances": len(first.utterances),
        "missing": list(first.missing),
        "sentence_errors": first.sentence_errors,
        "sentence_error_rate": first.sentence_error_rate,
    }
    return json.dumps(fields | {score.unit: _counts(score) for score in scores}, ensure_ascii=False, indent=2)


def _counts(score: CorpusScore) -> dict[str, Any]:
    counts = score.counts
    return {
        "rate": counts.rate if math.isfinite(counts.rate) else None,
        "match_error_rate": counts.match_error_rate,
        "errors": counts.errors,
        "reference_length": counts.reference_length,
        "hits": counts.hits,
        "substitutions": counts.substitutions,
        "deletions": counts.deletions,
        "insertions": counts.insertions,
    }
