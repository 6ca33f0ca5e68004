"""Scores of word sequences by enumeration: every labelling, every way to read it as words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

INSIDE, SEPARATOR, WORD_START, EITHER = 0, 1, 2, 3

Words = tuple[str, ...]


def readings(
    labelling: Sequence[int],
    kinds: Sequence[int],
    spellings: Mapping[tuple[int, ...], Sequence[str]],
    open_: bool,
) -> list[Words]:
    """Return the word sequences that a labelling can be read as; `open_` reads what is no word as `<unk>`."""
    if EITHER in list(kinds):
        return _segmentations(tuple(labelling), spellings)
    words: list[list[int]] = []
    fresh = True
    for symbol in labelling:
        if kinds[symbol] == SEPARATOR:
            fresh = True
            continue
        if kinds[symbol] == WORD_START or fresh:
            words.append([])
        words[-1].append(symbol)
        fresh = False
    if WORD_START in list(kinds) and not open_ and words and kinds[words[0][0]] != WORD_START:
        return []
    found: list[Words] = [()]
    for word in words:
        names = list(spellings.get(tuple(word), ())) or (["<unk>"] if open_ else [])
        found = [(*before, name) for before in found for name in names]
    return found


def _segmentations(
    labelling: tuple[int, ...], spellings: Mapping[tuple[int, ...], Sequence[str]]
) -> list[Words]:
    if not labelling:
        return [()]
    found = []
    for end in range(1, len(labelling) + 1):
        for name in spellings.get(labelling[:end], ()):
            found += [(name, *rest) for rest in _segmentations(labelling[end:], spellings)]
    return found


def word_scores(
    labellings: Mapping[tuple[int, ...], float],
    read: Callable[[tuple[int, ...]], list[Words]],
    worth: Callable[[Words], float],
) -> dict[Words, float]:
    """Return the log-score of every word sequence: its labellings' probabilities together, times its worth."""
    totals: dict[Words, float] = {}
    for labelling, log_prob in labellings.items():
        for words in read(labelling):
            totals[words] = float(np.logaddexp(totals.get(words, -np.inf), log_prob))
    return {words: log_prob + worth(words) for words, log_prob in totals.items() if log_prob > -np.inf}
