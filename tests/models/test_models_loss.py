"""The CTC loss and its gradient against enumeration of all paths."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.ctc import log_likelihood, min_input_length
from ctcasr.models import ctc_loss


def loss_of(logits: torch.Tensor, targets: list[int], frames: int | None = None) -> torch.Tensor:
    log_probs = logits.log_softmax(-1)[None]
    lengths = torch.tensor([len(logits) if frames is None else frames])
    return ctc_loss(
        log_probs, lengths, torch.tensor([targets], dtype=torch.int64), torch.tensor([len(targets)])
    )[0]


def reference(logits: np.ndarray, targets: list[int]) -> float:
    return -log_likelihood(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True), targets)


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, list[int]]:
    symbols = draw(st.integers(2, 4))
    targets = draw(st.lists(st.integers(1, symbols - 1), max_size=3))
    frames = draw(st.integers(max(1, min_input_length(targets)), 6 if symbols < 4 else 5))
    logits = np.random.default_rng(draw(st.integers(0, 999))).normal(0, 2, (frames, symbols))
    return logits, targets


@settings(max_examples=40, deadline=None, derandomize=True)
@given(cases())
def test_loss_is_the_reference(case: tuple[np.ndarray, list[int]]) -> None:
    logits, targets = case
    expected = reference(logits, targets)
    assert float(loss_of(torch.from_numpy(logits), targets)) == pytest.approx(expected, abs=1e-9)
    assert float(loss_of(torch.from_numpy(logits).float(), targets)) == pytest.approx(expected, abs=1e-4)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(cases())
def test_gradient_is_the_references_slope(case: tuple[np.ndarray, list[int]]) -> None:
    logits, targets = case
    leaf = torch.from_numpy(logits).requires_grad_()
    loss_of(leaf, targets).backward()
    assert leaf.grad is not None
    direction = np.random.default_rng(0).normal(size=logits.shape)
    step = 1e-5
    ahead, behind = (reference(logits + sign * step * direction, targets) for sign in (1, -1))
    slope = (ahead - behind) / (2 * step)
    assert float((leaf.grad * torch.from_numpy(direction)).sum()) == pytest.approx(slope, abs=1e-6)


def test_frames_beyond_the_length_do_not_count() -> None:
    logits = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert float(loss_of(logits, [1, 2], frames=4)) == pytest.approx(reference(logits[:4].numpy(), [1, 2]))


def test_each_utterance_has_its_own_loss() -> None:
    logits = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    targets, lengths = torch.tensor([[1, 2, 1], [2, 0, 0]]), torch.tensor([5, 3])
    losses = ctc_loss(logits.log_softmax(-1), lengths, targets, torch.tensor([3, 1]))
    expected = [reference(logits[0].numpy(), [1, 2, 1]), reference(logits[1, :3].numpy(), [2])]
    assert losses.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("targets", "frames"), [([1, 2], 1), ([1, 1], 2), ([1, 1, 1], 4)])
def test_infeasible_is_infinite(targets: list[int], frames: int) -> None:
    assert math.isinf(loss_of(torch.zeros(frames, 3), targets))
    assert math.isfinite(loss_of(torch.zeros(frames + 1, 3), targets))


def test_half_precision_is_computed_in_float32() -> None:
    logits = torch.zeros(4, 3, dtype=torch.bfloat16)
    loss = loss_of(logits, [1])
    assert loss.dtype == torch.float32
