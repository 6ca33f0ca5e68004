"""The plan of an epoch: everything once, few shards at a time, the same whenever it is made."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.training.batching import plan_batches
from ctcasr.training.planning import Epoch, plan_digest, plan_epoch
from ctcasr.training.tasks import TrainingPart

SIZES = st.lists(st.floats(0.1, 20.0), min_size=1, max_size=60)


def part(sizes: list[float], shards: list[list[int]] | None) -> TrainingPart:
    return TrainingPart(Path("m"), sizes, sizes, 30.0, shards=shards)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(sizes=SIZES, seed=st.integers(0, 9), number=st.integers(0, 9), parts=st.integers(1, 4), data=st.data())
def test_each_example_comes_once_from_a_few_shards_at_a_time(
    sizes: list[float], seed: int, number: int, parts: int, data: st.DataObject
) -> None:
    of = [data.draw(st.integers(0, 6)) for _ in sizes]
    shards = [[place for place, shard in enumerate(of) if shard == wanted] for wanted in sorted(set(of))]
    epoch = Epoch(number, seed, parts, shards=2)
    plan = plan_epoch(part(sizes, shards), epoch)
    assert sorted(chain.from_iterable(plan)) == list(range(len(sizes)))
    seen = [{of[example] for example in batch} for batch in plan]
    # The shards come in windows of two: a window is not begun before the one before it is done.
    windows: list[set[int]] = []
    for shards_of_batch in seen:
        if windows and len(windows[-1] | shards_of_batch) <= 2:
            windows[-1] |= shards_of_batch
        else:
            windows.append(set(shards_of_batch))
    assert sum(map(len, windows)) == len(shards)
    assert plan_epoch(part(sizes, shards), epoch) == plan
    for batch in plan:
        share = -(-len(batch) // parts)
        assert share == 1 or share * max(sizes[example] for example in batch) <= 30.0


@settings(max_examples=30, deadline=None, derandomize=True)
@given(sizes=SIZES, seed=st.integers(0, 9), number=st.integers(0, 9))
def test_a_window_of_all_shards_is_a_plan_without_shards(sizes: list[float], seed: int, number: int) -> None:
    shards = [list(range(start, len(sizes), 3)) for start in range(min(3, len(sizes)))]
    epoch = Epoch(number, seed, 1, shards=3)
    plan = plan_epoch(part(sizes, shards), epoch)
    assert plan == plan_epoch(part(sizes, None), epoch)
    assert plan == plan_batches(sizes, 30.0, np.random.default_rng((seed, number)), 1)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(sizes=SIZES, seed=st.integers(0, 9), shards=st.integers(1, 3))
def test_a_sorted_epoch_has_the_same_batches_the_shortest_first(
    sizes: list[float], seed: int, shards: int
) -> None:
    of = [list(range(start, len(sizes), 3)) for start in range(min(3, len(sizes)))]
    shuffled = plan_epoch(part(sizes, of), Epoch(0, seed, 1, shards))
    in_order = plan_epoch(part(sizes, of), Epoch(0, seed, 1, shards, is_sorted=True))
    assert sorted(shuffled) == sorted(in_order)
    if shards == len(of):  # one window: all of the epoch
        longest = [max(sizes[example] for example in batch) for batch in in_order]
        assert longest == sorted(longest)


def test_the_shards_change_their_places_from_epoch_to_epoch() -> None:
    sizes = [1.0] * 12
    shards = [[place] for place in range(12)]
    orders = {
        tuple(chain.from_iterable(plan_epoch(part(sizes, shards), Epoch(n, 0, 1, 1)))) for n in range(5)
    }
    assert len(orders) == 5


def test_the_digest_knows_the_plan() -> None:
    assert plan_digest([[1, 2], [3]]) == plan_digest([[1, 2], [3]])
    assert len({plan_digest(plan) for plan in ([[1, 2], [3]], [[1], [2, 3]], [[3], [1, 2]])}) == 3
