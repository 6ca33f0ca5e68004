"""Losses and occupancies against enumeration of all paths, against torch, and against their own slopes."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.ctc import collapse, log_likelihood
from ctcasr.ctc.forward_backward import CtcBatch, ctc_losses, forward_backward
from ctcasr.ctc.log_path_sums import log_sums


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def random_log_probs(*shape: int, seed: int = 0, scale: float = 2.0) -> np.ndarray:
    return log_softmax(np.random.default_rng(seed).normal(0, scale, shape))


def batch_of(log_probs: np.ndarray, targets: list[int]) -> CtcBatch:
    lengths = (
        np.array([len(log_probs)]),
        np.array([targets], np.int64).reshape(1, -1),
        np.array([len(targets)]),
    )
    return CtcBatch(log_probs[None], *lengths)


def random_batch(seed: int = 0, dtype: Any = np.float64, size: int = 6, frames: int = 70) -> CtcBatch:
    """Utterances of many lengths; garbage lies beyond them, which must not be read."""
    rng = np.random.default_rng(seed)
    lengths, counts = rng.integers(frames // 2, frames + 1, size), rng.integers(0, frames // 3, size)
    log_probs, targets = (
        random_log_probs(size, frames, 9, seed=seed).astype(dtype),
        rng.integers(1, 9, (size, frames)),
    )
    for row in range(size):
        log_probs[row, lengths[row] :] = np.nan
        targets[row, counts[row] :] = -7
    return CtcBatch(log_probs, lengths, targets, counts)


def enumerated(log_probs: np.ndarray, targets: list[int]) -> tuple[float, np.ndarray, np.ndarray]:
    """Loss, posteriors and target occupancies from all paths that write the targets."""
    frames, symbols = log_probs.shape
    posteriors, occupancies = np.zeros((frames, symbols)), np.zeros((frames, len(targets)))
    loss = -log_likelihood(log_probs, targets)
    for path in itertools.product(range(symbols), repeat=frames):
        if np.isinf(loss) or collapse(path) != targets:
            continue
        weight = np.exp(sum(log_probs[frame, symbol] for frame, symbol in enumerate(path)) + loss)
        place, previous = -1, 0
        for frame, symbol in enumerate(path):
            posteriors[frame, symbol] += weight
            place += symbol not in (previous, 0)
            previous = symbol
            if symbol:
                occupancies[frame, place] += weight
    return loss, posteriors, occupancies


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, list[int]]:
    symbols = draw(st.integers(2, 3))
    targets = draw(st.lists(st.integers(1, symbols - 1), max_size=3))
    frames = draw(st.integers(1, 7 if symbols == 2 else 6))
    scale = draw(st.sampled_from([0.0, 2.0, 60.0, 2000.0]))  # the last is beyond what doubles can hold
    log_probs = random_log_probs(frames, symbols, seed=draw(st.integers(0, 999)), scale=scale)
    for frame, symbol in draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2)), max_size=3)):
        log_probs[frame % frames, symbol % symbols] = -np.inf
    return log_probs, targets


@pytest.mark.slow
@settings(max_examples=120, deadline=None, derandomize=True)
@given(cases())
def test_sums_are_those_of_enumeration(case: tuple[np.ndarray, list[int]]) -> None:
    log_probs, targets = case
    loss, posteriors, occupancies = enumerated(log_probs, targets)
    found = forward_backward(batch_of(log_probs, targets))
    assert found.losses[0] == pytest.approx(loss, rel=1e-12, abs=1e-12)
    assert found.feasible[0] == np.isfinite(loss)
    np.testing.assert_allclose(found.posteriors()[0], posteriors, atol=1e-9)
    np.testing.assert_allclose(found.targets[0], occupancies, atol=1e-9)
    np.testing.assert_allclose(found.blanks[0], posteriors[:, 0], atol=1e-9)
    assert ctc_losses(batch_of(log_probs, targets)).tolist() == pytest.approx([loss], rel=1e-12, abs=1e-12)


def torch_reference(batch: CtcBatch) -> tuple[np.ndarray, np.ndarray]:
    """Losses and posteriors by torch in float64, one utterance at a time."""
    losses, posteriors = [], np.zeros(batch.log_probs.shape)
    rows = zip(batch.log_probs, batch.input_lengths, batch.targets, batch.target_lengths, strict=True)
    for row, (log_probs, frames, targets, count) in enumerate(rows):
        leaf = torch.from_numpy(log_probs[:frames].astype(np.float64)).requires_grad_()
        symbols = torch.from_numpy(targets[:count])
        loss = torch.nn.functional.ctc_loss(
            leaf, symbols, torch.tensor(frames), torch.tensor(count), reduction="sum"
        )
        loss.backward()
        losses.append(float(loss.detach()))
        # Torch returns the derivative with respect to the logits.
        posteriors[row, :frames] = (leaf.detach().exp() - leaf.grad).numpy()
    return np.array(losses), posteriors


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 3e-7)])
def test_sums_are_torchs(dtype: Any, tolerance: float) -> None:
    for seed in range(4):
        batch = random_batch(seed, dtype)
        losses, posteriors = torch_reference(batch)
        found = forward_backward(batch)
        np.testing.assert_allclose(found.losses, losses, rtol=1e-10)
        assert found.losses.dtype == np.float64
        assert found.posteriors().dtype == dtype
        np.testing.assert_allclose(found.posteriors(), posteriors, atol=tolerance)
        np.testing.assert_array_equal(ctc_losses(batch), found.losses)


@pytest.mark.parametrize("frames", [1, 15, 16, 17, 31, 32, 33, 48])
def test_every_number_of_frames(frames: int) -> None:
    batch = CtcBatch(
        random_log_probs(2, frames, 5, seed=frames),
        np.full(2, frames),
        np.array([[3], [0]]),
        np.array([1, 0]),
    )
    losses, posteriors = torch_reference(batch)
    found = forward_backward(batch)
    np.testing.assert_allclose(found.losses, losses, rtol=1e-12)
    np.testing.assert_allclose(found.posteriors(), posteriors, atol=1e-12)


@pytest.mark.parametrize("count", [30, 31, 32, 33, 64])
def test_every_number_of_targets(count: int) -> None:
    rng = np.random.default_rng(count)
    batch = CtcBatch(
        random_log_probs(1, 90, 40, seed=count),
        np.array([90]),
        rng.integers(1, 40, (1, count)),
        np.array([count]),
    )
    losses, posteriors = torch_reference(batch)
    found = forward_backward(batch)
    np.testing.assert_allclose(found.losses, losses, rtol=1e-12)
    np.testing.assert_allclose(found.posteriors(), posteriors, atol=1e-11)


# What doubles find hard: a model that all but never writes a symbol, or writes all of them too early, and models
# whose outputs are steeper than a double.
HARD = {
    "blank phase": (200, 80, -12.0, 0.5),
    "deep blank phase": (200, 80, -80.0, 0.5),
    "beyond exp": (120, 40, -800.0, 0.5),
    "steep": (200, 80, 0.0, 60.0),
    "long": (900, 400, -2.0, 1.0),
}


@pytest.mark.parametrize("name", HARD)
def test_hard_cases(name: str) -> None:
    frames, count, offset, scale = HARD[name]
    rng = np.random.default_rng(0)
    logits = rng.normal(0, scale, (1, frames, 12))
    logits[..., 1:] += offset
    targets = rng.integers(1, 12, (1, count))
    batch = CtcBatch(log_softmax(logits), np.array([frames]), targets, np.array([count]))
    losses, posteriors = torch_reference(batch)
    found = forward_backward(batch)
    np.testing.assert_allclose(found.losses, losses, rtol=1e-11)
    np.testing.assert_allclose(found.posteriors(), posteriors, atol=1e-8)
    np.testing.assert_allclose(found.targets.sum(2) + found.blanks, 1, atol=1e-8)
    np.testing.assert_allclose(ctc_losses(batch), losses, rtol=1e-11)


def test_the_transcript_of_the_wrong_recording() -> None:
    # Each direction's sums run far ahead of the transcript's: the loss is right all the same.
    frames, count = 300, 120
    logits = np.full((1, frames, 4), -30.0)
    logits[0, : frames // 2, 1] = logits[0, frames // 2 :, 2] = 0.0
    targets = np.array([[2, 3] * (count // 4) + [1, 3] * (count // 4)])
    batch = CtcBatch(log_softmax(logits), np.array([frames]), targets, np.array([count]))
    losses, posteriors = torch_reference(batch)
    assert losses[0] > 1500
    found = forward_backward(batch)
    np.testing.assert_allclose(found.losses, losses, rtol=1e-11)
    np.testing.assert_allclose(found.posteriors(), posteriors, atol=1e-8)


def test_logarithms_and_scaled_doubles_agree() -> None:
    batch = random_batch(3)
    found = forward_backward(batch)
    for row in range(6):
        frames, count = batch.input_lengths[row], batch.target_lengths[row]
        blanks, targets = np.zeros(frames), np.zeros((frames, count))
        log_prob = log_sums(batch.log_probs[row, :frames], batch.targets[row, :count], blanks, targets)
        assert -log_prob == pytest.approx(found.losses[row], rel=1e-12)
        np.testing.assert_allclose(blanks, found.blanks[row, :frames], atol=1e-10)
        np.testing.assert_allclose(targets, found.targets[row, :frames, :count], atol=1e-10)


def test_gradient_is_the_slope() -> None:
    batch = random_batch(1, frames=24)
    weights = np.random.default_rng(1).normal(size=6)
    gradient = forward_backward(batch).gradient(weights)
    rng = np.random.default_rng(2)
    for _ in range(5):
        direction, step = rng.normal(size=batch.log_probs.shape), 1e-5
        ahead, behind = (
            weights @ ctc_losses(CtcBatch(batch.log_probs + step * sign * direction, *rest(batch)))
            for sign in (1, -1)
        )
        assert (gradient * direction).sum() == pytest.approx((ahead - behind) / (2 * step), rel=1e-6)


def rest(batch: CtcBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return batch.input_lengths, batch.targets, batch.target_lengths


def test_the_package_alone_loads_no_compiler() -> None:
    code = "import sys, ctcasr.ctc; sys.exit('numba' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
