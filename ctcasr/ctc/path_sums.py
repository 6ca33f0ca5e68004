"""The sums over all paths that write an utterance's targets, scaled so that doubles carry them.

A row of the trellis holds the states of one frame: a gap, n blanks, a gap, n targets, gaps; blank u stands
before target u, and `n = columns(U)`. Past blank U nothing is ever reached, and gaps are zero, so that each
state may look at its neighbours. Every loop runs over n states, a multiple of `LANES`: the remainder of a
vectorised loop is slow, and so are slices (hence the unsigned indices, which numba does not wrap).

The emissions of a frame are divided by their sum over the distinct symbols, so that no row's total grows, and
every `BLOCK`-th row is brought back to a total of `TOP`. States that fall below the smallest double are lost.
What they could have added is bounded: to a row they are at most `n SMALLEST`, and what multiplies them, the
other direction's row, is at most `TOP`. Only if that is less than 2^-60 of the whole is a sum trusted; otherwise
`ctcasr.ctc.log_path_sums` has to do it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import inline_kernel, kernel

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LANES = 32
TOP = 2.0**500
BLOCK = 16
"""Frames between two rows that are rescaled and kept; the others are computed again on the way back."""

SMALLEST, LEAST = 2.0**-1022, 2.0**-400
LOG_LOST = math.log(2.0) * (60 - 1022 - 500)
"""Of 2^60 times what one state can lose, where neither direction's rows stand above one."""

DEEPEST = -700.0
"""An emission this far below the best of its frame leaves the range of a double's exponential."""


class Trellis(NamedTuple):
    """One utterance, ready to be summed.

    Attributes:
        emissions: `(T, D + 1)`, of the distinct symbols, blank first and a zero last; they sum to one.
        symbols: `(n,)`, the column of each target in `emissions`; past the targets the zero's.
        skips: `(n + 1,)`, one where target u may follow target u - 1 without a blank, else zero.
        target_count: U.
    """

    emissions: Doubles
    symbols: Integers
    skips: Doubles
    target_count: int


@inline_kernel
def columns(count: int) -> int:
    """Return n: the blanks of a trellis over `count` targets, rounded up."""
    return (count // LANES + 1) * LANES


@kernel
def build_trellis(log_probs: Floats, targets: Integers) -> tuple[Trellis, float]:
    """Return the trellis of an utterance, and the logarithm of what its emissions were divided by.

    The latter is NaN where an emission is too small for a double beside the others of its frame.

    Args:
        log_probs: `(T, V)`, blank 0.
        targets: `(U,)`.
    """
    count = len(targets)
    width = columns(count)
    symbols, skips = np.zeros(width, np.int64), np.zeros(width + 1)
    number = np.zeros(log_probs.shape[1], np.int64)
    distinct = np.zeros(count + 1, np.int64)
    found = 1
    for u in range(count):
        if number[targets[u]] == 0:
            number[targets[u]], distinct[found] = found, targets[u]
            found += 1
        symbols[u] = number[targets[u]]
        skips[u] = 1.0 if u > 0 and targets[u] != targets[u - 1] else 0.0
    symbols[count:] = found
    emissions = np.zeros((len(log_probs), found + 1))
    log_total = 0.0
    for frame in range(len(log_probs)):
        log_total += _normalise(log_probs[frame], distinct[:found], emissions[frame])
    return Trellis(emissions, symbols, skips, count), log_total


@inline_kernel
def _normalise(log_probs: Floats, distinct: Integers, emissions: Doubles) -> float:
    """Fill the emissions of a frame and return the logarithm of their sum before the division."""
    best, total = -np.inf, 0.0
    for i in range(len(distinct)):
        value = np.float64(log_probs[distinct[i]])
        best = value if value > best else best
    if best == -np.inf:
        return 0.0  # the zeros end every path
    for i in range(len(distinct)):
        value = np.float64(log_probs[distinct[i]]) - best
        emissions[i] = math.exp(value)
        total += emissions[i] if value >= DEEPEST or value == -np.inf else np.nan
    for i in range(len(distinct)):
        emissions[i] /= total
    return best + math.log(total)


@kernel
def sum_forward(trellis: Trellis, kept: Doubles, scales: Doubles) -> float:
    """Sum the paths up to each frame, and return the log-probability of the targets.

    Args:
        trellis: the utterance.
        kept: `(1 + (T - 1) // BLOCK, L)` is filled with rows 0, BLOCK, 2 BLOCK and so on, rescaled.
        scales: `(1 + (T - 1) // BLOCK,)` is filled with what these rows were multiplied by.

    Returns:
        The logarithm; NaN where it is zero or rows fell too steeply to be kept.
    """
    frames = len(trellis.emissions)
    old, new = np.zeros(kept.shape[1]), np.zeros(kept.shape[1])
    _begin(trellis, old)
    kept[0] = old
    scales[0] = 1.0
    log_scale = math.log(TOP)
    for frame in range(1, frames):
        _advance(trellis, frame, old, new)
        old, new = new, old
        if frame % BLOCK == 0:
            scale = _rescale(old)
            log_scale += math.log(scale)
            kept[frame // BLOCK], scales[frame // BLOCK] = old, scale
    total = _last_states(trellis, old)
    return math.log(total) - log_scale if total > 0.0 else np.nan


@inline_kernel
def is_safe(trellis: Trellis, log_prob: float) -> bool:
    """Tell whether the result of `sum_forward` is so large that nothing lost can matter."""
    return log_prob > LOG_LOST + math.log(2.0 * len(trellis.symbols) * len(trellis.emissions))


@kernel
def sum_backward(trellis: Trellis, kept: Doubles, scales: Doubles, blanks: Floats, targets: Floats) -> bool:
    """Fill the occupancies: how probable each state is in each frame, given that the targets were written.

    Returns whether these and the result of `sum_forward` can be trusted.

    Args:
        trellis: the utterance.
        kept: the rows that `sum_forward` kept.
        scales: those of `sum_forward`.
        blanks: `(T,)`, of all blanks together.
        targets: `(T, n)`.
    """
    frames, count, length = len(trellis.emissions), trellis.target_count, kept.shape[1]
    n = np.uint64(len(trellis.symbols))
    own = n + np.uint64(2)
    rows, after, new = np.zeros((BLOCK, length)), np.zeros(length), np.zeros(length)
    after[1 + count], after[2 + len(trellis.symbols) + count - 1] = TOP, TOP if count > 0 else 0.0
    share, safe = 0.0, True
    limit = 2.0**-60 / (SMALLEST * TOP * (2.0 * len(trellis.symbols) * frames))
    for block in range(len(kept) - 1, -1, -1):
        first, last = block * BLOCK, min(block * BLOCK + BLOCK, frames) - 1
        rows[0] = kept[block]
        for frame in range(first + 1, last + 1):
            _advance(trellis, frame, rows[frame - first - 1], rows[frame - first])
        if last == frames - 1:
            share = 1.0 / (TOP * _last_states(trellis, rows[last - first]))
        for frame in range(last, first - 1, -1):
            row, line = rows[frame - first], targets[frame]
            blanks[frame] = share * _dot(row, after, len(trellis.symbols))
            for u in range(n):
                line[u] = share * (row[own + u] * after[own + u])
            if frame > 0:
                _retreat(trellis, frame, after, new)
                after, new = new, after
        safe = safe and share < limit  # not so if it is NaN
        share *= scales[block] / _rescale(after)
    return safe


@inline_kernel
def _begin(trellis: Trellis, row: Doubles) -> None:
    row[1] = TOP * trellis.emissions[0, 0]
    row[2 + len(trellis.symbols)] = TOP * trellis.emissions[0, trellis.symbols[0]]


@inline_kernel
def _last_states(trellis: Trellis, row: Doubles) -> float:
    """Return the sum of the last blank and, if there is one, the last target (without one, of a gap)."""
    return float(row[1 + trellis.target_count] + row[1 + len(trellis.symbols) + trellis.target_count])


@kernel
def _advance(trellis: Trellis, frame: int, old: Doubles, new: Doubles) -> None:
    """Write the sums up to a frame from those up to the frame before."""
    emission, symbols, skips = trellis.emissions[frame], trellis.symbols, trellis.skips
    n = np.uint64(len(symbols))
    blank, before, own = np.uint64(1), n + np.uint64(1), n + np.uint64(2)
    for u in range(n):
        new[own + u] = emission[np.uint64(symbols[u])]
    for u in range(n):
        new[blank + u] = (old[blank + u] + old[before + u]) * emission[0]
    for u in range(n):
        new[own + u] *= old[own + u] + old[blank + u] + old[before + u] * skips[u]


@kernel
def _retreat(trellis: Trellis, frame: int, old: Doubles, new: Doubles) -> None:
    """Write the sums after frame - 1 from those after a frame; the latter come to hold its emissions, too."""
    emission, symbols, skips = trellis.emissions[frame], trellis.symbols, trellis.skips
    n = np.uint64(len(symbols))
    blank, own = np.uint64(1), n + np.uint64(2)
    next_blank, next_own = blank + np.uint64(1), own + np.uint64(1)
    for u in range(n):
        new[own + u] = emission[np.uint64(symbols[u])]
    for u in range(n):
        old[own + u] *= new[own + u]
    for u in range(n):
        old[blank + u] *= emission[0]
    for u in range(n):
        new[blank + u] = old[blank + u] + old[own + u]
    for u in range(n):
        new[own + u] = old[own + u] + old[next_blank + u] + old[next_own + u] * skips[u + np.uint64(1)]


@inline_kernel
def _dot(row: Doubles, after: Doubles, n: int) -> float:
    """Sum the products of the blanks in four chains, which need not wait for each other."""
    first = second = third = fourth = 0.0
    for u in range(1, n + 1, 4):
        first += row[u] * after[u]
        second += row[u + 1] * after[u + 1]
        third += row[u + 2] * after[u + 2]
        fourth += row[u + 3] * after[u + 3]
    return (first + second) + (third + fourth)


@inline_kernel
def _rescale(row: Doubles) -> float:
    """Bring a row's total back to TOP; return the factor, or NaN if it fell so low that most may be lost."""
    total = row.sum()
    factor = TOP / total if total > LEAST else np.nan
    for i in range(len(row)):
        row[i] *= factor
    return factor
