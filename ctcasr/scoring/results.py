"""What is told of a corpus's scores: lines to read, and one JSON object."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ctcasr.scoring.comparing import Comparison, compare
from ctcasr.scoring.corpus import CorpusScore
from ctcasr.scoring.counts import RATE_NAMES
from ctcasr.scoring.uncertainty import Interval, rate_interval
from ctcasr.text import NORMALIZERS, Normalizer

_TOKENS = {"word": "words", "char": "characters", "phone": "phones"}


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that is told of a scoring.

    Attributes:
        scores: of the same utterances, the most important unit first.
        interval: of the first score's rate, if there is enough to tell.
        comparison: with another system, if there is one.
        other: the other system's score, in the first unit.
        normalizer: what was done to the texts before.
    """

    scores: tuple[CorpusScore, ...]
    interval: Interval | None
    comparison: Comparison | None = None
    other: CorpusScore | None = None
    normalizer: Normalizer = NORMALIZERS["none"]

    @classmethod
    def of(
        cls,
        scores: Sequence[CorpusScore],
        speakers: Mapping[str, str] | None = None,
        *,
        other: CorpusScore | None = None,
        normalizer: Normalizer = NORMALIZERS["none"],
    ) -> Result:
        """Add to scores how sure they are, and the comparison with another system's score.

        Raises:
            DataError: the other system was scored against other references.
        """
        comparison = None if other is None else compare(scores[0], other, speakers)
        return cls(tuple(scores), rate_interval(scores[0], speakers), comparison, other, normalizer)

    def lines(self) -> list[str]:
        """Return Kaldi's lines, then sentences on how sure they are and on the other system.

        The lines of Kaldi are `%WER`, `%SER` and `%MER` of the first unit and the rate of any other unit.
        """
        first, *others = self.scores
        lines = [*first.kaldi_lines(), first.counts.match_error_line()]
        lines += [score.kaldi_lines()[0] for score in others]
        if self.normalizer.rules:
            lines.append(f"normalized: {self.normalizer.name} ({', '.join(self.normalizer.rule_names)})")
        if self.interval is not None:
            lines.append(f"{RATE_NAMES[first.unit]} is {self.interval}")
        if self.other is not None and self.comparison is not None:
            lines += [f"second: {self.other.kaldi_lines()[0]}", *self.comparison.lines(_TOKENS[first.unit])]
        return lines

    def json(self) -> str:
        """Return one JSON object, on lines of its own, with counts and rates (as shares, not percent) by unit.

        A rate that is infinite, of insertions where nothing was to be said, is null.
        """
        first = self.scores[0]
        fields: dict[str, Any] = {
            "normalize": {"name": self.normalizer.name, "rules": list(self.normalizer.rule_names)},
            "utterances": len(first.utterances),
            "missing": list(first.missing),
            "sentence_errors": first.sentence_errors,
            "sentence_error_rate": first.sentence_error_rate,
        }
        fields |= {score.unit: _counts(score) for score in self.scores}
        fields["interval"] = None if self.interval is None else asdict(self.interval)
        if self.other is not None and self.comparison is not None:
            comparison = asdict(self.comparison) | {"tokens_needed": self.comparison.tokens_needed}
            comparison["z"] = comparison["z"] if math.isfinite(self.comparison.z) else None
            fields["against"] = {self.other.unit: _counts(self.other), "comparison": comparison}
        return json.dumps(fields, ensure_ascii=False, indent=2)


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
