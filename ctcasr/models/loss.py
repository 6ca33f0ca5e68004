"""The CTC loss of a batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


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
