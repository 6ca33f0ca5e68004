"""The CTC loss of a batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ctcasr.models.subsampling import valid_frames


def ctc_loss(log_probs: Tensor, input_lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
    """Return -log p(targets | log_probs) of each utterance, `(B,)`, in nats (Graves et al. 2006).

    An utterance whose targets do not fit its frames has an infinite loss; nothing is set to zero in silence.

    Args:
        log_probs: `(B, T', V)` normalised natural log-probabilities, blank 0.
        input_lengths: `(B,)` valid frames.
        targets: `(B, U)` symbol numbers, zero beyond each length.
        target_lengths: `(B,)` symbols.
    """
    losses: Tensor = functional.ctc_loss(
        log_probs.transpose(0, 1).to(torch.promote_types(log_probs.dtype, torch.float32)),
        targets,
        input_lengths,
        target_lengths,
        blank=0,
        reduction="none",
        zero_infinity=False,
    )
    return losses


def consistency_loss(log_probs: Tensor, input_lengths: Tensor) -> Tensor:
    """Return how far two maskings of each utterance disagree, `(B,)`, in nats over their frames.

    Each masking is pulled to what the other gives, held fixed: half the Kullback-Leibler divergence either
    way, summed over the frames (Yao et al. 2024, CR-CTC, equation 5).

    Args:
        log_probs: `(2 * B, T', V)`, the second masking's rows after the first's.
        input_lengths: `(2 * B,)` valid frames.
    """
    one, other = log_probs.chunk(2)
    inside = valid_frames(input_lengths.chunk(2)[0], log_probs.shape[1])
    fixed_one, fixed_other = one.detach(), other.detach()
    divergence = fixed_other.exp() * (fixed_other - one) + fixed_one.exp() * (fixed_one - other)
    return 0.5 * (divergence.sum(-1) * inside).sum(-1)
