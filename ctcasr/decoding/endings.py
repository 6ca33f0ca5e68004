"""The kernels that end a beam search: what its prefixes are worth, and what they spell."""

from __future__ import annotations

import numpy as np

from ctcasr.compiling import bare_kernel, inline_kernel
from ctcasr.decoding.search_types import (
    BASE,
    BEAM,
    LEXICON,
    SEPARATOR,
    EndingsWanted,
    Float64,
    Int32,
    LexiconArrays,
    Records,
    SearchArrays,
    SearchState,
)
from ctcasr.decoding.survival import kth_largest
from ctcasr.lm.automaton import mixed, score_word

PARTIAL = -2
"""What stands for the word of an ending that stops inside a word."""

PARTIAL_KEY = 1 << 40
"""Keys of prefixes that stop inside a word begin here, above those of words."""


@bare_kernel
def list_endings(state: SearchState, arrays: SearchArrays, wanted: EndingsWanted, found: Records) -> int:
    """List what the best of the beam's prefixes are worth if the utterance ends here; return how many they are.

    Endings that tie with the last one wanted are listed too. A prefix that stops inside a word counts only where
    no other does.

    Args:
        state: of the search.
        arrays: what is searched.
        wanted: how many, and how the language model ends an utterance.
        found: `(E,)` of `ENDING`, with room for each prefix of the beam and each word that may end with it.
    """
    slots, lexicon, count = state.slots, arrays.lexicon, 0
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
            _score_ending(path - lexicon.look_ahead[trie], found[count], state, arrays, wanted.end_word)
            count += 1
    if arrays.weights.mode == LEXICON:
        count = _whole(_merge(count, found, state, lexicon), found)
    return _best(count, wanted.best, found, state.order)


@inline_kernel
def _score_ending(
    path: float, ending: Records, state: SearchState, arrays: SearchArrays, end_word: int
) -> None:
    """Score what ends at a node with a word, if one does; `path` is what all else together is worth."""
    tree, node, word = state.tree, ending.node, ending.word
    lexicon, model, hot = arrays.lexicon, arrays.model, arrays.hot
    log_prob, bonus, lm_state = 0.0, 0.0, tree[node].lm_state
    if word >= 0:
        log_prob, lm_state = score_word(model, lm_state, lexicon.lm_words[word])
        log_prob += lexicon.lm_shares[word]
        bonus = lexicon.bonus[word]
    if end_word >= 0:
        closing, _ = score_word(model, lm_state, end_word)
        log_prob += closing
    gain = arrays.weights.lm_weight * log_prob + bonus
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
