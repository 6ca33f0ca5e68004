"""The best path through an HMM or CTC's topology by enumeration: every sequence of words, every way to time it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ctcasr.ctc import collapse

Words = tuple[str, ...]
Chain = list[tuple[int, bool]]
"""Outputs in order, and whether each may be left out."""


def best_words_of_hmm(
    scores: np.ndarray,
    spellings: Sequence[tuple[str, Sequence[int]]],
    pause: tuple[int, bool],
    transitions: tuple[float, float],
    worth: Callable[[Words], float],
) -> tuple[float, Words]:
    """Return the best score and its words.

    Args:
        scores: `(T, O)`.
        spellings: pairs of a word and the outputs of its states.
        pause: its output, and whether there has to be one between words.
        transitions: log-probabilities of staying in a state and of leaving it.
        worth: what words are worth by themselves.
    """
    frames = len(scores)
    best = (-math.inf, ())
    for count in range(frames + 1):
        for chosen in itertools.product(spellings, repeat=count):
            if sum(len(outputs) for _, outputs in chosen) > frames:
                continue
            chain: Chain = [(pause[0], True)]
            for number, (_, outputs) in enumerate(chosen):
                if number:
                    chain.append((pause[0], not pause[1]))
                chain += [(output, False) for output in outputs]
            if chosen:
                chain.append((pause[0], True))
            words = tuple(word for word, _ in chosen)
            total = best_path(scores, chain, transitions) + worth(words)
            best = max(best, (total, words))
    return best


def best_path(scores: np.ndarray, chain: Chain, transitions: tuple[float, float]) -> float:
    """Return the best score of the ways to stay in each part of a chain for one frame or more."""
    best = -math.inf
    for path in _paths(len(scores), chain):
        total = sum(scores[frame, chain[part][0]] for frame, part in enumerate(path))
        total += sum(transitions[one != other] for one, other in itertools.pairwise(path))
        best = max(best, float(total))
    return best


def _paths(frames: int, chain: Chain) -> Iterator[tuple[int, ...]]:
    kept = [number for number, (_, optional) in enumerate(chain) if not optional]
    loose = [number for number, (_, optional) in enumerate(chain) if optional]
    for count in range(len(loose) + 1):
        for extra in itertools.combinations(loose, count):
            parts = sorted([*kept, *extra])
            if not parts:
                if frames == 0:
                    yield ()
                continue
            for cuts in itertools.combinations(range(1, frames), len(parts) - 1):
                bounds = [0, *cuts, frames]
                if frames:
                    yield tuple(
                        part
                        for part, start, end in zip(parts, bounds, bounds[1:], strict=False)
                        for _ in range(end - start)
                    )


def best_words_of_ctc(
    scores: np.ndarray,
    read: Callable[[tuple[int, ...]], list[Words]],
    transitions: tuple[float, float],
    worth: Callable[[Words], float],
) -> tuple[float, Words]:
    """Return the best score of one path, and its words; `read` gives the words of a labelling."""
    frames, symbols = scores.shape
    every = list(itertools.product(range(symbols), repeat=frames))
    paths = np.array(every, np.int64).reshape(len(every), frames)
    totals = scores[np.arange(frames), paths].sum(axis=1)
    totals += np.where(paths[:, 1:] == paths[:, :-1], *transitions).sum(axis=1)
    of_labelling: dict[tuple[int, ...], float] = {}
    for path, total in zip(paths.tolist(), totals.tolist(), strict=True):
        labelling = tuple(collapse(path))
        of_labelling[labelling] = max(total, of_labelling.get(labelling, -math.inf))
    best = (-math.inf, ())
    for labelling, total in of_labelling.items():
        for words in read(labelling):
            best = max(best, (total + worth(words), words))
    return best
