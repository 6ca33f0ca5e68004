"""How far the score of a sample may lie from that of all the speech it was drawn from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctcasr.errors import DataError
from ctcasr.scoring.corpus import CorpusScore

LEVEL = 0.95
RESAMPLES = 2000
FEWEST_UTTERANCES = 5
"""Fewer say next to nothing about others, and there is no interval."""

FEWEST_SPEAKERS = 8
"""With fewer the utterances are resampled, as if their speakers did not matter."""

_BLOCK = 4_000_000  # drawn numbers held at once
_SEED = 20061  # a score must not change when it is computed again

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of an error rate, or of the difference of two.

    Attributes:
        low: lower end, a share.
        high: upper end, a share.
        level: confidence, in (0, 1).
        unit: what was resampled, `speaker` or `utterance`.
        count: how many of them there are.
    """

    low: float
    high: float
    level: float
    unit: str
    count: int

    def __str__(self) -> str:
        return (
            f"{100 * self.low:.2f} to {100 * self.high:.2f} with {100 * self.level:g} % confidence "
            f"(bootstrap over {self.count} {self.unit}s)"
        )


def rate_interval(score: CorpusScore, speakers: Mapping[str, str] | None = None) -> Interval | None:
    """Return the bootstrap interval of a corpus's error rate.

    What one speaker says is alike, so whole speakers are resampled where there are enough of them.

    Args:
        score: of the corpus.
        speakers: speaker of each utterance by id; utterances are resampled if it leaves one out, or names
            fewer than 8 speakers.

    Returns:
        The interval, or None with fewer than 5 utterances, or with references that are all empty.
    """
    errors = [utterance.counts.errors for utterance in score.utterances]
    return _interval(score, errors, speakers, floor=0.0)


def difference_interval(
    first: CorpusScore, second: CorpusScore, speakers: Mapping[str, str] | None = None
) -> Interval | None:
    """Return the bootstrap interval of the difference of two systems' error rates, first minus second.

    Both are resampled together, so what is hard for both does not widen the interval.

    Raises:
        DataError: the two are not scores of the same references.
    """
    check_same_references(first, second)
    differences = [
        one.counts.errors - other.counts.errors
        for one, other in zip(first.utterances, second.utterances, strict=True)
    ]
    return _interval(first, differences, speakers, floor=-math.inf)


def check_same_references(first: CorpusScore, second: CorpusScore) -> None:
    """Raise DataError unless two scores are of the same references, in the same order and unit."""
    same = first.unit == second.unit and [(u.id, u.reference) for u in first.utterances] == [
        (u.id, u.reference) for u in second.utterances
    ]
    if not same:
        raise DataError(
            "the two systems were scored against different references, expected the same; score both again"
        )


def _interval(
    score: CorpusScore, errors: Sequence[int], speakers: Mapping[str, str] | None, floor: float
) -> Interval | None:
    """Group what belongs together and take the interval of the ratio of sums."""
    lengths = [utterance.counts.reference_length for utterance in score.utterances]
    if len(errors) < FEWEST_UTTERANCES or not sum(lengths):
        return None
    unit, groups = "utterance", list(range(len(errors)))
    named = [(speakers or {}).get(utterance.id) for utterance in score.utterances]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(named))}
    if None not in numbers and len(numbers) >= FEWEST_SPEAKERS:
        unit, groups = "speaker", [numbers[name] for name in named]
    low, high = ratio_interval(
        np.bincount(groups, errors).astype(np.float64), np.bincount(groups, lengths).astype(np.float64)
    )
    return Interval(max(low, floor), high, LEVEL, unit, max(groups) + 1)


def ratio_interval(
    numerators: Floats, denominators: Floats, *, level: float = LEVEL, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Return the studentised bootstrap interval of the ratio of two sums.

    The units are drawn again and again with replacement; the distance of each new ratio from the true one is
    measured in its own standard error (of the linearised ratio), and the quantiles of these distances, times
    the standard error of the sample, give the interval (Efron 1982, chapter 10; Hall 1988). In simulations of
    error rates it covers what it promises where the plain percentile interval is too narrow: with few units.

    Where every unit has the ratio of the whole, as without any error, units say nothing about how they differ;
    the upper end is then that of independent rare errors, none of them seen: `-ln((1 - level) / 2)` of them.

    Args:
        numerators: `(G,)`, errors (or differences) of each unit.
        denominators: `(G,)`, reference length of each unit, their sum above 0.
        level: confidence, in (0, 1).
        resamples: how often the sample is drawn again.

    Returns:
        Lower and upper end.
    """
    ratio = numerators.sum() / denominators.sum()
    error = _standard_error(numerators, denominators)
    tail = (1 - level) / 2
    if error == 0.0:
        margin = -math.log(tail) / denominators.sum()
        return float(ratio - margin), float(ratio + margin)
    rng = np.random.default_rng(_SEED)
    squares = np.stack(
        (numerators, denominators, numerators**2, numerators * denominators, denominators**2), axis=1
    )
    distances = []
    for block in np.array_split(np.arange(resamples), -(-resamples * len(numerators) // _BLOCK)):
        weights = rng.multinomial(len(numerators), np.full(len(numerators), 1 / len(numerators)), len(block))
        tops, bottoms, tops2, mixed, bottoms2 = (weights @ squares).T
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = tops / bottoms
            variances = (tops2 - 2 * ratios * mixed + ratios**2 * bottoms2) / bottoms**2
            distances.append((ratios - ratio) / np.sqrt(np.maximum(variances, 0)))
    # Resamples of one unit over and over have no standard error, and those of empty references no ratio.
    finite = np.concatenate(distances)
    finite = finite[np.isfinite(finite)]
    lowest, highest = np.quantile(finite, (tail, 1 - tail))
    return float(ratio - highest * error), float(ratio - lowest * error)


def _standard_error(numerators: Floats, denominators: Floats) -> float:
    """Standard error of the ratio of sums, linearised (Cochran 1977, equation 6.13)."""
    residuals = numerators - numerators.sum() / denominators.sum() * denominators
    # Rounding leaves a residual of 1e-17 where all ratios are the same.
    if np.abs(residuals).max() < 1e-9 * max(denominators.max(), 1.0):
        return 0.0
    return float(np.sqrt((residuals**2).sum()) / denominators.sum())
