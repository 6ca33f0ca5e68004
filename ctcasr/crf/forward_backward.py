"""The loss of a linear-chain conditional random field and the probabilities of its tags, summed in float64.

The sums over all sequences of tags run over probabilities that are scaled at each place, so that a place costs a
product of a vector and a matrix. They are exact as long as no state can fall below the smallest double: a row's
smallest entry is at least `exp(-(range of its scores + range of the transitions))` of its sum. Wider
ranges, and forbidden transitions, are summed in logarithms, ten times slower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import inline_kernel, kernel
from ctcasr.crf.chain import Chain, ChainBatch

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

WIDEST = 600.0
"""Range of logarithms that doubles hold, with room for the sums."""


@dataclass(frozen=True)
class ChainSums:
    """The losses of a batch and the expectations that their gradients are made of.

    Attributes:
        batch: what was summed.
        tags: `(B, T)`, of which the losses are.
        losses: `(B,)`, -log p(tags | scores) in nats; infinite where the tags are forbidden, 0 of an empty sentence,
            NaN where a score is.
        marginals: `(B, T, V)`, probability of each tag at each place; zero beyond the length.
        pairs: `(B, V, V)`, expected number of each transition.
    """

    batch: ChainBatch
    tags: Integers
    losses: Doubles
    marginals: Doubles
    pairs: Doubles

    def gradient(self, weights: Doubles) -> tuple[Floats, Chain]:
        """Return the derivatives of the weighted sum of the losses, by the scores and by the chain.

        Each is what the model expects minus what the tags have (Lafferty et al. 2001, section 4; Sutton and McCallum
        2012, equation 5.7). A sentence whose tags are forbidden has a gradient of zeros.

        Args:
            weights: `(B,)`.
        """
        weights = np.where(self.losses == np.inf, 0.0, weights)
        scores = self.marginals * weights[:, None, None]
        chain = self.batch.chain
        count = len(chain.starts)
        transitions = np.einsum("b,bij->ij", weights, self.pairs)
        starts, ends = np.zeros(count), np.zeros(count)
        _subtract(self.tags, self.batch.lengths, weights, scores, transitions)
        for row in np.flatnonzero(self.batch.lengths):
            last = self.batch.lengths[row] - 1
            starts += scores[row, 0]  # at either end, expected and found are those of the place's tag
            ends += scores[row, last]
        dtype = chain.transitions.dtype
        return (
            scores.astype(self.batch.scores.dtype),
            Chain(transitions.astype(dtype), starts.astype(dtype), ends.astype(dtype)),
        )


def chain_losses(batch: ChainBatch, tags: Integers) -> Doubles:
    """Return the losses alone, `(B,)`; see `ChainSums`."""
    batch.check_tags(tags)
    nothing = np.zeros((len(batch.scores), 0, 0))
    return _summed(batch, tags, nothing, nothing)


def forward_backward(batch: ChainBatch, tags: Integers) -> ChainSums:
    """Return the losses of tags and the expectations (Rabiner 1989, section III; Sutton and McCallum 2012, 4.1).

    Args:
        batch: scores.
        tags: `(B, T)`, of which the losses are.

    Raises:
        DataError: the tags do not fit the scores.
    """
    batch.check_tags(tags)
    rows, places, count = batch.scores.shape
    marginals, pairs = np.zeros((rows, places, count)), np.zeros((rows, count, count))
    losses = _summed(batch, tags, marginals, pairs)
    return ChainSums(batch, tags, losses, marginals, pairs)


class _Arrays(NamedTuple):
    """A batch as the kernels read it: `factors` are exponentials of the transitions."""

    scores: Floats
    lengths: Integers
    tags: Integers
    transitions: Doubles
    starts: Doubles
    ends: Doubles


def _summed(batch: ChainBatch, tags: Integers, marginals: Doubles, pairs: Doubles) -> Doubles:
    chain = batch.chain
    doubles = [
        np.ascontiguousarray(array, np.float64) for array in (chain.transitions, chain.starts, chain.ends)
    ]
    arrays = _Arrays(
        np.ascontiguousarray(batch.scores),
        np.ascontiguousarray(batch.lengths, np.int64),
        np.ascontiguousarray(tags, np.int64),
        *doubles,
    )
    with np.errstate(invalid="ignore"):
        width = sum(float(np.ptp(array)) for array in doubles) if doubles[1].size else 0.0
    losses = np.zeros(len(batch.scores))
    _sum_rows(arrays, WIDEST - width, losses, marginals, pairs)
    return losses


@kernel
def _sum_rows(batch: _Arrays, room: float, losses: Doubles, marginals: Doubles, pairs: Doubles) -> None:
    highest = np.max(batch.transitions)
    factors = np.exp(batch.transitions - highest)
    turned = factors.T.copy()
    wanted = marginals.shape[2] > 0
    for row in range(len(batch.scores)):
        length = batch.lengths[row]
        if length == 0:
            continue
        scores = batch.scores[row, :length].astype(np.float64)
        found = _score(scores, batch.tags[row, :length], batch)
        if found == -np.inf:
            losses[row] = np.inf
            continue
        ahead, back = np.zeros(scores.shape), np.zeros(scores.shape)
        if _range(scores) < room:
            total = _sum_scaled(scores, batch, factors, turned, ahead, back, pairs[row])
            total += (length - 1) * highest
            if wanted:
                pairs[row] *= factors
        else:
            total = _sum_logs(scores, batch, ahead, back, pairs[row])
        losses[row] = total - found
        if wanted:
            marginals[row, :length] = ahead * back


@inline_kernel
def _score(scores: Doubles, tags: Integers, batch: _Arrays) -> float:
    total = batch.starts[tags[0]] + scores[0, tags[0]] + batch.ends[tags[-1]]
    for place in range(1, len(tags)):
        total += batch.transitions[tags[place - 1], tags[place]] + scores[place, tags[place]]
    return float(total)


@inline_kernel
def _range(scores: Doubles) -> float:
    """Return the widest range of a place's scores; NaN or infinite where a score is."""
    widest = 0.0
    for place in range(len(scores)):
        width = np.max(scores[place]) - np.min(scores[place])
        widest = width if width > widest or width != width else widest
    return widest


@kernel
def _sum_scaled(
    scores: Doubles,
    batch: _Arrays,
    factors: Doubles,
    turned: Doubles,
    ahead: Doubles,
    back: Doubles,
    pairs: Doubles,
) -> float:
    """Sum all sequences, up to `(T - 1)` times the highest transition; see `_sum_rows` for the arguments."""
    places, count = scores.shape
    emissions, scales = np.empty((places, count)), np.empty(places)
    total = 0.0
    for place in range(places):
        top = np.max(scores[place])
        total += top
        for tag in range(count):
            emissions[place, tag] = math.exp(scores[place, tag] - top)
    top = np.max(batch.starts)
    total += top
    row = np.exp(batch.starts - top)
    for place in range(places):
        if place > 0:
            row[:] = 0.0
            for before in range(count):
                weight = ahead[place - 1, before]
                for tag in range(count):
                    row[tag] += weight * factors[before, tag]
        row *= emissions[place]
        scales[place] = np.sum(row)
        total += math.log(scales[place])
        for tag in range(count):
            ahead[place, tag] = row[tag] / scales[place]
    top = np.max(batch.ends)
    row = np.exp(batch.ends - top)
    left = 0.0
    for tag in range(count):
        left += ahead[-1, tag] * row[tag]
    total += math.log(left) + top
    if pairs.shape[0] == 0:
        return total
    for tag in range(count):
        back[-1, tag] = row[tag] / left
    for place in range(places - 1, 0, -1):
        row[:] = 0.0
        for tag in range(count):
            weight = emissions[place, tag] * back[place, tag] / scales[place]
            for before in range(count):
                row[before] += weight * turned[tag, before]
            emissions[place, tag] = weight
        for before in range(count):
            back[place - 1, before] = row[before]
            weight = ahead[place - 1, before]
            for tag in range(count):
                pairs[before, tag] += weight * emissions[place, tag]
    return total


@kernel
def _sum_logs(scores: Doubles, batch: _Arrays, ahead: Doubles, back: Doubles, pairs: Doubles) -> float:
    """Sum all sequences in logarithms; leaves probabilities in `ahead` and ones in `back`."""
    places, count = scores.shape
    ahead[0] = batch.starts + scores[0]
    for place in range(1, places):
        for tag in range(count):
            ahead[place, tag] = _log_sum(ahead[place - 1] + batch.transitions[:, tag]) + scores[place, tag]
    total = _log_sum(ahead[-1] + batch.ends)
    if pairs.shape[0] == 0:
        return total
    back[-1] = batch.ends
    for place in range(places - 1, 0, -1):
        following = scores[place] + back[place]
        for before in range(count):
            back[place - 1, before] = _log_sum(batch.transitions[before] + following)
            for tag in range(count):
                log_pair = ahead[place - 1, before] + batch.transitions[before, tag] + following[tag]
                pairs[before, tag] += math.exp(log_pair - total)
    for place in range(places):
        for tag in range(count):
            ahead[place, tag] = math.exp(ahead[place, tag] + back[place, tag] - total)
            back[place, tag] = 1.0
    return total


@kernel
def _log_sum(values: Doubles) -> float:
    highest = -np.inf
    for value in values:
        highest = value if value > highest or value != value else highest
    if highest == -np.inf:
        return -np.inf
    total = 0.0
    for value in values:
        total += math.exp(value - highest)
    return highest + math.log(total)


@kernel
def _subtract(
    tags: Integers, lengths: Integers, weights: Doubles, scores: Doubles, transitions: Doubles
) -> None:
    """Take what the tags have from what is expected."""
    for row in range(len(lengths)):
        for place in range(lengths[row]):
            scores[row, place, tags[row, place]] -= weights[row]
            if place > 0:
                transitions[tags[row, place - 1], tags[row, place]] -= weights[row]
