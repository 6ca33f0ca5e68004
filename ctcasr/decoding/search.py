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
from ctcasr.decoding.search_types import (
    BASE,
    BEAM,
    EITHER,
    FRAME,
    INSIDE,
    LEXICON,
    SEPARATOR,
    TOKEN_LM,
    WORD_START,
    Frames,
    HotArrays,
    LexiconArrays,
    SearchState,
    SearchWeights,
)
from ctcasr.decoding.survival import survive
from ctcasr.lm.automaton import NGramArrays, score_word

Row = npt.NDArray[np.float32]

BLANK = 0

ROUNDED = 1.0 - 1e-6
"""By how much a bound is lowered, which is more than it is rounded."""

TINY = 1e-37
"""Probabilities below this are no exact float32 numbers, and are computed anew from their logarithms."""


@bare_kernel
def advance(
    frames: Frames,
    state: SearchState,
    lexicon: LexiconArrays,
    model: NGramArrays,
    hot: HotArrays,
    weights: SearchWeights,
) -> int:
    """Search on through frames; return the first one in which every prefix died, or -1."""
    for frame in range(len(frames.log_probs)):
        row, probs = frames.log_probs[frame], frames.probabilities[frame]
        state.counts[FRAME] += 1
        if row[BLANK] > weights.blank_skip:
            _pass_blank(row, state)
            continue
        best, lowest = _stay(row, probs, state)
        floor = lowest if state.counts[BEAM] == weights.beam else 0.0
        reach, first = _reach(state, lexicon, model, weights)
        limit = max(floor, best * weights.score_factor)
        picked = _pick(row, probs, limit / (reach * weights.most_factor), state, weights)
        made = 0
        if picked > 0:
            _mark_taken(picked, state)
            if weights.mode == LEXICON:
                made, best = _extend_words(picked, first, best, floor, state, lexicon, model, hot, weights)
            else:
                made, best = _extend(picked, first, best, floor, state, lexicon, model, hot, weights)
            for place in range(picked):
                state.place_of[state.picks[place].token] = -1
        if best <= 0.0:
            return frame
        survive(made, best, lowest, state, lexicon, model, hot, weights)
    return -1


@inline_kernel
def _probability(row: Row, probs: Row, token: int) -> float:
    """Return the probability of a symbol in a frame."""
    prob = np.float64(probs[token])
    if prob < TINY:
        prob = np.exp(np.float64(row[token]))
    return prob


@inline_kernel
def _reach(
    state: SearchState, lexicon: LexiconArrays, model: NGramArrays, weights: SearchWeights
) -> tuple[float, int]:
    """Return the largest score from which a prefix may grow, and where in the beam the best prefix is.

    With it, a fresh prefix has the symbol's probability times `most_factor` times this, at most.
    """
    slots, base = state.slots, state.counts[BASE]
    reach, most, first = 0.0, 0.0, 0
    for index in range(state.counts[BEAM]):
        slot = base + index
        mass = slots[slot].blank + slots[slot].symbol
        if mass > most:
            most, first = mass, index
        if weights.mode == LEXICON:
            if slots[slot].end_factor < 0.0:
                slots[slot].end_factor = _end_factor(slot, state, lexicon, model, weights)
            mass *= max(1.0, slots[slot].end_factor)
        reach = max(reach, mass)
    return reach, first


@inline_kernel
def _end_factor(
    slot: int, state: SearchState, lexicon: LexiconArrays, model: NGramArrays, weights: SearchWeights
) -> float:
    """Return the largest change of a prefix's score by a word that ends with it; 0 if there is none."""
    trie, lm_state, largest = state.slots[slot].trie, state.slots[slot].lm_state, 0.0
    if trie > 0:
        for index in range(lexicon.word_first[trie], lexicon.word_first[trie + 1]):
            largest = max(largest, ending_factor(index, trie, lm_state, lexicon, model, weights))
    return largest


@inline_kernel
def ending_factor(
    index: int,
    trie: int,
    lm_state: int,
    lexicon: LexiconArrays,
    model: NGramArrays,
    weights: SearchWeights,
) -> float:
    """Return the change of a score by a word that ends at a trie node: its true worth for its look-ahead."""
    word = lexicon.words[index]
    log_prob, _ = score_word(model, lm_state, lexicon.lm_words[word])
    worth = weights.lm_weight * log_prob + lexicon.bonus[word]
    return np.exp(worth - lexicon.look_ahead[trie])


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
            if score <= row[picks[count - 1].token]:
                continue
            count -= 1
        place = count
        while place > 0 and row[picks[place - 1].token] < score:
            picks[place].token = picks[place - 1].token
            place -= 1
        picks[place].token = token
        count += 1
    for place in range(count):
        token = picks[place].token
        place_of[token] = place
        picks[place].prob = _probability(row, probs, token)
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
def _stay(row: Row, probs: Row, state: SearchState) -> tuple[float, float]:
    """Score the prefixes that are in the beam already; return the best score and the lowest.

    A prefix may repeat its last symbol, and merge with what its parent grows into, however improbable that is.
    """
    slots, slot_of, total, base = state.slots, state.slot_of, state.total, state.counts[BASE]
    blank_prob, best, lowest = _probability(row, probs, BLANK), 0.0, np.inf
    for index in range(state.counts[BEAM]):
        slot = base + index
        stays = slots[slot].symbol
        blank = (slots[slot].blank + stays) * blank_prob
        symbol, token = 0.0, slots[slot].token
        if token >= 0:
            other = slot_of[slots[slot].parent]
            if other >= 0:
                passed = slots[other].blank
                if slots[other].token != token:
                    passed += slots[other].symbol
                stays += passed * slots[slot].factor
            symbol = stays * _probability(row, probs, token)
        slots[slot].stay_blank, slots[slot].stay_symbol = blank, symbol
        total[index] = blank + symbol
        best, lowest = max(best, blank + symbol), min(lowest, blank + symbol)
    return best, lowest


@inline_kernel
def _mark_taken(picked: int, state: SearchState) -> None:
    """Note which children by the picked symbols are in the beam already, and have got what their parents give."""
    slots, base, beam = state.slots, state.counts[BASE], state.counts[BEAM]
    for index in range(beam * picked):
        state.taken[index] = False
    for slot in range(base, base + beam):
        if slots[slot].token >= 0:
            place, parent = state.place_of[slots[slot].token], state.slot_of[slots[slot].parent]
            if place >= 0 and parent >= 0:
                state.taken[(parent - base) * picked + place] = True


@inline_kernel
def _extend(
    picked: int,
    first: int,
    best: float,
    floor: float,
    state: SearchState,
    lexicon: LexiconArrays,
    model: NGramArrays,
    hot: HotArrays,
    weights: SearchWeights,
) -> tuple[int, float]:
    """Score the prefixes that grow by a symbol, without a lexicon; return their number, and the best score.

    They have to beat `floor`, the lowest score of a full beam. The best prefix, `first`, comes first: what grows
    from it shows what is out of reach for the others.
    """
    slots, picks, taken, total, fresh = state.slots, state.picks, state.taken, state.total, state.fresh
    base, beam, made = state.counts[BASE], state.counts[BEAM], 0
    limit = max(floor, best * weights.score_factor)
    for turn in range(beam):
        index = first if turn == 0 else turn - (turn <= first)
        slot = base + index
        blank, token = slots[slot].blank, slots[slot].token
        mass = blank + slots[slot].symbol
        for place in range(picked):
            prob = picks[place].prob
            if mass * prob * weights.most_factor <= limit:
                break
            if taken[index * picked + place]:
                continue
            grown = picks[place].token
            score = prob * (blank if token == grown else mass)
            if hot.on[0]:
                score *= hot.factor[slots[slot].hot, grown]
            if weights.mode == TOKEN_LM:
                log_prob, _ = score_word(model, slots[slot].lm_state, lexicon.lm_words[grown])
                score *= np.exp(weights.lm_weight * log_prob + weights.bonus)
            if score > limit:
                total[beam + made] = score
                fresh[made].slot, fresh[made].token, fresh[made].word, fresh[made].trie = slot, grown, -1, 0
                made += 1
                if score > best:
                    best = score
                    limit = max(floor, best * weights.score_factor)
    return made, best


@inline_kernel
def _child(lexicon: LexiconArrays, node: int, token: int) -> int:
    """Return the trie node below `node` by a symbol, or -1."""
    low, end = np.int64(lexicon.first[node]), np.int64(lexicon.first[node + 1])
    if len(lexicon.children) > 0:
        children, bit = lexicon.children[node], np.uint64(1) << np.uint64(token)
        if children & bit == np.uint64(0):
            return -1
        return low + _ones(children & (bit - np.uint64(1)))
    high = end
    while low < high:
        middle = (low + high) >> 1
        if lexicon.entered[middle] < token:
            low = middle + 1
        else:
            high = middle
    return low if low < end and lexicon.entered[low] == token else -1


@inline_kernel
def _ones(bits: np.uint64) -> np.int64:
    """Count the ones of 64 bits, in parallel (Warren 2012, "Hacker's delight", section 5-1)."""
    bits -= (bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))


@inline_kernel
def _walk(trie: int, token: int, lexicon: LexiconArrays) -> tuple[int, float]:
    """Return the trie node after a symbol with which no word ends, or -1, and the change of the look-ahead."""
    kind = lexicon.kind[token]
    below, gain = -1, 1.0
    if trie == 0 and kind == SEPARATOR:
        below = 0
    elif kind in (INSIDE, EITHER) or (trie == 0 and kind == WORD_START):
        below = _child(lexicon, trie, token)
        if below >= 0:
            gain = lexicon.factor[below]
        elif lexicon.unknown[0] > 0:
            below = lexicon.unknown[0]
            gain = np.exp(lexicon.look_ahead[below] - lexicon.look_ahead[trie])
    return below, gain


@inline_kernel
def _in_beam(state: SearchState, node: int, token: int, word: int) -> bool:
    """Tell whether the child of a node by a symbol and a word is in the beam."""
    tree, found = state.tree, False
    child = tree[node].first_child
    while child >= 0:
        if tree[child].token == token and tree[child].word == word:
            found = state.slot_of[child] >= 0
            break
        child = tree[child].sibling
    return found


@inline_kernel
def _extend_words(
    picked: int,
    first: int,
    best: float,
    floor: float,
    state: SearchState,
    lexicon: LexiconArrays,
    model: NGramArrays,
    hot: HotArrays,
    weights: SearchWeights,
) -> tuple[int, float]:
    """Score the prefixes that grow by a symbol inside a word, or after the words that may end here."""
    slots, picks, taken, total, fresh = state.slots, state.picks, state.taken, state.total, state.fresh
    base, beam, made = state.counts[BASE], state.counts[BEAM], 0
    for turn in range(beam):
        index = first if turn == 0 else turn - (turn <= first)
        slot = base + index
        trie, blank, token = slots[slot].trie, slots[slot].blank, slots[slot].token
        mass = blank + slots[slot].symbol
        words = lexicon.word_first[trie]
        ways = lexicon.word_first[trie + 1] - words if trie > 0 else 0
        # Way -1 goes on inside the word; the others end it with each of the words that are spelled so.
        for way in range(-1, ways):
            limit = max(floor, best * weights.score_factor)
            word, ending, start = -1, 1.0, trie
            if way >= 0:
                word, start, ending = lexicon.words[words + way], 0, slots[slot].end_factor
                if mass * picks[0].prob * ending * weights.most_factor <= limit:
                    break
                if ways > 1:
                    ending = ending_factor(words + way, trie, slots[slot].lm_state, lexicon, model, weights)
            for place in range(picked):
                prob = picks[place].prob * ending
                if mass * prob * weights.most_factor <= limit:
                    break
                grown = picks[place].token
                if way >= 0 and lexicon.kind[grown] == INSIDE:
                    continue
                below, gain = _walk(start, grown, lexicon)
                score = prob * gain * (blank if token == grown else mass)
                if hot.on[0]:
                    score *= hot.factor[slots[slot].hot, grown]
                if below < 0 or score <= limit:
                    continue
                if taken[index * picked + place] and _in_beam(state, slots[slot].node, grown, word):
                    continue
                total[beam + made] = score
                fresh[made].slot, fresh[made].token = slot, grown
                fresh[made].word, fresh[made].trie = word, below
                made += 1
                if score > best:
                    best = score
                    limit = max(floor, best * weights.score_factor)
    return made, best
