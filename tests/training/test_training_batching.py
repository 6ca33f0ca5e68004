"""Batches, shares, the learning rate, masks and frequency warps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.training.augmenting import generator, kept_bins, kept_frames, warp_factor
from ctcasr.training.batching import plan_batches, share_of
from ctcasr.training.config import AugmentSettings, OptimizerSettings
from ctcasr.training.schedule import learning_rate

DURATIONS = st.lists(st.floats(0.05, 30), min_size=1, max_size=60)
QUICK = settings(max_examples=80, deadline=None, derandomize=True)


def rng(seed: int | None) -> np.random.Generator | None:
    return None if seed is None else np.random.default_rng(seed)


@QUICK
@given(DURATIONS, st.floats(0.1, 60), st.none() | st.integers(0, 99), st.integers(1, 4))
def test_batches_partition_within_the_budget(
    durations: list[float], budget: float, seed: int | None, processes: int
) -> None:
    plan = plan_batches(durations, budget, rng(seed), processes)
    assert sorted(index for batch in plan for index in batch) == list(range(len(durations)))
    for batch in plan:
        longest = max(durations[index] for index in batch)
        shares = [share_of(batch, process, processes)[0] for process in range(processes)]
        assert all(len(share) * longest <= budget or len(share) == 1 for share in shares)
    assert plan == plan_batches(durations, budget, rng(seed), processes)


def test_batches_are_full_and_of_like_durations() -> None:
    assert plan_batches([1, 4, 2, 4, 1, 2], 8) == [[1, 3], [2, 5, 0, 4]]
    assert plan_batches([1, 4, 2, 4, 1, 2], 4, processes=2) == [[1, 3], [2, 5, 0, 4]]
    assert plan_batches([9, 1], 8) == [[0], [1]]


def test_epochs_differ() -> None:
    durations = np.random.default_rng(0).uniform(1, 2, 100).tolist()
    first, second = (plan_batches(durations, 10, rng(seed)) for seed in (1, 2))
    assert first != second
    assert {frozenset(batch) for batch in first} != {frozenset(batch) for batch in second}


def test_padding_is_little() -> None:
    durations = np.random.default_rng(0).uniform(1, 20, 1000).tolist()
    plan = plan_batches(durations, 100, rng(0))
    padded = sum(len(batch) * max(durations[index] for index in batch) for batch in plan)
    assert padded < 1.1 * sum(durations)


@QUICK
@given(st.lists(st.integers(), min_size=1, max_size=12, unique=True), st.integers(1, 6))
def test_shares_cover_a_batch_once(batch: list[int], processes: int) -> None:
    shares = [share_of(batch, process, processes) for process in range(processes)]
    assert sorted(index for part, weight in shares if weight for index in part) == sorted(batch)
    assert all(part for part, _ in shares)
    assert all(len(part) == 1 for part, weight in shares if not weight)


def test_learning_rate_shape() -> None:
    settings = OptimizerSettings(learning_rate=2.0, warmup_share=0.1, final_share=0.05)
    rates = [learning_rate(settings, step, 200) for step in range(200)]
    np.testing.assert_allclose(rates[:20], np.linspace(0.1, 2.0, 20))
    assert max(rates) == rates[19] == rates[20] == 2.0
    assert all(earlier > later for earlier, later in itertools.pairwise(rates[20:]))
    assert rates[-1] == pytest.approx(0.1)
    assert learning_rate(settings, 20 + 179 // 2, 200) == pytest.approx(1.05, abs=0.01)


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
@pytest.mark.parametrize("warmup", [0.0, 0.5, 0.99])
def test_learning_rate_of_short_runs(steps: int, warmup: float) -> None:
    settings = OptimizerSettings(learning_rate=1.0, warmup_share=warmup)
    rates = [learning_rate(settings, step, steps) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates)
    assert max(rates) == 1.0


@QUICK
@given(
    frames=st.integers(1, 300),
    masks=st.integers(0, 5),
    longest=st.integers(0, 50),
    share=st.floats(0, 1),
    multiplicity=st.floats(0, 0.04),
    seed=st.integers(0, 99),
)
def test_time_masks_keep_their_bounds(
    frames: int, masks: int, longest: int, share: float, multiplicity: float, seed: int
) -> None:
    settings = AugmentSettings(
        time_masks=masks, time_mask_frames=longest, time_mask_share=share, time_mask_multiplicity=multiplicity
    )
    kept = kept_frames(settings, frames, np.random.default_rng(seed))
    bound = min(longest, int(share * frames))
    assert kept.shape == (frames,)
    assert kept.dtype == bool
    assert (~kept).sum() <= (masks + int(multiplicity * frames)) * bound
    again = kept_frames(settings, frames, np.random.default_rng(seed))
    np.testing.assert_array_equal(kept, again)


@QUICK
@given(st.integers(1, 100), st.integers(0, 5), st.integers(0, 150), st.floats(0, 1), st.integers(0, 99))
def test_frequency_masks_keep_their_bounds(
    bins: int, masks: int, widest: int, share: float, seed: int
) -> None:
    settings = AugmentSettings(frequency_masks=masks, frequency_mask_bins=widest, frequency_mask_share=share)
    kept = kept_bins(settings, bins, np.random.default_rng(seed))
    assert kept.shape == (bins,)
    assert (~kept).sum() <= masks * min(widest, share * bins)


def test_a_long_recording_is_masked_as_much_as_a_short_one() -> None:
    settings = AugmentSettings(time_masks=0, time_mask_multiplicity=0.01)
    shares = [
        np.mean(
            [1 - kept_frames(settings, frames, np.random.default_rng(seed)).mean() for seed in range(200)]
        )
        for frames in (500, 2000)
    ]
    # A mask a second of 20 frames in the mean, some on top of others: 1 - exp(-0.2).
    assert shares == pytest.approx([0.18, 0.18], abs=0.01)


def test_masks_reach_their_widths_and_everywhere() -> None:
    settings = AugmentSettings(frequency_masks=1, frequency_mask_bins=3, time_masks=1, time_mask_frames=4)
    draws = [np.random.default_rng(seed) for seed in range(400)]
    bins = np.array([~kept_bins(settings, 10, draw) for draw in draws])
    assert set(bins.sum(axis=1)) == {0, 1, 2, 3}
    few = settings.model_copy(update={"frequency_mask_share": 0.1})
    assert {int((~kept_bins(few, 10, draw)).sum()) for draw in draws} == {0, 1}
    assert bins.any(axis=0).all()
    frames = np.array([~kept_frames(settings, 100, draw) for draw in draws])
    assert set(frames.sum(axis=1)) == {0, 1, 2, 3, 4}
    assert frames.any(axis=0).all()


def test_warps_reach_their_bounds_either_way_and_no_further() -> None:
    settings = AugmentSettings(frequency_warp=0.2)
    draws = np.array([warp_factor(settings, np.random.default_rng(seed)) for seed in range(300)])
    assert 0.8 <= draws.min() < 0.81
    assert 1.19 < draws.max() <= 1.2


def test_an_utterances_randomness_is_its_own() -> None:
    draws = {
        key: generator(*key).integers(0, 2**63)
        for key in [(0, 1, 1), (1, 1, 1), (0, 2, 1), (0, 1, 2), (1, 0, 1), (1, 1, 0)]
    }
    assert len(set(draws.values())) == len(draws)
    assert generator(0, 1, 2).integers(0, 2**63) == draws[0, 1, 2]
