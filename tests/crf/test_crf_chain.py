"""The sums and the best tags of a chain, against all sequences one by one."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.crf import Chain, ChainBatch
from ctcasr.crf.forward_backward import chain_losses, forward_backward
from ctcasr.crf.viterbi import best_tags
from ctcasr.errors import DataError
from tests.oracles.chains import enumerate_chain, sequence_score


def chain_of(rng: np.random.Generator, count: int, spread: float, forbidden: float = 0.0) -> Chain:
    """Return random neighbours; a share of them is forbidden."""
    arrays = [spread * rng.standard_normal(shape) for shape in ((count, count), count, count)]
    for array in arrays:
        array[rng.random(array.shape) < forbidden] = -np.inf
    return Chain(*arrays)


def batch_of(seed: int, spread: float, forbidden: float = 0.0) -> tuple[ChainBatch, np.ndarray]:
    rng = np.random.default_rng(seed)
    count, rows, places = (int(rng.integers(low, 5)) for low in (1, 1, 1))
    scores = spread * rng.standard_normal((rows, places, count))
    lengths = rng.integers(0, places + 1, rows)
    tags = rng.integers(0, count, (rows, places))
    return ChainBatch(scores, lengths, chain_of(rng, count, spread, forbidden)), tags


SPREADS = st.sampled_from([0.1, 2.0, 30.0, 1000.0])


@pytest.mark.slow
@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), SPREADS, st.sampled_from([0.0, 0.3]))
def test_losses_and_marginals_are_those_of_all_sequences(seed: int, spread: float, forbidden: float) -> None:
    batch, tags = batch_of(seed, spread, forbidden)
    sums = forward_backward(batch, tags)
    np.testing.assert_array_equal(chain_losses(batch, tags), sums.losses)
    for row, length in enumerate(batch.lengths):
        probable = enumerate_chain(batch.scores[row, :length], batch.chain)
        log_prob = probable[tuple(tags[row, :length].tolist())]
        if length and log_prob == -np.inf:
            assert sums.losses[row] == np.inf
            continue
        assert sums.losses[row] == pytest.approx(-log_prob if length else 0.0, rel=1e-9, abs=1e-9)
        marginals, pairs = np.zeros_like(sums.marginals[row]), np.zeros_like(sums.pairs[row])
        for sequence, value in probable.items():
            for place, tag in enumerate(sequence):
                marginals[place, tag] += math.exp(value)
                if place:
                    pairs[sequence[place - 1], tag] += math.exp(value)
        np.testing.assert_allclose(sums.marginals[row], marginals, atol=1e-9)
        np.testing.assert_allclose(sums.pairs[row], pairs, atol=1e-9)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), SPREADS, st.sampled_from([0.0, 0.3]))
def test_the_best_tags_are_those_of_all_sequences(seed: int, spread: float, forbidden: float) -> None:
    batch, _ = batch_of(seed, spread, forbidden)
    found, best = best_tags(batch)
    for row, length in enumerate(batch.lengths):
        scores = batch.scores[row, :length]
        highest = max(
            sequence_score(scores, batch.chain, tags) for tags in enumerate_chain(scores, batch.chain)
        )
        assert not found[row, length:].any()
        if highest > -np.inf:
            assert best[row] == pytest.approx(highest, rel=1e-12)
            ours = tuple(found[row, :length].tolist())
            assert sequence_score(scores, batch.chain, ours) == pytest.approx(highest, rel=1e-12)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 400.0]))
def test_a_sentence_does_not_feel_its_neighbours(seed: int, spread: float) -> None:
    batch, tags = batch_of(seed, spread)
    together = forward_backward(batch, tags)
    together_tags, _ = best_tags(batch)
    for row, length in enumerate(batch.lengths):
        alone = ChainBatch(batch.scores[row : row + 1, :length], np.array([length]), batch.chain)
        sums = forward_backward(alone, tags[row : row + 1, :length])
        assert sums.losses[0] == together.losses[row]
        np.testing.assert_array_equal(sums.marginals[0], together.marginals[row, :length])
        assert not together.marginals[row, length:].any()
        np.testing.assert_array_equal(sums.pairs[0], together.pairs[row])
        np.testing.assert_array_equal(best_tags(alone)[0][0], together_tags[row, :length])


@pytest.mark.parametrize("spread", [1.0, 500.0])
def test_gradients_are_differences_of_losses(spread: float) -> None:
    rng = np.random.default_rng(3)
    scores, tags, lengths = rng.standard_normal((3, 4, 3)), rng.integers(0, 3, (3, 4)), np.array([4, 2, 0])
    scores[0, 2, 0] -= spread - 1  # beyond the range of doubles, where spread is large
    chain, weights = chain_of(rng, 3, 1.0), np.array([0.5, 2.0, 7.0])
    by_scores, by_chain = forward_backward(ChainBatch(scores, lengths, chain), tags).gradient(weights)
    arrays = [scores, chain.transitions, chain.starts, chain.ends]
    gradients = [by_scores, by_chain.transitions, by_chain.starts, by_chain.ends]
    for array, gradient in zip(arrays, gradients, strict=True):
        for index in np.ndindex(array.shape):
            totals = []
            for step in (1e-5, -1e-5):
                kept = array[index]
                array[index] = kept + step
                totals.append(float(weights @ chain_losses(ChainBatch(scores, lengths, chain), tags)))
                array[index] = kept
            assert gradient[index] == pytest.approx((totals[0] - totals[1]) / 2e-5, abs=1e-6)


def test_both_ways_to_sum_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, tags = batch_of(11, 3.0)
    scaled = forward_backward(batch, tags)
    monkeypatch.setattr(sys.modules[forward_backward.__module__], "WIDEST", 0.0)
    logs = forward_backward(batch, tags)
    np.testing.assert_allclose(scaled.losses, logs.losses, rtol=1e-12)
    np.testing.assert_allclose(scaled.marginals, logs.marginals, atol=1e-12)
    np.testing.assert_allclose(scaled.pairs, logs.pairs, atol=1e-12)


def test_forbidden_tags_have_an_infinite_loss_and_no_gradient() -> None:
    chain = Chain(np.array([[0.0, -np.inf], [0.0, 0.0]]), np.zeros(2), np.zeros(2))
    batch = ChainBatch(np.zeros((2, 2, 2)), np.array([2, 2]), chain)
    sums = forward_backward(batch, np.array([[0, 1], [0, 0]]))
    assert sums.losses.tolist() == [np.inf, pytest.approx(math.log(3))]
    scores, by_chain = sums.gradient(np.ones(2))
    assert not scores[0].any()
    assert np.isfinite(by_chain.transitions).all()
    assert best_tags(batch)[0].tolist() == [[0, 0], [0, 0]]


def test_nan_is_not_hidden() -> None:
    scores = np.zeros((1, 2, 2))
    scores[0, 1, 1] = np.nan
    sums = forward_backward(
        ChainBatch(scores, np.array([2]), chain_of(np.random.default_rng(0), 2, 1.0)), np.zeros((1, 2), int)
    )
    assert np.isnan(sums.losses[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": np.zeros((1, 2))}, "scores have shape"),
        ({"scores": np.zeros((1, 2, 3))}, r"expected \(sentences, places, 2 tags\)"),
        ({"scores": np.zeros((1, 2, 2), np.float16)}, "scores are float16"),
        ({"lengths": np.array([3])}, "expected 1 numbers from 0 to 2"),
        ({"lengths": np.array([1, 1])}, "expected 1 numbers from 0 to 2"),
        ({"tags": np.zeros((1, 1), int)}, r"tags have shape \(1, 1\)"),
        ({"tags": np.array([[0, 2]])}, "tag 1 of sentence 0 is 2; expected 0 to 1"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, np.ndarray], message: str) -> None:
    given = {"scores": np.zeros((1, 2, 2)), "lengths": np.array([2]), "tags": np.zeros((1, 2), int)} | change
    chain = Chain(np.zeros((2, 2)), np.zeros(2), np.zeros(2))
    with pytest.raises(DataError, match=message):
        forward_backward(ChainBatch(given["scores"], given["lengths"], chain), given["tags"])


def test_a_chain_is_written_and_read(tmp_path: Path) -> None:
    chain = chain_of(np.random.default_rng(1), 3, 1.0)
    chain.write(tmp_path / "chain.npz")
    read = Chain.read(tmp_path / "chain.npz")
    for name, array in vars(chain).items():
        np.testing.assert_array_equal(getattr(read, name), array.astype(np.float32))
    with pytest.raises(DataError, match="transitions, starts and ends have shapes"):
        Chain(np.zeros((2, 3)), np.zeros(2), np.zeros(2))
    for content in (b"", b"nothing", (tmp_path / "chain.npz").read_bytes()[:60]):
        (tmp_path / "broken.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"broken\.npz: cannot be read"):
            Chain.read(tmp_path / "broken.npz")
