"""The best tags of a linear-chain conditional random field."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import kernel
from ctcasr.crf.chain import ChainBatch

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def best_tags(batch: ChainBatch) -> tuple[Integers, Doubles]:
    """Return the most probable tags `(B, T)` and their scores `(B,)` (Viterbi 1967).

    Tags beyond a length are 0. Of equals the tag with the lower number wins, the last place being decided first.
    """
    chain = batch.chain
    tags = np.zeros(batch.scores.shape[:2], np.int64)
    best = np.zeros(len(tags))
    for row in np.flatnonzero(batch.lengths):
        length = batch.lengths[row]
        best[row] = _follow(
            np.ascontiguousarray(batch.scores[row, :length], np.float64),
            np.ascontiguousarray(chain.transitions, np.float64),
            np.ascontiguousarray(chain.starts, np.float64),
            np.ascontiguousarray(chain.ends, np.float64),
            tags[row, :length],
        )
    return tags, best


@kernel
def _follow(scores: Doubles, transitions: Doubles, starts: Doubles, ends: Doubles, tags: Integers) -> float:
    """Fill the best tags of one sentence and return their score."""
    places, count = scores.shape
    came_from = np.zeros((places, count), np.int64)
    row = starts + scores[0]
    for place in range(1, places):
        following = np.full(count, -np.inf)
        for before in range(count):
            for tag in range(count):
                value = row[before] + transitions[before, tag]
                if value > following[tag]:
                    following[tag] = value
                    came_from[place, tag] = before
        row = following + scores[place]
    row = row + ends
    tags[-1] = np.argmax(row)
    for place in range(places - 1, 0, -1):
        tags[place - 1] = came_from[place, tags[place]]
    return float(row[tags[-1]])
