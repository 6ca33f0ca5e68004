"""What a decoder returns, and what it accepts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctcasr.errors import DataError

_NORMALISATION_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Token:
    """One symbol of a hypothesis: its number, the frames `[start, end)` that wrote it, and its confidence."""

    id: int
    start_frame: int
    end_frame: int
    confidence: float


@dataclass(frozen=True)
class Hypothesis:
    """One labelling of an utterance, with the score of the path that wrote it (natural logarithm)."""

    tokens: tuple[Token, ...]
    log_prob: float

    @property
    def ids(self) -> tuple[int, ...]:
        """The symbol numbers alone."""
        return tuple(token.id for token in self.tokens)


def check_log_probs(log_probs: npt.NDArray[np.floating]) -> None:
    """Raise DataError unless `log_probs (T, V)` are finite-or-minus-infinity, normalised log-probabilities.

    Nothing is guessed: probabilities, logits or a transposed matrix are refused, not repaired.
    """
    if log_probs.ndim != 2 or log_probs.shape[1] < 2:
        raise DataError(
            f"log_probs have shape {log_probs.shape}; expected (frames, symbols) with 2 symbols or more"
        )
    if len(log_probs) == 0:
        return
    with np.errstate(invalid="ignore"):  # NaN and infinity fail below, without a warning
        totals = np.logaddexp.reduce(log_probs, axis=1, dtype=np.float64)
    # Written so that NaN fails as well.
    wrong = ~(np.abs(totals) <= _NORMALISATION_TOLERANCE)
    if wrong.any():
        frame = int(np.argmax(wrong))
        raise DataError(
            f"frame {frame} of log_probs sums to exp({totals[frame]:.4g}); expected 1: "
            "pass normalised log-probabilities (log_softmax), not probabilities or logits"
        )
