"""Greedy decoding: the most probable symbol of each frame, collapsed; and trimming, which knows no blank."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctcasr.decoding.hypothesis import Hypothesis, Token, check_log_probs


def greedy(log_probs: npt.NDArray[np.floating], blank: int = 0) -> Hypothesis:
    """Decode along the best path (Graves et al. 2006, section 3.2, "best path decoding").

    A token's confidence is the mean probability of its symbol over the frames that wrote it. Equal scores
    go to the lower symbol number.

    Args:
        log_probs: `(T', V)` normalised natural log-probabilities.
        blank: the number of the blank.

    Raises:
        DataError: the input is not normalised log-probabilities.
    """
    check_log_probs(log_probs)
    return _along(log_probs.argmax(axis=1), log_probs, blank)


def trim(log_probs: npt.NDArray[np.floating], blank: int = 0) -> Hypothesis:
    """Decode along the best path of symbols other than the blank, repeats merged: what came before CTC.

    Equal neighbours, as the `ee` of `three`, can never be written. A token's confidence is as of `greedy`.

    Args:
        log_probs: `(T', V)` normalised natural log-probabilities.
        blank: the number of the symbol that is passed over.

    Raises:
        DataError: the input is not normalised log-probabilities.
    """
    check_log_probs(log_probs)
    others = np.delete(np.arange(log_probs.shape[1]), blank)
    return _along(others[log_probs[:, others].argmax(axis=1)], log_probs, None)


def _along(
    path: npt.NDArray[np.integer], log_probs: npt.NDArray[np.floating], blank: int | None
) -> Hypothesis:
    """Return what a path writes, `(T',)` symbols; without a blank nothing is left out."""
    if len(path) == 0:
        return _hypothesis((), 0.0)
    scores = np.take_along_axis(log_probs, path[:, None], axis=1)[:, 0].astype(np.float64)
    starts = np.flatnonzero(np.concatenate(([True], path[1:] != path[:-1])))
    ends = np.append(starts[1:], len(path))
    confidences = np.add.reduceat(np.exp(scores), starts) / (ends - starts)
    tokens = tuple(
        Token(int(path[start]), int(start), int(end), min(1.0, float(confidence)))
        for start, end, confidence in zip(starts, ends, confidences, strict=True)
        if path[start] != blank
    )
    total = float(scores.sum())
    return _hypothesis(tokens, total)


def _hypothesis(tokens: tuple[Token, ...], log_prob: float) -> Hypothesis:
    return Hypothesis(tuple(token.id for token in tokens), log_prob, log_prob, 0.0, (), lambda: tokens)
