"""The CTC loss of a batch, and what is added to it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from ctcasr.ctc.forward_backward import CtcBatch, ctc_losses, forward_backward
from ctcasr.models.subsampling import valid_frames


def ctc_loss(log_probs: Tensor, input_lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
    """Return -log p(targets | log_probs) of each utterance, `(B,)`, in nats (Graves et al. 2006).

    An utterance whose targets do not fit its frames has an infinite loss, and a gradient of zero; nothing is set
    to zero in silence. On a CPU the sums are float64's, on as many threads as torch has; a GPU uses torch's.

    Args:
        log_probs: `(B, T', V)` normalised natural log-probabilities, blank 0; half precision becomes float32.
        input_lengths: `(B,)` valid frames.
        targets: `(B, U)` symbol numbers; what lies beyond each length does not matter.
        target_lengths: `(B,)` symbols.

    Raises:
        DataError: lengths do not fit the shapes, or a target is no symbol or the blank (on a CPU).
    """
    log_probs = log_probs.to(torch.promote_types(log_probs.dtype, torch.float32))
    if log_probs.device.type != "cpu":
        return _device_ctc_loss(log_probs, input_lengths, targets, target_lengths)
    losses: Tensor = _CtcLoss.apply(log_probs, input_lengths, targets, target_lengths)  # type: ignore[no-untyped-call]
    return losses


class _CtcLoss(torch.autograd.Function):
    """The sums of `ctcasr.ctc.forward_backward`, for torch to differentiate."""

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, *integers: Tensor) -> Tensor:
        """Return the losses `(B,)`, and keep the occupancies if a gradient is wanted."""
        batch = CtcBatch(log_probs.detach().numpy(), *(tensor.numpy() for tensor in integers))
        if ctx.needs_input_grad[0]:
            ctx.occupancies = forward_backward(batch, torch.get_num_threads())
            losses = ctx.occupancies.losses
        else:
            losses = ctc_losses(batch, torch.get_num_threads())
        return torch.from_numpy(losses).to(log_probs.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient with respect to log_probs."""
        weights = gradient.to(torch.float64).numpy()
        return torch.from_numpy(ctx.occupancies.gradient(weights, torch.get_num_threads())), None, None, None


def _device_ctc_loss(
    log_probs: Tensor, input_lengths: Tensor, targets: Tensor, target_lengths: Tensor
) -> Tensor:
    """Return what `ctc_loss` promises, by torch's own.

    Torch gives an infinite loss a gradient of NaN, and with `zero_infinity` hides it: here the infinity is added
    to the loss that is hidden, which leaves its gradient zero.
    """

    def losses(zero_infinity: bool) -> Tensor:
        return functional.ctc_loss(
            log_probs.transpose(0, 1),
            targets,
            input_lengths,
            target_lengths,
            reduction="none",
            zero_infinity=zero_infinity,
        )

    with torch.no_grad():
        plain = losses(False)
    return losses(True) + torch.where(plain == math.inf, math.inf, 0.0)


def frame_loss(log_probs: Tensor, input_lengths: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of each utterance's frames with their targets, `(B,)`, in nats over its frames.

    Args:
        log_probs: `(B, T', O)` normalised natural log-probabilities.
        input_lengths: `(B,)` valid frames.
        targets: `(B, T')` numbers of outputs; a frame with a negative one does not count.
    """
    counted = (targets >= 0) & valid_frames(input_lengths, log_probs.shape[1])
    found = log_probs.gather(2, targets.clamp_min(0)[..., None])[..., 0]
    return -found.masked_fill(~counted, 0.0).sum(-1)


def smoothing_loss(log_probs: Tensor, counted: Tensor) -> Tensor:
    """Return how far the outputs of each utterance are from uniform, `(B,)`, in nats over their frames.

    The Kullback-Leibler divergence D(uniform || output), as in label smoothing (Szegedy et al. 2016), summed over the
    frames: it keeps the output from becoming a row of peaks (after Kim et al. 2018, Improved training for online
    end-to-end speech recognition systems).

    Args:
        log_probs: `(B, T', V)`.
        counted: `(B, T')`, true of the frames that count.
    """
    divergence = -log_probs.mean(-1) - math.log(log_probs.shape[2])
    return divergence.masked_fill(~counted, 0.0).sum(-1)


def consistency_loss(log_probs: Tensor, input_lengths: Tensor) -> Tensor:
    """Return how far two maskings of each utterance disagree, `(B,)`, in nats over their frames.

    Each masking is pulled to what the other gives, held fixed: half the Kullback-Leibler divergence either
    way, summed over the frames (Yao et al. 2024, CR-CTC).

    Args:
        log_probs: `(2 * B, T', V)`, the second masking's rows after the first's.
        input_lengths: `(2 * B,)` valid frames.
    """
    one, other = log_probs.chunk(2)
    inside = valid_frames(input_lengths.chunk(2)[0], log_probs.shape[1])
    fixed_one, fixed_other = one.detach(), other.detach()
    divergence = fixed_other.exp() * (fixed_other - one) + fixed_one.exp() * (fixed_one - other)
    return 0.5 * (divergence.sum(-1) * inside).sum(-1)
