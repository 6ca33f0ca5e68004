"""Two systems on the same speech: is one better, or was it luck?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ctcasr.scoring.aligning import Alignment
from ctcasr.scoring.corpus import CorpusScore
from ctcasr.scoring.uncertainty import Interval, check_same_references, difference_interval

SIGNIFICANCE = 0.05
POWER = 0.8
EXACT_BELOW = 50
"""With fewer segments the distribution is enumerated; from here on it is close to the normal one."""

_CLEAN_WORDS = 2  # correct in both systems between two segments (Gillick and Cox)
_QUANTILES = 1.959964 + 0.841621  # of the normal distribution, at 1 - SIGNIFICANCE / 2 and at POWER


@dataclass(frozen=True, slots=True)
class Comparison:
    """The matched-pair sentence-segment test between two systems.

    Attributes:
        first_errors: errors of the first system.
        second_errors: errors of the second system.
        reference_length: tokens of the references.
        segments: stretches with an error of either, between stretches that both have right.
        z: mean difference of errors in a segment in standard errors, first minus second; 0 without segments,
            infinite if all segments differ by the same number.
        p: probability of a difference at least this large if the systems were equally good.
        interval: of the difference of the error rates, if there is enough to tell.
    """

    first_errors: int
    second_errors: int
    reference_length: int
    segments: int
    z: float
    p: float
    interval: Interval | None

    @property
    def is_significant(self) -> bool:
        """Whether luck is an unlikely explanation (p below 0.05)."""
        return self.p < SIGNIFICANCE

    @property
    def tokens_needed(self) -> int | None:
        """How many reference tokens would tell a difference of this size apart four times out of five.

        None if the systems do not differ at all. The standard error falls with the root of the amount of
        speech: `n' = n ((z_0.975 + z_0.8) / z)^2`.
        """
        if self.z == 0 or not self.reference_length:
            return None
        return math.ceil(self.reference_length * (_QUANTILES / self.z) ** 2)

    def lines(self, tokens: str = "words") -> list[str]:
        """Return sentences for a reader: the test, the interval and, if need be, how much data would do."""
        difference = self.first_errors - self.second_errors
        told = (
            f"{abs(difference)} errors {'fewer' if difference < 0 else 'more'}"
            if difference
            else "as many errors"
        )
        z = "" if math.isinf(self.z) else f"z = {self.z:.2f}, "
        verdict = "a real difference" if self.is_significant else "may be luck"
        lines = [
            f"first against second: {self.first_errors} and {self.second_errors} errors, {told}, in "
            f"{self.segments} segments; {z}{_probability(self.p)} (matched pairs): {verdict}"
        ]
        if self.interval is not None:
            lines.append(f"difference of the rates: {self.interval}")
        return lines if self.is_significant else [*lines, self.power_line(tokens)]

    def power_line(self, tokens: str = "words") -> str:
        """Say how much speech would tell the two apart."""
        needed = self.tokens_needed
        if needed is None:
            return "the two make the same number of errors: no amount of speech like this tells them apart"
        times = needed / self.reference_length
        if times <= 1:
            return (
                f"{self.reference_length:,} {tokens} would tell a difference of this size apart four times out of "
                "five: this was the fifth"
            )
        return (
            f"about {needed:,} {tokens} like these ({times:.1f} times as many) would tell a difference of this "
            "size apart four times out of five"
        )


def compare(first: CorpusScore, second: CorpusScore, speakers: Mapping[str, str] | None = None) -> Comparison:
    """Test whether two systems differ (Gillick and Cox 1989, the matched-pair sentence-segment word error test).

    Errors that stand near each other depend on each other, so what is counted is not words but segments: errors
    with fewer than two words between them that both systems have right. The differences of the systems' errors
    in the segments have mean 0 if the systems are equally good.

    Args:
        first: score of the first system.
        second: score of the second, against the same references.
        speakers: speaker of each utterance, for the interval.

    Raises:
        DataError: the references differ.
    """
    check_same_references(first, second)
    differences = [
        difference
        for one, other in zip(first.utterances, second.utterances, strict=True)
        for difference in segment_differences(one.alignment, other.alignment)
    ]
    z, p = matched_pairs(differences)
    return Comparison(
        first_errors=first.counts.errors,
        second_errors=second.counts.errors,
        reference_length=first.counts.reference_length,
        segments=len(differences),
        z=z,
        p=p,
        interval=difference_interval(first, second, speakers),
    )


def segment_differences(first: Alignment, second: Alignment) -> Iterator[int]:
    """Yield the errors of the first minus those of the second in each segment with an error of either."""
    clean, difference, is_open = _CLEAN_WORDS, 0, False
    for place, (one, other) in enumerate(zip(_errors_at(first), _errors_at(second), strict=True)):
        if one or other:
            if is_open and clean >= _CLEAN_WORDS:
                yield difference
                difference = 0
            clean, is_open = 0, True
            difference += one - other
        elif place % 2:  # a word, not a gap
            clean += 1
    if is_open:
        yield difference


def _errors_at(alignment: Alignment) -> list[int]:
    """Return the errors at each place of the reference: gap, word, gap, word, ..., gap; gaps have insertions."""
    errors = [0] * (2 * len(alignment.reference) + 1)
    for chunk in alignment.chunks:
        if chunk.kind == "insert":
            errors[2 * chunk.reference_start] += chunk.hypothesis_end - chunk.hypothesis_start
        elif chunk.kind != "equal":
            for position in range(chunk.reference_start, chunk.reference_end):
                errors[2 * position + 1] += 1
    return errors


def matched_pairs(differences: Sequence[int]) -> tuple[float, float]:
    """Test whether differences have mean zero.

    Args:
        differences: of the errors of two systems, one for each segment.

    Returns:
        The mean in standard errors, and the two-sided probability of one at least as large: of the normal
        distribution for 50 segments and more, of all signs of the differences for fewer.
    """
    z = _z(differences)
    if len(differences) >= EXACT_BELOW and math.isfinite(z):
        return z, math.erfc(abs(z) / math.sqrt(2))
    # Equally good systems: each difference is as likely with the other sign. Sums are integers, so that the
    # distribution over all 2^n signs is a repeated convolution.
    probabilities = {0: 1.0}
    for difference in differences:
        spread: dict[int, float] = {}
        for total, probability in probabilities.items():
            for signed in (total + difference, total - difference):
                spread[signed] = spread.get(signed, 0.0) + probability / 2
        probabilities = spread
    seen = abs(sum(differences))
    return z, min(1.0, sum(chance for total, chance in probabilities.items() if abs(total) >= seen))


def _z(differences: Sequence[int]) -> float:
    count, total = len(differences), sum(differences)
    if total == 0:
        return 0.0
    variance = sum((difference - total / count) ** 2 for difference in differences) / max(count - 1, 1)
    return math.copysign(math.inf, total) if variance == 0 else total / math.sqrt(count * variance)


def _probability(p: float) -> str:
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"
