"""Relative-entropy pruning (Stolcke 1998): leave out the n-grams that the model hardly misses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import kernel
from ctcasr.errors import ConfigError
from ctcasr.lm.automaton import WORD_BITS, NGramArrays, score_word, slot_of
from ctcasr.lm.building import build_arrays
from ctcasr.lm.tables import END, START, UNKNOWN, NGramTable, NGramTables

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int32]

_SMALLEST = 1e-9
"""Probability left over in a context that rounding may have taken away."""


def prune(tables: NGramTables, threshold: float) -> NGramTables:
    """Leave out every n-gram whose loss raises the perplexity by less than a share of `threshold`.

    From the longest n-grams to the bigrams; one that is the context of a longer n-gram that stays, stays. The
    loss is equation 6 of the paper, with the probability of a context after its words in turn, `<s>` counting
    as often as `</s>`. Then all back-off weights are computed anew, so that each context's probabilities sum up
    to 1 over the words.

    Args:
        tables: the model.
        threshold: 0 leaves out what makes nothing worse; 1e-8 is mild, 1e-6 strong.

    Raises:
        ConfigError: the threshold is negative, infinite or NaN.
    """
    check_threshold(threshold)
    asked = _Asked(tables)
    levels = list(tables.levels)
    needed = np.zeros(tables.counts[-1], np.bool_)
    for order in range(tables.order, 1, -1):
        stays = needed | (asked.perplexity_rises(order) >= threshold)
        rows = np.cumsum(stays) - 1
        if order < tables.order:
            above = levels[order]
            levels[order] = above._replace(contexts=rows[above.contexts].astype(np.int32))
        contexts, words, log_probs, backoffs = levels[order - 1]
        levels[order - 1] = NGramTable(contexts[stays], words[stays], log_probs[stays], backoffs[stays])
        needed = np.zeros(tables.counts[order - 2], np.bool_)
        needed[levels[order - 1].contexts] = True
    while len(levels) > 1 and not len(levels[-1].words):
        levels.pop()
    return normalized(NGramTables(tables.words, tuple(levels)))


def check_threshold(threshold: float) -> None:
    """Raise ConfigError if a threshold is negative, infinite or NaN."""
    if not 0 <= threshold < np.inf:
        raise ConfigError(f"the threshold of pruning is {threshold}; expected 0 or more, e.g. 1e-8")


def normalized(tables: NGramTables) -> NGramTables:
    """Return the model with the back-off weights that make each context's probabilities sum up to 1.

    A context without longer n-grams has none. The unigrams are left as they are; should they not sum up to 1, no
    context does.
    """
    bare = tuple(table._replace(backoffs=np.zeros_like(table.backoffs)) for table in tables.levels)
    asked = _Asked(NGramTables(tables.words, bare))
    levels = [bare[0]]
    for order in range(2, tables.order + 1):
        lower_log_probs = asked.lower_log_probs(order)
        contexts = bare[order - 1].contexts
        left = _left_over(
            contexts, np.exp(bare[order - 1].log_probs.astype(np.float64)), tables.counts[order - 2]
        )
        lower_left = _left_over(contexts, np.exp(lower_log_probs), tables.counts[order - 2])
        backoffs = np.zeros(tables.counts[order - 2], np.float32)
        extended = tables.extended(order - 1)
        backoffs[extended] = _log_weights(left, lower_left)[extended]
        levels[-1] = levels[-1]._replace(backoffs=backoffs)
        asked.set_backoffs(order - 1, backoffs)
        levels.append(bare[order - 1])
    return NGramTables(tables.words, tuple(levels))


def _left_over(contexts: Integers, probs: Doubles, count: int) -> Doubles:
    """Return for each context what its n-grams' probabilities leave of 1."""
    left: Doubles = 1 - np.bincount(contexts, probs, count).astype(np.float64)
    return left


def _log_weights(left: Doubles, lower_left: Doubles) -> Doubles:
    """Return the back-off weights; 0 where the n-grams of a context leave no word to back off for."""
    weights = np.log(np.maximum(left, _SMALLEST)) - np.log(np.maximum(lower_left, _SMALLEST))
    return np.where(lower_left > _SMALLEST, weights, 0.0)


class _Asked:
    """A model whose n-grams are asked for by their rows; its back-off weights can be changed."""

    def __init__(self, tables: NGramTables) -> None:
        self._tables = tables
        self._arrays = build_arrays(tables, tables.words.index(UNKNOWN))
        self._states: list[Integers] = [np.zeros(1, np.int32)]
        self._histories: list[Doubles] = [np.zeros(1)]
        ids = {word: number for number, word in enumerate(tables.words)}
        for table in tables.levels[:-1]:
            context_states = self._states[-1][table.contexts]
            self._states.append(_following(self._arrays, context_states, table.words))
            histories = self._histories[-1][table.contexts] + table.log_probs
            if len(self._histories) == 1 and START in ids:
                histories[ids[START]] = table.log_probs[ids[END]]
            self._histories.append(histories)

    def set_backoffs(self, order: int, backoffs: npt.NDArray[np.float32]) -> None:
        """Change the weights of the n-grams of an order that are contexts."""
        changed = self._arrays.backoffs.copy()
        extended = self._tables.extended(order)
        changed[self._states[order][extended]] = backoffs[extended]
        changed.setflags(write=False)
        self._arrays = self._arrays._replace(backoffs=changed)

    def lower_log_probs(self, order: int) -> Doubles:
        """Return log p(w | h') of each n-gram hw of an order, `h'` being h without its oldest word."""
        table = self._tables.levels[order - 1]
        return _lower(self._arrays, self._states[order - 1][table.contexts], table.words)

    def perplexity_rises(self, order: int) -> Doubles:
        """Return by what share the perplexity rises when an n-gram of an order alone is left out."""
        table = self._tables.levels[order - 1]
        count = self._tables.counts[order - 2]
        lower_log_probs = self.lower_log_probs(order)
        probs, lower_probs = np.exp(table.log_probs.astype(np.float64)), np.exp(lower_log_probs)
        left = _left_over(table.contexts, probs, count)
        lower_left = _left_over(table.contexts, lower_probs, count)
        weights = _log_weights(left, lower_left)[table.contexts]
        left, lower_left = left[table.contexts], lower_left[table.contexts]
        new_weights = _log_weights(left + probs, lower_left + lower_probs)
        loss = probs * (lower_log_probs + new_weights - table.log_probs)
        loss += np.maximum(left, 0) * (new_weights - weights)
        return np.expm1(-np.exp(self._histories[order - 1][table.contexts]) * loss)


@kernel
def _following(model: NGramArrays, states: Integers, words: Integers) -> Integers:
    """Return where the arcs of words lead that leave states."""
    following = np.empty(len(words), np.int32)
    for row in range(len(words)):
        slot = slot_of(model.keys, (np.int64(states[row]) << WORD_BITS) | np.int64(words[row]))
        following[row] = model.next_states[slot]
    return following


@kernel
def _lower(model: NGramArrays, states: Integers, words: Integers) -> Doubles:
    """Return the log-probabilities of words after the next shorter contexts."""
    log_probs = np.empty(len(words), np.float64)
    for row in range(len(words)):
        shorter = np.int64(model.backoff_states[states[row]])
        log_probs[row] = score_word(model, shorter, np.int64(words[row]))[0]
    return log_probs
