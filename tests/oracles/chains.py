"""Linear-chain conditional random fields by enumeration of all sequences of tags."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt

from ctcasr.crf import Chain


def sequence_score(scores: npt.NDArray[np.floating], chain: Chain, tags: tuple[int, ...]) -> float:
    """Return the score of one sequence of tags."""
    if not tags:
        return 0.0
    total = float(chain.starts[tags[0]]) + float(chain.ends[tags[-1]])
    for place, tag in enumerate(tags):
        total += float(scores[place, tag])
        if place:
            total += float(chain.transitions[tags[place - 1], tag])
    return total


def enumerate_chain(scores: npt.NDArray[np.floating], chain: Chain) -> dict[tuple[int, ...], float]:
    """Return the log-probability of every sequence of tags, of the scores `(T, V)` of one sentence."""
    places, count = scores.shape
    found = {
        tags: sequence_score(scores, chain, tags) for tags in itertools.product(range(count), repeat=places)
    }
    highest = max(found.values())
    if highest == -math.inf:
        return found
    total = highest + math.log(sum(math.exp(score - highest) for score in found.values()))
    return {tags: score - total for tags, score in found.items()}
