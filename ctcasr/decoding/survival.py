"""The kernels of the beam search between two frames: who survives, and what memory is given back."""

from __future__ import annotations

import numpy as np

from ctcasr.compiling import bare_kernel, inline_kernel
from ctcasr.decoding.search_types import (
    BASE,
    BEAM,
    NO_LM,
    NODES,
    RANKED,
    TOKEN_LM,
    Float64,
    Int32,
    SearchArrays,
    SearchState,
    SearchWeights,
)
from ctcasr.lm.automaton import score_word

UNORDERED = -1
"""What `counts[RANKED]` says of a full beam whose scores are no heap yet."""

RESCALE_BELOW, RESCALE_ABOVE = 1e-60, 1e60
"""Probabilities are divided by the best one once it is outside of these; bonuses make it grow."""


@bare_kernel
def kth_largest(values: Float64, count: int, rank: int) -> float:
    """Return the `rank`-th largest (from 1) of the first `count` values, which are reordered (Hoare 1961)."""
    low, high, wanted = 0, count - 1, rank - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        left, right = low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if wanted <= right:
            high = right
        elif wanted >= left:
            low = left
        else:
            break
    return float(values[wanted])


@inline_kernel
def rank_beam(state: SearchState, weights: SearchWeights) -> None:
    """Begin the ranking of a frame's scores with those of the prefixes that stay.

    `order` becomes a heap of the best scores, as many as the beam may hold, the lowest of them first (Williams 1964).
    """
    size = state.counts[BEAM]
    for index in range(size):
        state.order[index] = state.total[index]
    state.counts[RANKED] = UNORDERED if size == weights.beam else size


@inline_kernel
def rank(score: float, floor: float, state: SearchState, weights: SearchWeights) -> float:
    """Rank the score of a fresh prefix that is above `floor`; return what the next one has to beat."""
    order, size, beam = state.order, state.counts[RANKED], weights.beam
    if size == UNORDERED:
        size = beam
        _order_heap(order, beam)
    if size < beam:
        order[size] = score
        size += 1
        if size == beam:
            _order_heap(order, beam)
    else:
        order[0] = score
        _sink(order, beam, 0)
    state.counts[RANKED] = size
    return order[0] if size == beam else floor


@inline_kernel
def _order_heap(values: Float64, count: int) -> None:
    """Put each of the first `count` values before the two that must not be below it."""
    for place in range(count // 2 - 1, -1, -1):
        _sink(values, count, place)


@inline_kernel
def _sink(values: Float64, count: int, place: int) -> None:
    """Move a value of a heap behind those that are lower."""
    value = values[place]
    while 2 * place + 1 < count:
        below = 2 * place + 1
        if below + 1 < count and values[below + 1] < values[below]:
            below += 1
        if values[below] >= value:
            break
        values[place] = values[below]
        place = below
    values[place] = value


@inline_kernel
def survive(made: int, best: float, lowest: float, state: SearchState, arrays: SearchArrays) -> None:
    """Keep the best of the prefixes that stayed, whose lowest score is given, and of those that were made.

    Of equal scores at the edge of the beam, those that came first survive.
    """
    scale = 1.0
    if best < RESCALE_BELOW or best > RESCALE_ABOVE:
        scale = 1.0 / best
        state.log_scale[0] += np.log(best)
    if made == 0 and lowest > 0.0 and lowest >= best * arrays.weights.score_factor:
        _stay_put(scale, state)
    else:
        _move(made, best, scale, state, arrays)


@inline_kernel
def _stay_put(scale: float, state: SearchState) -> None:
    """Keep the beam as it is, with the scores after the frame."""
    slots, base = state.slots, state.counts[BASE]
    for slot in range(base, base + state.counts[BEAM]):
        slots[slot].blank = slots[slot].stay_blank * scale
        slots[slot].symbol = slots[slot].stay_symbol * scale


@inline_kernel
def _move(made: int, best: float, scale: float, state: SearchState, arrays: SearchArrays) -> None:
    """Move the best prefixes to the other half of the slots, and make nodes of the fresh ones among them."""
    slots, total, slot_of, tree = state.slots, state.total, state.slot_of, state.tree
    base, stayed = state.counts[BASE], state.counts[BEAM]
    limit, at_limit = _edge(stayed + made, best, state, arrays.weights)
    after = arrays.weights.beam - base
    for index in range(stayed):
        slot_of[slots[base + index].node] = -1
    kept = after
    for index in range(stayed + made):
        score = total[index]
        if score < limit or score <= 0.0 or (score == limit and at_limit == 0):
            continue
        if score == limit:
            at_limit -= 1
        if index < stayed:
            slots[kept] = slots[base + index]
            slots[kept].blank = slots[kept].stay_blank * scale
            slots[kept].symbol = slots[kept].stay_symbol * scale
        else:
            node = _node_of(index - stayed, state, arrays)
            slots[kept].node, slots[kept].parent = node, tree[node].parent
            slots[kept].token, slots[kept].trie = tree[node].token, tree[node].trie
            slots[kept].lm_state, slots[kept].hot = tree[node].lm_state, tree[node].hot
            slots[kept].factor, slots[kept].end_factor = tree[node].factor, -1.0
            slots[kept].blank, slots[kept].symbol = 0.0, score * scale
        slot_of[slots[kept].node] = kept
        kept += 1
    state.counts[BEAM], state.counts[BASE] = kept - after, after


@inline_kernel
def _edge(count: int, best: float, state: SearchState, weights: SearchWeights) -> tuple[float, int]:
    """Return the lowest score that survives, and how many that have just it do."""
    limit, at_limit = best * weights.score_factor, count
    if count > weights.beam:
        if weights.mode == NO_LM:  # not ranked
            for index in range(count):
                state.order[index] = state.total[index]
            lowest = kth_largest(state.order, count, weights.beam)
        else:
            lowest = state.order[0]
        if lowest >= limit:
            limit, at_limit = lowest, weights.beam
            for index in range(count):
                if state.total[index] > limit:
                    at_limit -= 1
    return limit, at_limit


@inline_kernel
def _node_of(index: int, state: SearchState, arrays: SearchArrays) -> int:
    """Return the node of a fresh prefix: the one that it had before it left the beam, or a new one."""
    tree, fresh, slots = state.tree, state.fresh, state.slots
    lexicon, hot, weights = arrays.lexicon, arrays.hot, arrays.weights
    parent = slots[fresh[index].slot].node
    token, word, trie = fresh[index].token, fresh[index].word, fresh[index].trie
    node = tree[parent].first_child
    while node >= 0 and (tree[node].token != token or tree[node].word != word):
        node = tree[node].sibling
    if node < 0:
        node = state.counts[NODES]
        state.counts[NODES] += 1
        gain, log_prob, lm_state = 0.0, 0.0, tree[parent].lm_state
        if weights.mode == TOKEN_LM:
            log_prob, lm_state = score_word(arrays.model, lm_state, lexicon.lm_words[token])
            gain = weights.lm_weight * log_prob + weights.bonus
        elif word >= 0:
            log_prob, lm_state = score_word(arrays.model, lm_state, lexicon.lm_words[word])
            log_prob += lexicon.lm_shares[word]
            gain = weights.lm_weight * log_prob + lexicon.bonus[word]
        tree[node].hot = 0
        if hot.on[0]:
            gain += hot.gain[tree[parent].hot, token]
            tree[node].hot = hot.next_state[tree[parent].hot, token]
        tree[node].parent, tree[node].token, tree[node].word = parent, token, word
        tree[node].trie, tree[node].lm_state = trie, lm_state
        tree[node].first_child, tree[node].sibling = -1, tree[parent].first_child
        tree[parent].first_child = node
        tree[node].lm_log_prob = tree[parent].lm_log_prob + log_prob
        tree[node].score = tree[parent].score + gain
        gain += lexicon.look_ahead[trie] - lexicon.look_ahead[tree[parent].trie]
        tree[node].factor = np.exp(gain) if gain != 0.0 else 1.0
    return int(node)


@bare_kernel
def keep_reachable(old: SearchState, new: SearchState, mark: Int32) -> None:
    """Copy the beam and the prefixes that it grew from into a state with an empty tree.

    Args:
        old: where the prefixes are.
        new: where they go.
        mark: work space, as long as there are nodes in the old tree.
    """
    for node in range(len(mark)):
        mark[node] = -1
    mark[0] = 0
    base = old.counts[BASE]
    for slot in range(base, base + old.counts[BEAM]):
        node = old.slots[slot].node
        while mark[node] < 0:
            mark[node] = 1
            node = old.tree[node].parent
    count = 0
    for node in range(old.counts[NODES]):  # parents come before their children
        if mark[node] < 0:
            continue
        mark[node] = count
        new.tree[count] = old.tree[node]
        new.tree[count].first_child, new.tree[count].sibling = -1, -1
        new.slot_of[count] = -1
        if node > 0:
            parent = mark[old.tree[node].parent]
            new.tree[count].parent = parent
            new.tree[count].sibling = new.tree[parent].first_child
            new.tree[parent].first_child = count
        count += 1
    for place in range(len(old.counts)):
        new.counts[place] = old.counts[place]
    new.counts[NODES] = count
    new.log_scale[0] = old.log_scale[0]
    for slot in range(base, base + old.counts[BEAM]):
        new.slots[slot] = old.slots[slot]
        node = mark[old.slots[slot].node]
        new.slots[slot].node, new.slots[slot].parent = node, new.tree[node].parent
        new.slot_of[node] = slot
