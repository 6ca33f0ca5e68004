"""The kernels of the beam search between two frames: who survives, and what is read off at the end."""

from __future__ import annotations

import numpy as np

from ctcasr.compiling import bare_kernel, inline_kernel
from ctcasr.decoding.search_types import (
    BASE,
    BEAM,
    LEXICON,
    NODES,
    SEPARATOR,
    TOKEN_LM,
    EndingsWanted,
    Float64,
    HotArrays,
    Int32,
    LexiconArrays,
    Records,
    SearchState,
    SearchWeights,
)
from ctcasr.lm.automaton import NGramArrays, mixed, score_word

RESCALE_BELOW, RESCALE_ABOVE = 1e-60, 1e60
"""Probabilities are divided by the best one once it is outside of these; bonuses make it grow."""

PARTIAL = -2
"""What stands for the word of an ending that stops inside a word."""

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
    lowest: float,
    state: SearchState,
    lexicon: LexiconArrays,
    model: NGramArrays,
    hot: HotArrays,
    weights: SearchWeights,
) -> None:
    """Keep the best of the prefixes that stayed, whose lowest score is given, and of those that were made.

    Of equal scores at the edge of the beam, those that came first survive.
    """
    scale = 1.0
    if best < RESCALE_BELOW or best > RESCALE_ABOVE:
        scale = 1.0 / best
        state.log_scale[0] += np.log(best)
    if made == 0 and lowest > 0.0 and lowest >= best * weights.score_factor:
        _stay_put(scale, state)
    else:
        _move(made, best, scale, state, lexicon, model, hot, weights)


@inline_kernel
def _stay_put(scale: float, state: SearchState) -> None:
    """Keep the beam as it is, with the scores after the frame."""
    slots, base = state.slots, state.counts[BASE]
    for slot in range(base, base + state.counts[BEAM]):
        slots[slot].blank = slots[slot].stay_blank * scale
        slots[slot].symbol = slots[slot].stay_symbol * scale


@inline_kernel
def _move(
    made: int,
    best: float,
    scale: float,
    state: SearchState,
    lexicon: LexiconArrays,
    model: NGramArrays,
    hot: HotArrays,
    weights: SearchWeights,
) -> None:
    """Move the best prefixes to the other half of the slots, and make nodes of the fresh ones among them."""
    slots, total, slot_of, tree = state.slots, state.total, state.slot_of, state.tree
    base, stayed = state.counts[BASE], state.counts[BEAM]
    limit, at_limit = _edge(stayed + made, best, state, weights)
    after = weights.beam - base
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


@bare_kernel
def endings(
    state: SearchState,
    lexicon: LexiconArrays,
    model: NGramArrays,
    hot: HotArrays,
    weights: SearchWeights,
    wanted: EndingsWanted,
    found: Records,
) -> int:
    """List what the best of the beam's prefixes are worth if the utterance ends here; return how many they are.

    Endings that tie with the last one wanted are listed too. A prefix that stops inside a word counts only where
    no other does.

    Args:
        state: of the search.
        lexicon: words that may end with the utterance.
        model: that scores them.
        hot: phrases that may fail with the utterance.
        weights: of all these.
        wanted: how many, and how the language model ends an utterance.
        found: `(E,)` of `ENDING`, with room for each prefix of the beam and each word that may end with it.
    """
    slots, count = state.slots, 0
    base = state.counts[BASE]
    for slot in range(base, base + state.counts[BEAM]):
        trie = slots[slot].trie
        first, last = (lexicon.word_first[trie], lexicon.word_first[trie + 1]) if trie > 0 else (0, 0)
        for index in range(first, max(last, first + 1)):
            word = -1
            if last > first:
                word = lexicon.words[index]
            elif trie > 0:
                word = PARTIAL
            found[count].node, found[count].word = slots[slot].node, word
            path = np.log(slots[slot].blank + slots[slot].symbol) + state.log_scale[0]
            _score_ending(
                path - lexicon.look_ahead[trie],
                found[count],
                state,
                lexicon,
                model,
                hot,
                weights,
                wanted.end_word,
            )
            count += 1
    if weights.mode == LEXICON:
        count = _whole(_merge(count, found, state, lexicon), found)
    return _best(count, wanted.best, found, state.order)


@inline_kernel
def _score_ending(
    path: float,
    ending: Records,
    state: SearchState,
    lexicon: LexiconArrays,
    model: NGramArrays,
    hot: HotArrays,
    weights: SearchWeights,
    end_word: int,
) -> None:
    """Score what ends at a node with a word, if one does; `path` is what all else together is worth."""
    tree, node, word = state.tree, ending.node, ending.word
    log_prob, bonus, lm_state = 0.0, 0.0, tree[node].lm_state
    if word >= 0:
        log_prob, lm_state = score_word(model, lm_state, lexicon.lm_words[word])
        bonus = lexicon.bonus[word]
    if end_word >= 0:
        closing, _ = score_word(model, lm_state, end_word)
        log_prob += closing
    gain = weights.lm_weight * log_prob + bonus
    if hot.on[0]:
        gain += hot.final_gain[tree[node].hot]
    ending.log_prob = path + gain
    ending.acoustic_log_prob = path - tree[node].score
    ending.lm_log_prob = tree[node].lm_log_prob + log_prob


@inline_kernel
def _merge(count: int, found: Records, state: SearchState, lexicon: LexiconArrays) -> int:
    """Add up the endings that write the same words, under the best one's symbols; return how many are left."""
    left = 0
    for row in range(count):
        found[row].key = _key(found[row].node, found[row].word, state, lexicon)
        same = 0
        while same < left and found[same].key != found[row].key:
            same += 1
        if same == left:
            found[left] = found[row]
            left += 1
            continue
        both = np.logaddexp(found[same].log_prob, found[row].log_prob)
        acoustic = np.logaddexp(found[same].acoustic_log_prob, found[row].acoustic_log_prob)
        if found[row].log_prob > found[same].log_prob:
            found[same] = found[row]
        found[same].log_prob, found[same].acoustic_log_prob = both, acoustic
    return left


@inline_kernel
def _key(node: int, word: int, state: SearchState, lexicon: LexiconArrays) -> np.uint64:
    """Return a hash of the words that are written; unknown ones differ by their spelling."""
    tree, unknown, key = state.tree, len(lexicon.lm_words) - 1, np.uint64(0)
    if word == PARTIAL:
        key = mixed(np.uint64(PARTIAL_KEY + node))
    elif word >= 0:
        key = mixed(np.uint64(word + 1))
    spelled = word == unknown
    while node > 0:
        if spelled and lexicon.kind[tree[node].token] != SEPARATOR:
            key = mixed(key + np.uint64(tree[node].token))
        before = tree[node].word
        if before >= 0:
            key = mixed(key * np.uint64(31) + np.uint64(before + 1))
            spelled = before == unknown
        node = tree[node].parent
    return key


@inline_kernel
def _whole(count: int, found: Records) -> int:
    """Drop the endings inside a word where there are others; return how many are left."""
    left = 0
    for row in range(count):
        if found[row].word != PARTIAL:
            found[left] = found[row]
            left += 1
    return left if left > 0 else count


@inline_kernel
def _best(count: int, wanted: int, found: Records, order: Float64) -> int:
    """Drop all but the best endings, and those that tie with the last of them; return how many are left."""
    if count <= wanted:
        return count
    for row in range(count):
        order[row] = found[row].log_prob
    limit, left = kth_largest(order, count, wanted), 0
    for row in range(count):
        if found[row].log_prob >= limit:
            found[left] = found[row]
            left += 1
    return left


@bare_kernel
def spell(tree: Records, node: int, tokens: Int32, words: Int32) -> int:
    """List the symbols of a prefix and the word that ended before or with each, -1 where none did.

    Args:
        tree: of the prefixes.
        node: of the prefix.
        tokens: `(N,)`, at the end of which the symbols are written.
        words: `(N,)`, at the end of which the words are written.

    Returns:
        The place of the first symbol.
    """
    place = len(tokens)
    while node > 0:
        place -= 1
        tokens[place], words[place] = tree[node].token, tree[node].word
        node = tree[node].parent
    return place


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
