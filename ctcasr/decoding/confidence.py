"""Confidence from the posterior: how much of the probability agrees with each word of the best hypothesis.

A list of the N best hypotheses stands for all there are, as the word lattice does in Evermann and Woodland
(2000), "Large vocabulary decoding and confidence estimation using word posterior probabilities", and in Wessel
et al. (2001), "Confidence measures for large vocabulary continuous speech recognition", section III-B for lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ctcasr.errors import DataError

CANDIDATES = 32
"""Hypotheses that stand for all there are; those behind them hold little probability."""


@dataclass(frozen=True)
class Posterior:
    """How probable the best hypothesis is among its list, in [0, 1].

    Attributes:
        words: for each of its words, the share of the hypotheses that have the same word in the same place.
        utterance: the share of the hypotheses that have the same words, all of them.
    """

    words: tuple[float, ...]
    utterance: float


def posterior(texts: Sequence[Sequence[str]], log_probs: Sequence[float]) -> Posterior:
    """Return the posterior of the first hypothesis and of its words, among those listed.

    The places of two hypotheses are matched by an alignment with the fewest word errors (Levenshtein); where
    several have as few, it is one of them.

    Args:
        texts: words of each hypothesis, the best hypothesis first.
        log_probs: their scores, natural logarithms: what the decoder ranked them by.

    Raises:
        DataError: there is no hypothesis, or a score is no number.
    """
    scores = np.asarray(log_probs, np.float64)
    if (
        not len(texts)
        or scores.shape != (len(texts),)
        or not np.isfinite(scores[0])
        or np.isnan(scores).any()
    ):
        raise DataError(
            f"{len(texts)} hypotheses with the scores {scores.tolist()[:4]}; expected one or more, and for each "
            "a natural logarithm, finite for the best one"
        )
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    same = 0.0
    others: dict[tuple[str, ...], float] = {}
    best = tuple(texts[0])
    for text, share in zip(map(tuple, texts), shares.tolist(), strict=True):
        if text == best:
            same += share
        else:
            others[text] = others.get(text, 0.0) + share
    words = np.full(len(best), same)
    for text, share in others.items():
        for start, end in agreeing(best, text):
            words[start:end] += share
    return Posterior(tuple(np.minimum(words, 1.0).tolist()), min(1.0, same))


def agreeing(words: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Return the stretches `[start, end)` of `words` that an alignment with the fewest errors finds in `others`."""
    from rapidfuzz.distance import Levenshtein  # here: greedy decoding does not wait for it

    # Numbers, not texts: rapidfuzz compares hashes, and those of small numbers all differ.
    numbers: dict[str, int] = {}
    first, second = ([numbers.setdefault(word, len(numbers)) for word in line] for line in (words, others))
    return [
        (step.src_start, step.src_end) for step in Levenshtein.opcodes(first, second) if step.tag == "equal"
    ]
