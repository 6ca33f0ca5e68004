"""The kernels of the prefix beam search (Hannun et al. 2014; Graves 2012, section 7.5).

A prefix is a node of a tree; the beam holds the prefixes that are alive, each with two probabilities:
its paths that end in a blank and those that end in its last symbol. They are kept as probabilities, not as
logarithms, and scaled now and then: adding paths is one addition, and only a prefix whose share falls
below about 1e-200 of the best is lost. Whatever else scores a prefix (language model, lexicon, hot words)
depends on the prefix alone, and so is a factor that is multiplied in once, when the prefix grows out of its
parent.

A prefix of the beam collects what its parent passes on in `_stay`; so the frame's other step makes only
prefixes that are not in the beam, each from one parent, and only the survivors become nodes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel, inline_kernel
from ctcasr.decoding.growth import end_factor, extend, extend_words
from ctcasr.decoding.search_types import (
    BASE,
    BEAM,
    FIRST,
    LEXICON,
    PICKED,
    Frames,
    SearchArrays,
    SearchState,
    SearchWeights,
)
from ctcasr.decoding.survival import survive

Row = npt.NDArray[np.float32]

BLANK = 0

ROUNDED = 1.0 - 1e-6
"""By how much a bound is lowered, which is more than it is rounded."""

TINY = 1e-37
"""Probabilities below this are no exact float32 numbers, and are computed anew from their logarithms."""


@bare_kernel
def advance(frames: Frames, state: SearchState, arrays: SearchArrays) -> int:
    """Search on through frames; return the first one in which every prefix died, or -1."""
    weights = arrays.weights
    for frame in range(len(frames.log_probs)):
        row, probs = frames.log_probs[frame], frames.probabilities[frame]
        if row[BLANK] > weights.blank_skip:
            _pass_blank(row, state)
            continue
        best, lowest, reach = _stay(row, probs, state, arrays)
        floor = lowest if state.counts[BEAM] == weights.beam else 0.0
        needed = max(floor, best * weights.score_factor) / (reach * weights.most_factor)
        made = 0
        if _pick(row, probs, needed, state, weights) > 0:
            if weights.mode == LEXICON:
                made, best = extend_words(best, floor, state, arrays)
            else:
                made, best = extend(best, floor, state, arrays)
            for place in range(state.counts[PICKED]):
                state.place_of[state.picks[place].token] = -1
        if best <= 0.0:
            return frame
        survive(made, best, lowest, state, arrays)
    return -1


@inline_kernel
def _probability(row: Row, probs: Row, token: int) -> float:
    """Return the probability of a symbol in a frame."""
    prob = np.float64(probs[token])
    if prob < TINY:
        prob = np.exp(np.float64(row[token]))
    return prob


@inline_kernel
def _pick(row: Row, probs: Row, needed: float, state: SearchState, weights: SearchWeights) -> int:
    """List the symbols to grow by, the most probable first, ties to the lower number; return how many.

    A symbol whose probability is below `needed` makes no prefix that survives the frame, and is left out.
    """
    picks, place_of = state.picks, state.place_of
    count, most, threshold = 0, weights.tokens, weights.min_token_log_prob
    lowest = np.float32(needed * ROUNDED) if needed > TINY else np.float32(-1.0)
    for token in range(1, len(row)):
        if probs[token] < lowest:
            continue
        score = row[token]
        if score < threshold or score == -np.inf:
            continue
        if count == most:
            if score <= picks[count - 1].prob:
                continue
            count -= 1
        place = count
        while place > 0 and picks[place - 1].prob < score:
            picks[place] = picks[place - 1]
            place -= 1
        picks[place].token, picks[place].prob = token, score  # the logarithm, until all are found
        count += 1
    for place in range(count):
        token = picks[place].token
        place_of[token] = place
        picks[place].prob = _probability(row, probs, token)
    state.counts[PICKED] = count
    return count


@inline_kernel
def _pass_blank(row: Row, state: SearchState) -> None:
    """Take a frame for a blank: scores keep their proportions."""
    slots, base = state.slots, state.counts[BASE]
    for slot in range(base, base + state.counts[BEAM]):
        slots[slot].blank += slots[slot].symbol
        slots[slot].symbol = 0.0
    state.log_scale[0] += row[BLANK]


@inline_kernel
def _stay(row: Row, probs: Row, state: SearchState, arrays: SearchArrays) -> tuple[float, float, float]:
    """Score the prefixes that are in the beam already, and note where the best one of the frame before is.

    A prefix may repeat its last symbol, and merge with what its parent grows into, however improbable that is.

    Returns:
        The best score, the lowest one, and the largest from which a prefix may grow: a fresh one has this times the
        symbol's probability times `most_factor`, at most.
    """
    slots, slot_of, total, base = state.slots, state.slot_of, state.total, state.counts[BASE]
    blank_prob, best, lowest, most, reach = _probability(row, probs, BLANK), 0.0, np.inf, 0.0, 0.0
    for index in range(state.counts[BEAM]):
        slot = base + index
        stays = slots[slot].symbol
        mass = slots[slot].blank + stays
        if mass > most:
            most, state.counts[FIRST] = mass, index
        symbol, token = 0.0, slots[slot].token
        if token >= 0:
            other = slot_of[slots[slot].parent]
            if other >= 0:
                passed = slots[other].blank
                if slots[other].token != token:
                    passed += slots[other].symbol
                stays += passed * slots[slot].factor
            symbol = stays * _probability(row, probs, token)
        slots[slot].stay_blank, slots[slot].stay_symbol = mass * blank_prob, symbol
        total[index] = mass * blank_prob + symbol
        best, lowest = max(best, total[index]), min(lowest, total[index])
        if arrays.weights.mode == LEXICON:
            if slots[slot].end_factor < 0.0:
                slots[slot].end_factor = end_factor(slot, state, arrays)
            mass *= max(1.0, slots[slot].end_factor)
        reach = max(reach, mass)
    return best, lowest, reach
