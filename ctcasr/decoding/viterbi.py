"""The kernels of the Viterbi search through a hidden Markov model, a lexicon and a language model.

What is searched is never built: a state is a node of the lexicon's tree, a state of the symbol by which the node is
entered, and a state of the language model, which stands for all the words before. Of the paths that lead to one state
only the best goes on (Viterbi 1967; "token passing", Young et al. 1989), and leaves behind which words it came by.
Scores are logarithms and include the look-ahead of the node, as those of the beam search do.

At the root of the tree a path is between words: in a pause, or, with CTC's topology, in a blank. With that topology
a blank may also follow each symbol, and has to between equal ones.
"""

from __future__ import annotations

import numpy as np

from ctcasr.compiling import bare_kernel, inline_kernel
from ctcasr.decoding.search_types import Float64
from ctcasr.decoding.survival import kth_largest
from ctcasr.decoding.viterbi_types import (
    BEGIN,
    DEAD,
    ENDINGS,
    FRAME,
    FRESH,
    NOWHERE,
    RECORDS,
    SHORT_OF_RECORDS,
    SHORT_OF_TOKENS,
    TOKENS,
    HmmGraph,
    HmmWeights,
    Records,
    Search,
    ViterbiState,
)
from ctcasr.lm.automaton import Integer, mixed, score_word

LM_SHIFT, NODE_SHIFT = 32, 3
"""Bits of a key below the language model's state, and below the node."""


@bare_kernel
def advance(scores: Float64, search: Search) -> int:
    """Search on through frames `(T', O)` of log-likelihoods; return how many were searched.

    They are fewer where room is short (`SHORT_OF_TOKENS`, `SHORT_OF_RECORDS`; the frame is then searched again with
    more of it), or where every path died (`DEAD`).
    """
    counts = search.state.counts
    for frame in range(len(scores)):
        records = counts[RECORDS]
        _end_words(search)
        counts[SHORT_OF_RECORDS] = counts[RECORDS] + counts[ENDINGS] > len(search.state.records)
        if counts[SHORT_OF_TOKENS] or counts[SHORT_OF_RECORDS]:
            return frame
        best = _spread(scores[frame], search)
        if counts[SHORT_OF_TOKENS]:
            counts[RECORDS] = records
            return frame
        if best == -np.inf:
            counts[DEAD] = 1
            return frame
        _survive(best, search.state, search.weights)
        counts[FRAME] += 1
    return len(scores)


@inline_kernel
def _find(key: Integer, state: ViterbiState) -> int:
    """Return the place of a key in the hash table, or the free one where it goes."""
    mask = len(state.keys) - 1
    place = np.int64(mixed(np.uint64(key)) & np.uint64(mask))
    while state.used[place] and state.keys[place] != key:
        place = (place + 1) & mask
    return int(place)


@bare_kernel
def _end_words(search: Search) -> None:
    """List the words that may end with the frame before, the best path to each state of the language model."""
    state, graph, model, weights = search.state, search.graph, search.model, search.weights
    tokens, endings, best, count = state.tokens, state.endings, -np.inf, 0
    state.used[:] = False
    for index in range(state.counts[TOKENS]):
        best = max(best, tokens[index].score)
    for index in range(state.counts[TOKENS]):
        node = tokens[index].node
        if node == 0 or tokens[index].state < weights.states - 1:
            continue
        last = graph.entered[node] if weights.has_blank and tokens[index].state < weights.states else 0
        before = tokens[index].record
        known = state.records[before].lm_log_prob if before >= 0 else 0.0
        for place in range(graph.word_first[node], graph.word_first[node + 1]):
            word = graph.words[place]
            log_prob, lm_state = score_word(model, tokens[index].lm_state, graph.lm_words[word])
            log_prob += graph.lm_shares[word]
            worth = weights.lm_weight * log_prob + graph.bonus[word] - graph.look_ahead[node]
            score = tokens[index].score + worth
            if score < best - weights.threshold or score == -np.inf:
                continue
            key = (np.int64(lm_state) << LM_SHIFT) | np.int64(last)
            slot = _find(key, state)
            if not state.used[slot]:
                if count == len(endings):
                    state.counts[SHORT_OF_TOKENS] = 1
                    return
                state.used[slot], state.keys[slot], state.slots[slot] = True, key, count
                endings[count].score = -np.inf
                count += 1
            at = state.slots[slot]
            if score > endings[at].score:
                endings[at].lm_state, endings[at].last = lm_state, last
                endings[at].record, endings[at].word, endings[at].node = before, word, node
                endings[at].start, endings[at].score = tokens[index].start, score
                endings[at].lm_log_prob = known + log_prob
    state.counts[ENDINGS] = count


@bare_kernel
def _spread(row: Float64, search: Search) -> float:
    """Let every path go on by a frame; return the best score."""
    state, graph, weights = search.state, search.graph, search.weights
    tokens, endings, counts = state.tokens, state.endings, state.counts
    state.used[:] = False
    counts[FRESH] = 0
    best = -np.inf
    for index in range(counts[TOKENS]):
        node, at = tokens[index].node, tokens[index].state
        here = (tokens[index].lm_state, tokens[index].record, tokens[index].start)
        leaving = tokens[index].score + weights.leave
        if at != BEGIN:
            score = tokens[index].score + weights.stay + row[_output(node, at, graph, weights)]
            best = _offer(here, (node, at), score, best, search)
        if node == 0:
            best = _enter(here, (0, 0), leaving, best, row, search)
            if at != 0 and weights.pause != NOWHERE:
                best = _offer(here, (0, 0), leaving + row[weights.pause], best, search)
            if at != weights.states and weights.has_blank:
                best = _offer(here, (0, weights.states), leaving + row[0], best, search)
        elif at < weights.states - 1:
            score = leaving + row[graph.outputs[node, at + 1]]
            best = _offer(here, (node, at + 1), score, best, search)
        else:
            bare = weights.has_blank and at == weights.states - 1
            last = graph.entered[node] if bare else 0
            best = _enter(here, (node, last), leaving, best, row, search)
            if bare:
                best = _offer(here, (node, weights.states), leaving + row[0], best, search)
    for index in range(counts[ENDINGS]):
        record = _note(endings[index], state)
        here = (endings[index].lm_state, record, NOWHERE)
        leaving = endings[index].score + weights.leave
        if not weights.parts_words:
            best = _enter(here, (0, endings[index].last), leaving, best, row, search)
        if weights.pause != NOWHERE:
            best = _offer(here, (0, 0), leaving + row[weights.pause], best, search)
    return best


@inline_kernel
def _output(node: int, at: int, graph: HmmGraph, weights: HmmWeights) -> int:
    """Return the output of a state of the tree."""
    if at == weights.states:
        return 0
    return int(weights.pause if node == 0 else graph.outputs[node, at])


@inline_kernel
def _note(ending: Records, state: ViterbiState) -> int:
    """Record a word that ends before this frame; return the record."""
    new = state.counts[RECORDS]
    record = state.records[new]
    record.before, record.word, record.node = ending.record, ending.word, ending.node
    record.start, record.end, record.lm_log_prob = ending.start, state.counts[FRAME], ending.lm_log_prob
    state.counts[RECORDS] += 1
    return int(new)


@bare_kernel
def _enter(
    here: tuple[int, int, int],
    origin: tuple[int, int],
    leaving: float,
    best: float,
    row: Float64,
    search: Search,
) -> float:
    """Let a path go on to the nodes below one, but for those of the symbol `last`; return the best score so far.

    Args:
        here: state of the language model, record and start of the path.
        origin: the node that it leaves, and `last`.
        leaving: its score.
        best: the best score before.
        row: the frame's log-likelihoods.
        search: all else.
    """
    node, last = origin
    lm_state, record, start = here
    graph = search.graph
    if node == 0:
        start = search.state.counts[FRAME]
    leaving -= graph.look_ahead[node]
    for child in range(graph.first[node], graph.first[node + 1]):
        if graph.entered[child] != last:
            score = leaving + graph.look_ahead[child] + row[graph.outputs[child, 0]]
            best = _offer((lm_state, record, start), (child, 0), score, best, search)
    return best


@inline_kernel
def _offer(
    here: tuple[int, int, int], place: tuple[int, int], score: float, best: float, search: Search
) -> float:
    """Take a path to a node and a state of its symbol if it is the best one there; return the best score so far."""
    if score == -np.inf or score < best - search.weights.threshold:
        return best
    state = search.state
    lm_state, record, start = here
    node, at = place
    key = (np.int64(lm_state) << LM_SHIFT) | (np.int64(node) << NODE_SHIFT) | np.int64(at)
    slot, fresh = _find(key, state), state.fresh
    if not state.used[slot]:
        new = state.counts[FRESH]
        if new == len(fresh):
            state.counts[SHORT_OF_TOKENS] = 1
            return best
        state.used[slot], state.keys[slot], state.slots[slot] = True, key, new
        fresh[new].lm_state, fresh[new].node, fresh[new].state = lm_state, node, at
        fresh[new].score = -np.inf
        state.counts[FRESH] += 1
    index = state.slots[slot]
    if score > fresh[index].score:
        fresh[index].record, fresh[index].start, fresh[index].score = record, start, score
    return max(best, score)


@bare_kernel
def _survive(best: float, state: ViterbiState, weights: HmmWeights) -> None:
    """Keep the best paths; of equal ones at the edge of the beam, those that came first."""
    fresh, order, count = state.fresh, state.order, state.counts[FRESH]
    limit, at_limit = best - weights.threshold, count
    if count > weights.beam:
        for index in range(count):
            order[index] = fresh[index].score
        lowest = kth_largest(order, count, weights.beam)
        if lowest >= limit:
            limit, at_limit = lowest, weights.beam
            for index in range(count):
                at_limit -= 1 if fresh[index].score > limit else 0
    kept = 0
    for index in range(count):
        score = fresh[index].score
        if score < limit or (score == limit and at_limit == 0):
            continue
        at_limit -= 1 if score == limit else 0
        state.tokens[kept] = fresh[index]
        kept += 1
    state.counts[TOKENS] = kept


@bare_kernel
def best_ending(search: Search, end_word: int) -> tuple[int, int, float, float]:
    """Return the best path that may end here: its token, its last word, its score and that of the language model.

    The last word is `NOWHERE` where the path is between words; the token is, where no path ends with a word's last
    state. The language model's score is unweighted, of all words and of the end of the utterance.
    """
    state, graph, model, weights = search.state, search.graph, search.model, search.weights
    tokens, best, found = state.tokens, -np.inf, (NOWHERE, NOWHERE, -np.inf, 0.0)
    for index in range(state.counts[TOKENS]):
        node, before = tokens[index].node, tokens[index].record
        known = state.records[before].lm_log_prob if before >= 0 else 0.0
        if node > 0 and tokens[index].state < weights.states - 1:
            continue
        first, last = (graph.word_first[node], graph.word_first[node + 1]) if node > 0 else (0, 1)
        for place in range(first, last):
            word, log_prob, bonus, lm_state = NOWHERE, 0.0, 0.0, np.int64(tokens[index].lm_state)
            if node > 0:
                word = graph.words[place]
                log_prob, following = score_word(model, tokens[index].lm_state, graph.lm_words[word])
                lm_state, log_prob = np.int64(following), log_prob + graph.lm_shares[word]
                bonus = graph.bonus[word] - graph.look_ahead[node]
            if end_word >= 0:
                closing, _ = score_word(model, lm_state, end_word)
                log_prob += closing
            score = tokens[index].score + weights.lm_weight * log_prob + bonus
            if score > best:
                best, found = score, (index, word, score, known + log_prob)
    return found
