"""The kernels of the beam search between two frames: who survives, and what is read off at the end."""

from __future__ import annotations

import numpy as np

from ctcasr.compiling import bare_kernel, inline_kernel, kernel
from ctcasr.decoding.search_types import (
    BASE,
    BEAM,
    LEXICON,
    NODES,
    SEPARATOR,
    TOKEN_LM,
    Float64,
    HotArrays,
    Int32,
    LexiconArrays,
    SearchState,
    SearchWeights,
)
from ctcasr.lm.automaton import NGramArrays, mixed, score_word

RESCALE_BELOW, RESCALE_ABOVE = 1e-60, 1e60
"""Probabilities are divided by the best one once it is outside of these; bonuses make it grow."""

PARTIAL_KEY = 1 << 40
"""Keys of prefixes that stop inside a word begin here, above those of words."""


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
def survive(
    made: int,
    best: float,
    state: SearchState,
    lexicon: LexiconArrays,
    model: NGramArrays,
    hot: HotArrays,
    weights: SearchWeights,
) -> None:
    """Move the best prefixes to the other half of the slots, and make nodes of the fresh ones among them.

    Of equal scores at the edge of the beam, those that came first survive.
    """
    slots, total, slot_of, tree = state.slots, state.total, state.slot_of, state.tree
    base, stayed = state.counts[BASE], state.counts[BEAM]
    limit, at_limit = _edge(stayed + made, best, state, weights)
    after, scale = weights.beam - base, 1.0
    if best < RESCALE_BELOW or best > RESCALE_ABOVE:
        scale = 1.0 / best
        state.log_scale[0] += np.log(best)
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
            node = _node_of(index - stayed, state, lexicon, model, hot, weights)
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
        for index in range(count):
            state.order[index] = state.total[index]
        lowest = kth_largest(state.order, count, weights.beam)
        if lowest >= limit:
            limit, at_limit = lowest, weights.beam
            for index in range(count):
                if state.total[index] > limit:
                    at_limit -= 1
    return limit, at_limit


@inline_kernel
def _node_of(
    index: int,
    state: SearchState,
    lexicon: LexiconArrays,
    model: NGramArrays,
    hot: HotArrays,
    weights: SearchWeights,
) -> int:
    """Return the node of a fresh prefix: the one that it had before it left the beam, or a new one."""
    tree, fresh, slots = state.tree, state.fresh, state.slots
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
            log_prob, lm_state = score_word(model, lm_state, lexicon.lm_words[token])
            gain = weights.lm_weight * log_prob + weights.bonus
        elif word >= 0:
            log_prob, lm_state = score_word(model, lm_state, lexicon.lm_words[word])
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


@kernel
def endings(
    state: SearchState,
    lexicon: LexiconArrays,
    model: NGramArrays,
    hot: HotArrays,
    weights: SearchWeights,
    end_word: int,
) -> tuple[Int32, Int32, Float64]:
    """Return what the beam's prefixes are worth if the utterance ends here.

    The rows are nodes `(E,)`, words that end with the utterance `(E,)` (-1: none does; -2: the prefix stops
    inside a word, which is worth nothing), and `(E, 3)` total, acoustic and language model log-probability.
    """
    tree, slots, count = state.tree, state.slots, 0
    base = state.counts[BASE]
    beam = range(base, base + state.counts[BEAM])
    capacity = len(beam)
    if weights.mode == LEXICON:
        for slot in beam:
            trie = slots[slot].trie
            capacity += lexicon.word_first[trie + 1] - lexicon.word_first[trie]
    nodes, words = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    scores = np.empty((capacity, 3))
    for slot in beam:
        node, trie = slots[slot].node, slots[slot].trie
        total = slots[slot].blank + slots[slot].symbol
        path = np.log(total) + state.log_scale[0] - lexicon.look_ahead[trie]
        first, last = (lexicon.word_first[trie], lexicon.word_first[trie + 1]) if trie > 0 else (0, 0)
        for index in range(first, max(last, first + 1)):
            log_prob, bonus, lm_state, word = 0.0, 0.0, tree[node].lm_state, -1
            if last > first:
                word = lexicon.words[index]
                log_prob, lm_state = score_word(model, lm_state, lexicon.lm_words[word])
                bonus = lexicon.bonus[word]
            elif trie > 0:
                word = -2
            if end_word >= 0:
                closing, _ = score_word(model, lm_state, end_word)
                log_prob += closing
            nodes[count], words[count] = node, word
            gain = weights.lm_weight * log_prob + bonus
            if hot.on[0]:
                gain += hot.final_gain[tree[node].hot]
            scores[count, 0] = path + gain
            scores[count, 1] = path - tree[node].score
            scores[count, 2] = tree[node].lm_log_prob + log_prob
            count += 1
    if weights.mode == LEXICON:
        count = _merge(count, nodes, words, scores, state, lexicon)
    return nodes[:count], words[:count], scores[:count]


@inline_kernel
def _merge(
    count: int, nodes: Int32, words: Int32, scores: Float64, state: SearchState, lexicon: LexiconArrays
) -> int:
    """Add up the endings that write the same words, under the best one's symbols; return how many are left."""
    keys, tree, left = np.empty(count, np.uint64), state.tree, 0
    unknown = len(lexicon.lm_words) - 1
    for row in range(count):
        key, node, word = np.uint64(0), nodes[row], words[row]
        if word == -2:
            key = mixed(np.uint64(PARTIAL_KEY + node))
        elif word >= 0:
            key = mixed(np.uint64(word + 1))
        spelled = word == unknown
        while node > 0:
            if (
                spelled and lexicon.kind[tree[node].token] != SEPARATOR
            ):  # unknown words differ by their spelling
                key = mixed(key + np.uint64(tree[node].token))
            word = tree[node].word
            if word >= 0:
                key = mixed(key * np.uint64(31) + np.uint64(word + 1))
                spelled = word == unknown
            node = tree[node].parent
        same = 0
        while same < left and keys[same] != key:
            same += 1
        keys[same] = key
        if same == left:
            left += 1
            nodes[same], words[same], scores[same] = nodes[row], words[row], scores[row]
            continue
        both = np.logaddexp(scores[same, 0], scores[row, 0])
        acoustic = np.logaddexp(scores[same, 1], scores[row, 1])
        if scores[row, 0] > scores[same, 0]:
            nodes[same], words[same], scores[same] = nodes[row], words[row], scores[row]
        scores[same, 0], scores[same, 1] = both, acoustic
    return left


@kernel
def spell(state: SearchState, node: int) -> tuple[Int32, Int32]:
    """Return the symbols of a prefix and the word that ended before or with each, -1 where none did."""
    tree, length, walked = state.tree, 0, node
    while walked > 0:
        length += 1
        walked = tree[walked].parent
    tokens, words = np.empty(length, np.int32), np.empty(length, np.int32)
    while node > 0:
        length -= 1
        tokens[length], words[length] = tree[node].token, tree[node].word
        node = tree[node].parent
    return tokens, words


@kernel
def keep_reachable(old: SearchState, new: SearchState) -> None:
    """Copy the beam and the prefixes that it grew from into a state with an empty tree."""
    mark = np.full(old.counts[NODES], -1, np.int32)
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
    new.counts[:] = old.counts
    new.counts[NODES] = count
    new.log_scale[0] = old.log_scale[0]
    for slot in range(base, base + old.counts[BEAM]):
        new.slots[slot] = old.slots[slot]
        node = mark[old.slots[slot].node]
        new.slots[slot].node, new.slots[slot].parent = node, new.tree[node].parent
        new.slot_of[node] = slot
