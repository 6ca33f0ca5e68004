"""The CTC loss against enumeration of all paths, the other losses against their formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.ctc import log_likelihood, min_input_length
from ctcasr.errors import DataError
from ctcasr.models import consistency_loss, ctc_loss, smoothing_loss
from ctcasr.models.loss import _device_ctc_loss


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


LOSSES = [ctc_loss, _device_ctc_loss]  # the kernel's, and torch's as it is on a GPU


def mixed_batch(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    """Return logits and a batch whose second utterance is infeasible, whose third is empty."""
    logits = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64).to(dtype)
    targets = torch.tensor([[1, 2, 0], [1, 1, 1], [0, 0, 0], [2, 2, 0]])
    return logits.requires_grad_(), torch.tensor([6, 4, 5, 3]), targets, torch.tensor([2, 3, 0, 2])


@pytest.mark.parametrize("loss", LOSSES)
def test_an_infinite_loss_has_no_gradient(loss) -> None:
    logits, *rest = mixed_batch()
    losses = loss(logits.log_softmax(-1), *rest)
    assert torch.isinf(losses).tolist() == [False, True, False, False]
    for weights in ([1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0]):
        (gradient,) = torch.autograd.grad((losses * torch.tensor(weights)).sum(), logits, retain_graph=True)
        assert torch.isfinite(gradient).all()
        assert not gradient[1].any()
        assert not gradient[3, 3:].any()
        assert gradient[[0, 2]].abs().sum((1, 2)).min() > 0.1


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_both_devices_agree(dtype: torch.dtype, tolerance: float) -> None:
    logits, *rest = mixed_batch(dtype)
    ours, theirs = (loss(logits.log_softmax(-1), *rest) for loss in LOSSES)
    assert ours.dtype == theirs.dtype == dtype
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
    weights = torch.tensor([0.3, 2.0, -1.0, 1.0], dtype=dtype)
    gradients = [torch.autograd.grad(losses @ weights, logits)[0] for losses in (ours[None], theirs[None])]
    torch.testing.assert_close(*gradients, rtol=tolerance, atol=tolerance)


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctcasr.ctc.forward_backward.STATES_A_THREAD", 1)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            logits, *rest = mixed_batch(torch.float32)
            losses = ctc_loss(logits.log_softmax(-1), *rest)
            losses.sum().backward()
            found.append((losses, logits.grad))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_without_a_gradient_the_losses_are_the_same() -> None:
    logits, *rest = mixed_batch()
    with_gradient = ctc_loss(logits.log_softmax(-1), *rest)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert torch.equal(ctc_loss(logits.log_softmax(-1), *rest), with_gradient)
    assert torch.equal(ctc_loss(logits.detach().log_softmax(-1), *rest), with_gradient)


def test_what_lies_beyond_the_lengths_is_not_read() -> None:
    logits, lengths, targets, counts = mixed_batch()
    log_probs = logits.detach().log_softmax(-1)
    changed, other_targets = log_probs.clone(), targets.clone()
    for row in range(4):
        changed[row, lengths[row] :] = math.nan
        other_targets[row, counts[row] :] = -1
    ours = ctc_loss(log_probs, lengths, targets, counts)
    assert torch.equal(ours, ctc_loss(changed, lengths, other_targets, counts))


def test_wrong_targets_are_refused() -> None:
    with pytest.raises(DataError, match="target 1 of utterance 0 is 3; expected 1 to 2"):
        loss_of(torch.zeros(5, 3), [1, 3])


def test_smoothing_is_the_divergence_from_uniform() -> None:
    log_probs = two_maskings()[:3]
    expected = [
        divergence(np.full((count, 4), -math.log(4)), log_probs[row, :count].numpy())
        for row, count in enumerate(LENGTHS.tolist())
    ]
    counted = torch.arange(7)[None] < LENGTHS[:, None]
    assert smoothing_loss(log_probs, counted).tolist() == pytest.approx(expected)
    uniform = torch.zeros(1, 5, 4).log_softmax(-1)
    assert smoothing_loss(uniform, torch.ones(1, 5, dtype=torch.bool)).tolist() == pytest.approx(
        [0], abs=1e-6
    )
    changed = log_probs.clone()
    changed[1, 4:] = math.nan  # beyond its length
    assert torch.equal(smoothing_loss(changed, counted), smoothing_loss(log_probs, counted))


def two_maskings(seed: int = 0) -> torch.Tensor:
    """Return log-probabilities of three utterances masked in two ways, `(6, 7, 4)`."""
    logits = torch.randn(6, 7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return (2 * logits).log_softmax(-1)


LENGTHS = torch.tensor([7, 4, 1])


def divergence(one: np.ndarray, other: np.ndarray) -> float:
    """Return Kullback and Leibler's divergence of a frame, frame after frame and symbol after symbol."""
    return sum(
        math.exp(p) * (p - q) for ps, qs in zip(one, other, strict=True) for p, q in zip(ps, qs, strict=True)
    )


def test_consistency_is_half_the_divergence_either_way() -> None:
    log_probs = two_maskings()
    one, other = log_probs.numpy().reshape(2, 3, 7, 4)
    expected = [
        0.5
        * (
            divergence(one[row, :count], other[row, :count])
            + divergence(other[row, :count], one[row, :count])
        )
        for row, count in enumerate(LENGTHS.tolist())
    ]
    losses = consistency_loss(log_probs, LENGTHS.repeat(2))
    assert losses.tolist() == pytest.approx(expected)
    assert min(expected) > 0.1
    assert consistency_loss(log_probs.float(), LENGTHS.repeat(2)).tolist() == pytest.approx(
        expected, rel=1e-4
    )


def test_equal_maskings_agree() -> None:
    log_probs = two_maskings()[:3].repeat(2, 1, 1).requires_grad_()
    losses = consistency_loss(log_probs, LENGTHS.repeat(2))
    assert losses.tolist() == [0, 0, 0]


def test_equal_maskings_are_left_as_they_are() -> None:
    logits = torch.randn(3, 7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    logits = logits.repeat(2, 1, 1).requires_grad_()
    consistency_loss(logits.log_softmax(-1), LENGTHS.repeat(2)).sum().backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() < 1e-12


def test_consistency_pulls_each_masking_to_the_other_held_fixed() -> None:
    log_probs = two_maskings().requires_grad_()
    consistency_loss(log_probs, LENGTHS.repeat(2)).sum().backward()
    one, other = log_probs.detach().chunk(2)
    inside = (torch.arange(7) < LENGTHS[:, None])[..., None]
    # Of a side held fixed there is no slope: what is left is the other's probability, halved.
    expected = -0.5 * torch.cat([other.exp() * inside, one.exp() * inside])
    torch.testing.assert_close(log_probs.grad, expected)


def test_consistency_of_a_row_is_its_own() -> None:
    log_probs, lengths = two_maskings(), LENGTHS.repeat(2)
    changed = log_probs.clone()
    changed[[1, 4], 4:] = 7.0  # beyond its length
    changed[[2, 5]] = two_maskings(1)[[2, 5]]  # another utterance
    losses, others = consistency_loss(log_probs, lengths), consistency_loss(changed, lengths)
    assert torch.equal(losses[:2], others[:2])
    assert losses[2] != others[2]
    assert torch.equal(consistency_loss(torch.nn.functional.pad(log_probs, (0, 0, 0, 3)), lengths), losses)
