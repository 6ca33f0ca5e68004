"""Error counts: the four numbers behind every word or character error rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Unit = Literal["word", "char", "phone"]
"""What is counted: words, or characters (Unicode code points, the spaces between words included)."""

RATE_NAMES: dict[Unit, str] = {"word": "%WER", "char": "%CER", "phone": "%PER"}


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Count how the tokens of a hypothesis differ from those of its reference.

    Counts add up: the counts of a corpus are the sum of those of its utterances, and the rate of a corpus
    comes from that sum (it is not the mean of the utterances' rates).

    Attributes:
        hits: reference tokens that the hypothesis has.
        substitutions: reference tokens that the hypothesis has wrong.
        deletions: reference tokens that the hypothesis lacks.
        insertions: hypothesis tokens that the reference lacks.
    """

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def reference_length(self) -> int:
        """Number of tokens in the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        """Number of substitutions, deletions and insertions together: the Levenshtein distance."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors per reference token: 0.0 is perfect, and insertions can take it above 1.0.

        An empty reference has no token to divide by. Its rate is defined as 0.0 when there is no error, and
        as infinity when anything was inserted: no finite figure could be compared with other rates.
        """
        if self.reference_length:
            return self.errors / self.reference_length
        return math.inf if self.errors else 0.0

    @property
    def match_error_rate(self) -> float:
        """Share of the steps of the alignment that are errors, in [0, 1] (Morris et al. 2004).

        Other than `rate` it never exceeds 1, for insertions count below the line as well. Of nothing against
        nothing it is 0.0.
        """
        steps = self.reference_length + self.insertions
        return self.errors / steps if steps else 0.0

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    def kaldi_line(self, unit: Unit = "word") -> str:
        """Return the line of Kaldi's `compute-wer`: `%WER 12.50 [ 1 / 8, 0 ins, 0 del, 1 sub ]`.

        Args:
            unit: what was counted; characters give `%CER` in the place of `%WER`.

        Returns:
            The line, without a line end. The rate is in percent with two decimals, or `inf`.
        """
        return (
            f"{RATE_NAMES[unit]} {100 * self.rate:.2f} [ {self.errors} / {self.reference_length}, "
            f"{self.insertions} ins, {self.deletions} del, {self.substitutions} sub ]"
        )

    def match_error_line(self) -> str:
        """Return the match error rate in the same manner: `%MER 11.11 [ 1 / 9 ]`, without a line end."""
        steps = self.reference_length + self.insertions
        return f"%MER {100 * self.match_error_rate:.2f} [ {self.errors} / {steps} ]"
