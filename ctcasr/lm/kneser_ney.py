"""Interpolated modified Kneser-Ney smoothing (Chen and Goodman 1999, section 3; Heafield et al. 2013).

The longest n-grams, and those that begin with `<s>`, count as often as they came; any other counts the
different words that came before it. The discounts come from the numbers n1 to n4 of n-grams with counts 1 to
4, order by order (Chen and Goodman, equation 26):

    Y = n1 / (n1 + 2 n2),   D1 = 1 - 2 Y n2 / n1,   D2 = 2 - 3 Y n3 / n2,   D3+ = 3 - 4 Y n4 / n3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctcasr.lm.automaton import WORD_BITS
from ctcasr.lm.counting import NGramCounts
from ctcasr.lm.smoothing import COUNT_CLASSES, Counts, Shares, interpolate
from ctcasr.lm.tables import START, NGramTables

FALLBACK = (0.5, 1.0, 1.5)
"""Discounts where the text does not give any; those of KenLM's `lmplz --discount_fallback`."""


@dataclass(frozen=True)
class Discounts:
    """The discounts of one order.

    Attributes:
        amounts: D1, D2 and D3+.
        problem: why they are the fallback and not those of the text; empty if they are not.
    """

    amounts: tuple[float, float, float]
    problem: str = ""


def kneser_ney(counts: NGramCounts, discounts: Sequence[Discounts] | None = None) -> NGramTables:
    """Estimate an interpolated modified Kneser-Ney model, as KenLM's `lmplz` does.

    Args:
        counts: of the text.
        discounts: of each order; by default those that the text gives, or where it gives none the fallback.
    """
    adjusted = adjusted_counts(counts)
    if discounts is None:
        discounts = [_discounts_of(order_counts) for order_counts in adjusted]
    nothing = np.zeros(COUNT_CLASSES)
    return interpolate(
        counts, adjusted, [Shares(np.array([0.0, *found.amounts]), nothing) for found in discounts]
    )


def kneser_ney_discounts(counts: NGramCounts) -> tuple[Discounts, ...]:
    """Return the discounts of each order, unigrams first; see `Discounts.problem` for those that are made up."""
    return tuple(_discounts_of(order_counts) for order_counts in adjusted_counts(counts))


def adjusted_counts(counts: NGramCounts) -> list[Counts]:
    """Return the adjusted counts of each order (Heafield et al. 2013, section 3.1); that of `<s>` is 0."""
    start = counts.words.index(START)
    begins: npt.NDArray[np.bool_] = np.arange(len(counts.words)) == start
    result: list[Counts] = []
    for order, level in enumerate(counts.levels, 1):
        if order > 1:
            begins = begins[level.keys >> WORD_BITS]
        if order == len(counts.levels):
            result.append(level.counts)
        else:
            result.append(np.where(begins, level.counts, level.predecessors))
    result[0] = np.where(np.arange(len(counts.words)) == start, np.uint32(0), result[0])
    return result


def _discounts_of(adjusted: Counts) -> Discounts:
    n1, n2, n3, n4 = (int(np.count_nonzero(adjusted == count)) for count in range(1, 5))
    if not (n1 and n2 and n3):
        missing = [count for count, found in ((1, n1), (2, n2), (3, n3)) if not found]
        return Discounts(FALLBACK, f"no n-gram has the adjusted count {missing[0]}")
    ratio = n1 / (n1 + 2 * n2)
    amounts = (1 - 2 * ratio * n2 / n1, 2 - 3 * ratio * n3 / n2, 3 - 4 * ratio * n4 / n3)
    for count, amount in enumerate(amounts, 1):
        if not 0 < amount <= count:  # lmplz also takes 0, which leaves nothing for words that were not seen
            return Discounts(FALLBACK, f"the discount of the adjusted count {count} would be {amount:.3g}")
    return Discounts(amounts)
