"""The map from paths to labellings, and the frames that a labelling needs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.ctc import collapse, min_input_length


@pytest.mark.parametrize(
    ("path", "labelling"),
    [
        ([], []),
        ([0], []),
        ([0, 0, 0], []),
        ([1, 2], [1, 2]),
        ([1, 1, 2, 2, 2], [1, 2]),  # 好好棒棒棒 writes 好棒
        ([1, 2, 0, 2], [1, 2, 2]),  # 好棒-棒 writes 好棒棒
        ([0, 1, 0, 0, 1, 1, 0], [1, 1]),
        ([3, 0, 3, 3, 2], [3, 3, 2]),
    ],
)
def test_collapse(path: list[int], labelling: list[int]) -> None:
    assert collapse(path) == labelling
    assert collapse(np.array(path, np.int64)) == labelling


def test_collapse_with_another_blank() -> None:
    assert collapse([2, 0, 0, 2, 0, 1, 2], blank=2) == [0, 0, 1]


@pytest.mark.parametrize(
    ("path", "labelling"), [([], []), ([0, 0], [0]), ([1, 1, 2, 2, 2], [1, 2]), ([1, 0, 0, 1], [1, 0, 1])]
)
def test_without_a_blank_it_is_trimming(path: list[int], labelling: list[int]) -> None:
    assert collapse(path, blank=None) == labelling


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 3), max_size=12))
def test_trimming_never_writes_equal_neighbours(path: list[int]) -> None:
    trimmed = collapse(path, blank=None)
    assert trimmed == [symbol for symbol, _ in itertools.groupby(path)]
    assert all(one != other for one, other in itertools.pairwise(trimmed))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 3), max_size=12))
def test_collapse_is_merging_then_dropping(path: list[int]) -> None:
    merged = [symbol for symbol, _ in itertools.groupby(path)]
    assert collapse(path) == [symbol for symbol in merged if symbol]


@pytest.mark.parametrize("targets", [t for n in range(4) for t in itertools.product((1, 2), repeat=n)])
def test_min_input_length_is_the_shortest_path(targets: tuple[int, ...]) -> None:
    def writes(frames: int) -> bool:
        paths = itertools.product(range(3), repeat=frames)
        return any(tuple(collapse(path)) == targets for path in paths)

    needed = min_input_length(targets)
    assert writes(needed)
    assert not any(writes(frames) for frames in range(needed))


@pytest.mark.parametrize(
    ("targets", "frames"), [([], 0), ([5], 1), ([5, 5], 3), ([5, 5, 5], 5), ([1, 2, 1], 3)]
)
def test_min_input_length(targets: list[int], frames: int) -> None:
    assert min_input_length(targets) == min_input_length(np.array(targets, np.int64)) == frames
