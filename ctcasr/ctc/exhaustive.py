"""CTC by enumeration of all V^T paths: slow, obviously right, and what the fast code is tested against."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ctcasr.ctc.collapsing import collapse

MAX_PATHS = 2_000_000


def labelling_log_probs(log_probs: npt.NDArray[np.floating], blank: int = 0) -> dict[tuple[int, ...], float]:
    """Return the log-probability of every labelling that T frames over V symbols can write.

    Sums the probability of each path over the labelling it collapses to (Graves et al. 2006, equation 3).

    Args:
        log_probs: `(T, V)`, natural logarithms.
        blank: the number of the blank.

    Raises:
        ValueError: there are more than `MAX_PATHS` paths.
    """
    frames, symbols = log_probs.shape
    if symbols**frames > MAX_PATHS:
        raise ValueError(f"{symbols}^{frames} paths are more than {MAX_PATHS}; enumerate smaller cases")
    rows = np.asarray(log_probs, np.float64)
    totals: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(symbols), repeat=frames):
        score = float(sum(rows[frame, symbol] for frame, symbol in enumerate(path)))
        labelling = tuple(collapse(path, blank))
        totals[labelling] = float(np.logaddexp(totals.get(labelling, -np.inf), score))
    return totals


def log_likelihood(log_probs: npt.NDArray[np.floating], targets: Sequence[int], blank: int = 0) -> float:
    """Return log p(targets | log_probs), or minus infinity where no path writes the targets."""
    return labelling_log_probs(log_probs, blank).get(tuple(targets), -np.inf)


def best_labelling(log_probs: npt.NDArray[np.floating], blank: int = 0) -> tuple[tuple[int, ...], float]:
    """Return the most probable labelling and its log-probability; ties go to the smallest tuple."""
    totals = labelling_log_probs(log_probs, blank)
    best = min(totals, key=lambda labelling: (-totals[labelling], labelling))
    return best, totals[best]
