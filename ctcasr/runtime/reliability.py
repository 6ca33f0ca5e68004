"""How far confidences can be relied on: calibration error, Brier score, area under the ROC curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BINS = 10
"""Equal parts of [0, 1] into which confidences are sorted."""


@dataclass(frozen=True)
class Reliability:
    """Measures of confidences against what was correct.

    Attributes:
        calibration_error: expected calibration error (Naeini et al. 2015): difference between the mean
            confidence and the share that is correct in each of `BINS` bins, weighed by their sizes.
        brier: mean squared difference between confidence and outcome (Brier 1950).
        auc: how often a correct word has more confidence than a wrong one, ties counted half (the area under
            the ROC curve); NaN where all are correct or none is.
    """

    calibration_error: float
    brier: float
    auc: float


@dataclass(frozen=True)
class Bins:
    """Confidences sorted into equal parts of [0, 1]; arrays `(BINS,)`, means are NaN in empty bins.

    Attributes:
        counts: words in the bin.
        confidences: mean confidence.
        correct: share that is correct.
    """

    counts: npt.NDArray[np.int64]
    confidences: Float64
    correct: Float64


def bins_of(confidences: Float64, correct: Bools) -> Bins:
    """Sort confidences `(W,)` into bins; the last bin holds 1."""
    numbers = np.minimum((confidences * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(numbers, minlength=BINS)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN
        return Bins(
            counts,
            np.bincount(numbers, confidences, BINS) / counts,
            np.bincount(numbers, correct, BINS) / counts,
        )


def reliability(confidences: Float64, correct: Bools) -> Reliability:
    """Measure confidences `(W,)` in [0, 1] against which words were correct `(W,)`; there is one or more."""
    bins = bins_of(confidences, correct)
    filled = bins.counts > 0
    gaps = np.abs(bins.confidences - bins.correct)[filled] * bins.counts[filled]
    return Reliability(
        float(gaps.sum() / len(confidences)),
        float(np.mean((confidences - correct) ** 2)),
        _area(confidences, correct),
    )


def _area(confidences: Float64, correct: Bools) -> float:
    """Return the area under the ROC curve from ranks (Hanley and McNeil 1982)."""
    right, wrong = int(correct.sum()), int((~correct).sum())
    if not right or not wrong:
        return float("nan")
    _, values, counts = np.unique(confidences, return_inverse=True, return_counts=True)
    middle_ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((middle_ranks[values][correct].sum() - right * (right + 1) / 2) / (right * wrong))
