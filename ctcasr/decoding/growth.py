"""The kernels that let prefixes grow by a symbol: with a lexicon, and without."""

from __future__ import annotations

import numpy as np

from ctcasr.compiling import inline_kernel
from ctcasr.decoding.search_types import (
    BASE,
    BEAM,
    EITHER,
    FIRST,
    INSIDE,
    NO_LM,
    PICKED,
    SEPARATOR,
    TOKEN_LM,
    WORD_START,
    LexiconArrays,
    SearchArrays,
    SearchState,
)
from ctcasr.decoding.survival import rank, rank_beam
from ctcasr.lm.automaton import score_word


@inline_kernel
def end_factor(slot: int, state: SearchState, arrays: SearchArrays) -> float:
    """Return the largest change of a prefix's score by a word that ends with it; 0 if there is none."""
    lexicon = arrays.lexicon
    trie, lm_state, largest = state.slots[slot].trie, state.slots[slot].lm_state, 0.0
    if trie > 0:
        for index in range(lexicon.word_first[trie], lexicon.word_first[trie + 1]):
            largest = max(largest, _ending_factor(index, trie, lm_state, arrays))
    return largest


@inline_kernel
def _ending_factor(index: int, trie: int, lm_state: int, arrays: SearchArrays) -> float:
    """Return the change of a score by a word that ends at a trie node: its true worth for its look-ahead."""
    lexicon = arrays.lexicon
    word = lexicon.words[index]
    log_prob, _ = score_word(arrays.model, lm_state, lexicon.lm_words[word])
    worth = arrays.weights.lm_weight * (log_prob + lexicon.lm_shares[word]) + lexicon.bonus[word]
    return float(np.exp(worth - lexicon.look_ahead[trie]))


@inline_kernel
def _mark_taken(state: SearchState) -> None:
    """Note which children by the picked symbols are in the beam already, and have got what their parents give."""
    slots, base, beam, picked = state.slots, state.counts[BASE], state.counts[BEAM], state.counts[PICKED]
    for index in range(beam * picked):
        state.taken[index] = False
    for slot in range(base, base + beam):
        if slots[slot].token >= 0:
            place, parent = state.place_of[slots[slot].token], state.slot_of[slots[slot].parent]
            if place >= 0 and parent >= 0:
                state.taken[(parent - base) * picked + place] = True


@inline_kernel
def extend(best: float, floor: float, state: SearchState, arrays: SearchArrays) -> tuple[int, float]:
    """Score the prefixes that grow by a symbol, without a lexicon; return their number, and the best score.

    They have to beat `floor`, the lowest score of a full beam, which rises with them where scoring takes time.
    The best prefix comes first: what grows from it shows what is out of reach for the others.
    """
    slots, picks, taken, total, fresh = state.slots, state.picks, state.taken, state.total, state.fresh
    base, beam, made = state.counts[BASE], state.counts[BEAM], 0
    picked, first, hot, weights = state.counts[PICKED], state.counts[FIRST], arrays.hot, arrays.weights
    _mark_taken(state)
    ranked = weights.mode != NO_LM  # symbols alone are scored as fast as ranked
    if ranked:
        rank_beam(state, weights)
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
                log_prob, _ = score_word(arrays.model, slots[slot].lm_state, arrays.lexicon.lm_words[grown])
                score *= np.exp(weights.lm_weight * log_prob + weights.bonus)
            if score > limit:
                total[beam + made] = score
                fresh[made].slot, fresh[made].token, fresh[made].word, fresh[made].trie = slot, grown, -1, 0
                made += 1
                best = max(best, score)
                if ranked:
                    floor = rank(score, floor, state, weights)
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
        return int(low + _ones(children & (bit - np.uint64(1))))
    high = end
    while low < high:
        middle = (low + high) >> 1
        if lexicon.entered[middle] < token:
            low = middle + 1
        else:
            high = middle
    return int(low) if low < end and lexicon.entered[low] == token else -1


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
def extend_words(best: float, floor: float, state: SearchState, arrays: SearchArrays) -> tuple[int, float]:
    """Score the prefixes that grow by a symbol inside a word, or after the words that may end here."""
    slots, picks, taken, total, fresh = state.slots, state.picks, state.taken, state.total, state.fresh
    base, beam, made = state.counts[BASE], state.counts[BEAM], 0
    picked, first, hot, weights = state.counts[PICKED], state.counts[FIRST], arrays.hot, arrays.weights
    lexicon = arrays.lexicon
    _mark_taken(state)
    rank_beam(state, weights)
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
                    ending = _ending_factor(words + way, trie, slots[slot].lm_state, arrays)
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
                best, floor = max(best, score), rank(score, floor, state, weights)
                limit = max(floor, best * weights.score_factor)
    return made, best
