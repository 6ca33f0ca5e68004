"""Batches: no bit depends on threads or neighbours, every input has an answer, and wrong ones a message."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from ctcasr.ctc import forward_backward as sums
from ctcasr.ctc import min_input_length
from ctcasr.ctc.forward_backward import CtcBatch, Occupancies, ctc_losses, forward_backward
from ctcasr.errors import DataError
from tests.ctc.test_ctc_forward_backward import batch_of, random_batch, random_log_probs, rest


def assert_equal(ours: Occupancies, theirs: Occupancies) -> None:
    for name in ("losses", "blanks", "targets"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_change_no_bit(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "STATES_A_THREAD", 1)
    pools: list[int] = []
    monkeypatch.setattr(
        sums, "ThreadPoolExecutor", lambda count: pools.append(count) or ThreadPoolExecutor(count)
    )
    batch = random_batch(4, dtype, size=7)
    alone = forward_backward(batch)
    weights = np.arange(7.0)
    for threads in (2, 3, 50):
        together = forward_backward(batch, threads)
        assert_equal(together, alone)
        np.testing.assert_array_equal(together.gradient(weights, threads), alone.gradient(weights))
        np.testing.assert_array_equal(ctc_losses(batch, threads), alone.losses)
    assert pools == [2, 2, 2, 3, 3, 3, 7, 7, 7]


def test_neighbours_change_no_bit() -> None:
    batch = random_batch(5)
    together = forward_backward(batch)
    for row in range(6):
        frames, count = batch.input_lengths[row], batch.target_lengths[row]
        alone = forward_backward(batch_of(batch.log_probs[row, :frames], batch.targets[row, :count].tolist()))
        assert alone.losses[0] == together.losses[row]
        np.testing.assert_array_equal(alone.blanks[0], together.blanks[row, :frames])
        np.testing.assert_array_equal(alone.targets[0], together.targets[row, :frames, :count])


def test_padding_has_no_occupancy() -> None:
    batch = random_batch(6)
    found = forward_backward(batch)
    for row in range(6):
        frames, count = batch.input_lengths[row], batch.target_lengths[row]
        assert not found.blanks[row, frames:].any()
        assert not found.targets[row, frames:].any()
        assert not found.targets[row, :, count:].any()
        assert not found.posteriors()[row, frames:].any()


def test_infeasible_empty_and_zero_length_utterances() -> None:
    targets = [[1, 1, 1], [1, 1, 0], [0, 0, 0], [0, 0, 0], [2, 0, 0], [2, 1, 2]]
    counts, lengths = np.array([3, 2, 0, 0, 1, 3]), np.array([4, 4, 4, 0, 0, 4])
    batch = CtcBatch(random_log_probs(6, 4, 3), lengths, np.array(targets), counts)
    found = forward_backward(batch)
    infeasible = [
        min_input_length(t[:count]) > length
        for t, count, length in zip(targets, counts, lengths, strict=True)
    ]
    assert infeasible == [True, False, False, False, True, False]
    assert (~found.feasible).tolist() == infeasible == np.isinf(found.losses).tolist()
    assert found.losses[2] == pytest.approx(-batch.log_probs[2, :, 0].sum())
    assert found.losses[3] == 0
    gradient = found.gradient(np.ones(6))
    assert not gradient[[0, 3, 4]].any()
    np.testing.assert_allclose(gradient[2], [[-1, 0, 0]] * 4)
    np.testing.assert_allclose(gradient[[1, 2, 5]].sum(2), -1)
    np.testing.assert_array_equal(ctc_losses(batch), found.losses)


def test_no_probability_is_an_infinite_loss_without_a_gradient() -> None:
    log_probs = random_log_probs(40, 3)
    log_probs[:, 2] = -np.inf
    found = forward_backward(batch_of(log_probs, [1, 2, 1]))
    assert found.losses.tolist() == [np.inf]
    assert not found.targets.any()
    assert not found.gradient(np.array([np.nan])).any()
    log_probs[20] = -np.inf  # a frame without any probability
    assert forward_backward(batch_of(log_probs, [1, 1])).losses.tolist() == [np.inf]


def test_nan_is_not_hidden_but_weight_zero_leaves_it_out() -> None:
    log_probs = random_log_probs(2, 30, 3)
    log_probs[0, 7, 1] = np.nan
    batch = CtcBatch(log_probs, np.array([30, 30]), np.array([[1, 2], [1, 2]]), np.array([2, 2]))
    found = forward_backward(batch)
    assert np.isnan(found.losses).tolist() == [True, False]
    assert np.isnan(ctc_losses(batch)).tolist() == [True, False]
    assert np.isnan(found.gradient(np.ones(2))[0]).any()
    gradient = found.gradient(np.array([0.0, 1.0]))
    assert not gradient[0].any()
    np.testing.assert_allclose(gradient[1].sum(1), -1)


def test_an_empty_batch() -> None:
    batch = CtcBatch(
        np.zeros((0, 5, 3)), np.zeros(0, np.int64), np.zeros((0, 2), np.int64), np.zeros(0, np.int64)
    )
    assert forward_backward(batch, 2).posteriors(2).shape == (0, 5, 3)


def test_other_layouts_and_integers() -> None:
    batch = random_batch(7)
    turned = CtcBatch(np.asfortranarray(batch.log_probs), *(array.astype(np.int32) for array in rest(batch)))
    assert_equal(forward_backward(turned), forward_backward(batch))


GOOD: dict[str, Any] = {
    "log_probs": np.zeros((2, 4, 3)),
    "input_lengths": np.array([4, 3]),
    "targets": np.array([[1, 2], [2, -1]]),
    "target_lengths": np.array([2, 1]),
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"log_probs": np.zeros((4, 3))}, r"shape \(4, 3\) and targets \(2, 2\); expected"),
        ({"log_probs": np.zeros((2, 4, 3), np.float16)}, "are float16; expected float32 or float64"),
        ({"input_lengths": np.array([4])}, r"input_lengths have shape \(1,\)"),
        ({"targets": np.ones((3, 2), np.int64)}, r"targets \(3, 2\)"),
        ({"input_lengths": np.array([4, 5])}, "utterance 1 has input_lengths 5; expected 0 to 4"),
        ({"target_lengths": np.array([-1, 1])}, "utterance 0 has target_lengths -1; expected 0 to 2"),
        (
            {"target_lengths": np.array([2, 2])},
            "target 1 of utterance 1 is -1; expected 1 to 2, 0 being the blank",
        ),
        ({"targets": np.array([[1, 3], [2, 0]])}, "target 1 of utterance 0 is 3"),
        ({"targets": np.array([[0, 1], [2, 0]])}, "target 0 of utterance 0 is 0"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    CtcBatch(**GOOD)
    with pytest.raises(DataError, match=message):
        CtcBatch(**GOOD | change)
