"""Graphones against every way to share out a word's phones among its letters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.g2p.aligning import LONGEST, ROUNDS, Pairs, align

LETTERS, PHONES = 3, 2
Graphone = tuple[int, int, int]


def paths(letters: tuple[int, ...], phones: tuple[int, ...]) -> Iterator[tuple[Graphone, ...]]:
    """Give all ways, each letter with none, one or two phones."""
    if not letters:
        if not phones:
            yield ()
        return
    for count in range(min(LONGEST, len(phones)) + 1):
        one, two = (*phones[:count], 0, 0)[:2]
        for rest in paths(letters[1:], phones[count:]):
            yield ((letters[0], one, two), *rest)


def probability(path: tuple[Graphone, ...], probs: dict[Graphone, float]) -> float:
    return float(np.prod([probs[graphone] for graphone in path]))


def reference(words: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> dict[Graphone, float]:
    """Return the graphones' probabilities after all rounds, by enumeration."""
    everything = [(a, b, c) for a in range(LETTERS) for b in range(PHONES + 1) for c in range(PHONES + 1)]
    probs = dict.fromkeys(everything, 1 / len(everything))
    for _ in range(ROUNDS):
        counts: Counter[Graphone] = Counter()
        for letters, phones in words:
            weights = {path: probability(path, probs) for path in paths(letters, phones)}
            total = sum(weights.values())
            for path, weight in weights.items():
                for graphone in path:
                    counts[graphone] += weight / total  # type: ignore[assignment]
        whole = sum(counts.values())
        probs = {graphone: counts[graphone] / whole for graphone in everything}
    return probs


entries = (
    st.lists(st.integers(0, LETTERS - 1), min_size=1, max_size=4)
    .map(tuple)
    .flatmap(
        lambda letters: st.tuples(
            st.just(letters),
            st.lists(st.integers(1, PHONES), max_size=min(5, LONGEST * len(letters))).map(tuple),
        )
    )
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(entries, min_size=1, max_size=4))
def test_the_best_paths_are_those_of_enumeration(words) -> None:
    probs = reference(words)
    found = align(
        Pairs.of([letters for letters, _ in words], [phones for _, phones in words]), LETTERS, PHONES
    )
    place = 0
    for letters, phones in words:
        rows = found[place : place + len(letters)]
        place += len(letters)
        path = tuple((letter, int(one), int(two)) for letter, (one, two) in zip(letters, rows, strict=True))
        assert path in set(paths(letters, phones))
        best = max(probability(other, probs) for other in paths(letters, phones))
        assert np.isclose(probability(path, probs), best)


def test_digraphs_and_silent_letters_are_found() -> None:
    # 0 is always phone 1, 1 always phone 2, and 2 is silent or both.
    words = [
        ((0, 1), (1, 2)),
        ((0,), (1,)),
        ((1,), (2,)),
        ((0, 2), (1,)),
        ((1, 2, 0), (2, 1)),
        ((2,), (1, 2)),
    ]
    rows = align(Pairs.of([w for w, _ in words], [p for _, p in words]), 3, 2)
    assert rows.tolist() == [[1, 0], [2, 0], [1, 0], [2, 0], [1, 0], [0, 0], [2, 0], [0, 0], [1, 0], [1, 2]]
