"""Interpolated smoothing: from the counts of a text to a back-off model.

Both methods take something from each n-gram that came and give it to the distribution one order below:

    p(w | h) = (a(hw) - D(hw)) / N(h) + g(h) p(w | h'),    g(h) = (sum over w of D(hw) + E(hw)) / N(h),

with `h'` the context without its oldest word, N(h) the sum of a(hw) + E(hw) over w, and below the unigrams the
uniform distribution over all words but `<s>`. Kneser-Ney discounts (D) and adds nothing (E = 0), Witten-Bell
adds one for each n-gram that came (E = 1) and discounts nothing. Written down as a back-off model the n-grams
that came have p(w | h), and g(h) is the back-off weight.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel, kernel
from ctcasr.lm.automaton import WORD_BITS
from ctcasr.lm.counting import NGramCounts
from ctcasr.lm.growing import WORD_MASK, CountLevel
from ctcasr.lm.tables import START, NGramTable, NGramTables

Smoothing = Literal["kneser-ney", "witten-bell"]

COUNT_CLASSES = 4
"""Discounts tell the counts 1, 2 and 3 or more apart; class 0 is a count of 0, which has none."""

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.uint32]


class Shares(NamedTuple):
    """What one order takes and gives.

    Attributes:
        discounts: `(4,)` float64, D for counts 0, 1, 2 and 3 or more.
        added: `(4,)` float64, E for the same.
    """

    discounts: npt.NDArray[np.float64]
    added: npt.NDArray[np.float64]


class _Contexts(NamedTuple):
    """The contexts of one order, each with N(h) and, summed up so far, g(h) N(h)."""

    sums: npt.NDArray[np.float64]
    given: npt.NDArray[np.float64]


def witten_bell(counts: NGramCounts) -> NGramTables:
    """Estimate an interpolated model after Witten and Bell (1991, method C); the simpler of the two."""
    shares = Shares(np.zeros(COUNT_CLASSES), np.array([0.0, 1.0, 1.0, 1.0]))
    return interpolate(counts, [level.counts for level in counts.levels], [shares] * len(counts.levels))


def interpolate(counts: NGramCounts, used: list[Counts], shares: list[Shares]) -> NGramTables:
    """Estimate p(w | h) of every n-gram, order by order.

    As in KenLM's `lmplz`, `<s>` has the log-probability 0: it costs nothing to score it, and it never is a
    prediction.

    Args:
        counts: of the text.
        used: of each order, a(hw); they are taken out of the list as they are used up.
        shares: of each order.
    """
    start = counts.words.index(START)
    probs = np.full(1, 1 / (len(counts.words) - 1), np.float32)
    tables: list[NGramTable] = []
    for order, level in enumerate(counts.levels, 1):
        order_counts = used.pop(0)
        contexts = np.zeros(len(level.keys), np.int32) if order == 1 else _contexts_of(level)
        if order == 1:
            order_counts = order_counts.copy()
            order_counts[start] = 0
        totals = _Contexts(np.zeros(len(probs)), np.zeros(len(probs)))
        _sum_up(contexts, order_counts, shares[order - 1], totals)
        if tables:
            tables[-1] = tables[-1]._replace(backoffs=_backoffs(totals))
        probs = _interpolated(contexts, order_counts, shares[order - 1], totals, (level.suffixes, probs))
        if order == 1:
            probs[start] = 1
        log_probs = np.log(probs)
        words = (level.keys & WORD_MASK).astype(np.int32)
        tables.append(NGramTable(contexts, words, log_probs, np.zeros(len(words), np.float32)))
    return NGramTables(counts.words, tuple(tables))


def _contexts_of(level: CountLevel) -> npt.NDArray[np.int32]:
    return (level.keys >> WORD_BITS).astype(np.int32)


def _backoffs(totals: _Contexts) -> Floats:
    """Return log g(h); 0 where no word came after the context."""
    weights = np.ones(len(totals.sums))
    np.divide(totals.given, totals.sums, out=weights, where=totals.sums > 0)
    return np.log(weights).astype(np.float32)


@bare_kernel
def _sum_up(contexts: npt.NDArray[np.int32], counts: Counts, shares: Shares, totals: _Contexts) -> None:
    for row in range(len(contexts)):
        context, count = contexts[row], counts[row]
        kind = min(count, COUNT_CLASSES - 1)
        totals.sums[context] += count + shares.added[kind]
        totals.given[context] += shares.discounts[kind] + shares.added[kind]


@kernel
def _interpolated(
    contexts: npt.NDArray[np.int32],
    counts: Counts,
    shares: Shares,
    totals: _Contexts,
    below: tuple[npt.NDArray[np.int32], Floats],
) -> Floats:
    """Return p(w | h) of each row; `below`: the rows of the suffixes one order below, and their probabilities."""
    suffixes, lower = below
    probs = np.empty(len(contexts), np.float32)
    for row in range(len(contexts)):
        context, count = contexts[row], counts[row]
        discount = shares.discounts[min(count, COUNT_CLASSES - 1)]
        total = totals.sums[context]
        probs[row] = (count - discount + totals.given[context] * lower[suffixes[row]]) / total
    return probs
