"""What a decoder returns, and what it accepts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.errors import DataError

_NORMALISATION_TOLERANCE = 1e-3


class Token(NamedTuple):
    """One symbol of a hypothesis: its number, the frames `[start, end)` that wrote it, and its confidence."""

    id: int
    start_frame: int
    end_frame: int
    confidence: float


class WordSpan(NamedTuple):
    """A word, the tokens `[start, end)` that spell it, and whether it is a hot word's that decided for it."""

    text: str
    start: int
    end: int
    hot: bool = False


@dataclass(frozen=True)
class Hypothesis:
    """One labelling of an utterance.

    Attributes:
        ids: its symbols' numbers.
        log_prob: what the decoder ranks by, natural logarithm: of the best path for greedy decoding; for a
            beam search of all paths together, weighted language model, bonuses and hot words included.
        acoustic_log_prob: the part of the acoustic model.
        lm_log_prob: the language model's log-probability, unweighted; 0 without one.
        words: the words and their symbols where there is a lexicon, or hot words; empty where there is not.
        locate: finds the symbols' frames; called once, when `tokens` are first asked for.
    """

    ids: tuple[int, ...]
    log_prob: float
    acoustic_log_prob: float
    lm_log_prob: float
    words: tuple[WordSpan, ...]
    locate: Callable[[], tuple[Token, ...]] = field(repr=False, compare=False)

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """The symbols with their frames and confidences."""
        return self.locate()


def check_log_probs(log_probs: npt.NDArray[np.floating]) -> None:
    """Raise DataError unless `log_probs (T, V)` are finite-or-minus-infinity, normalised log-probabilities.

    Nothing is guessed: probabilities, logits or a transposed matrix are refused, not repaired.
    """
    probabilities_of(log_probs)


def probabilities_of(log_probs: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the probabilities `(T, V)` of normalised log-probabilities, in their precision but float32 at least.

    Raises:
        DataError: they are anything else; see `check_log_probs`.
    """
    if log_probs.ndim != 2 or log_probs.shape[1] < 2:
        raise DataError(
            f"log_probs have shape {log_probs.shape}; expected (frames, symbols) with 2 symbols or more"
        )
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinity fail below, without a warning
        # In one pass and in float32: exponentials beyond 1 show at once, and no digits beyond 1e-3 are needed.
        probabilities: npt.NDArray[np.floating] = np.exp(
            log_probs, dtype=np.promote_types(log_probs.dtype, np.float32)
        )
        totals = probabilities @ np.ones(log_probs.shape[1], probabilities.dtype)
    # Written so that NaN fails as well.
    wrong = ~(np.abs(totals - 1) <= _NORMALISATION_TOLERANCE)
    if wrong.any():
        frame = int(np.argmax(wrong))
        raise DataError(
            f"frame {frame} of log_probs sums to {totals[frame]:.4g}; expected 1: "
            "pass normalised log-probabilities (log_softmax), not probabilities or logits"
        )
    return probabilities
