"""The loss of a conditional random field, for torch to differentiate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ctcasr.crf import Chain, ChainBatch
from ctcasr.crf.forward_backward import chain_losses, forward_backward
from ctcasr.models.heads import TagHead


def chain_loss(scores: Tensor, lengths: Tensor, tags: Tensor, head: TagHead) -> Tensor:
    """Return -log p(tags | scores) of each sentence, `(B,)`, in nats (Lafferty et al. 2001).

    The sums are float64's, on the processor, wherever the tensors are.

    Args:
        scores: `(B, T, V)`.
        lengths: `(B,)` words.
        tags: `(B, T)` numbers of tags; what lies beyond each length does not matter.
        head: whose transitions are scored.

    Raises:
        DataError: lengths do not fit the shapes, or a tag is none.
    """
    parameters = (head.transitions, head.starts, head.ends)
    losses: Tensor = _ChainLoss.apply(scores, lengths, tags, *parameters)  # type: ignore[no-untyped-call]
    return losses


class _ChainLoss(torch.autograd.Function):
    """The sums of `ctcasr.crf`."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, lengths: Tensor, tags: Tensor, *parameters: Tensor) -> Tensor:
        """Return the losses `(B,)`, and keep the expectations if a gradient is wanted."""
        chain = Chain(*(tensor.detach().cpu().numpy() for tensor in parameters))
        batch = ChainBatch(scores.detach().cpu().numpy(), lengths.cpu().numpy(), chain)
        numbers = tags.cpu().numpy()
        if any(ctx.needs_input_grad):
            ctx.sums, ctx.device = forward_backward(batch, numbers), scores.device
            losses = ctx.sums.losses
        else:
            losses = chain_losses(batch, numbers)
        return torch.from_numpy(losses).to(scores)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients with respect to scores, transitions, starts and ends."""
        by_scores, by_chain = ctx.sums.gradient(gradient.to("cpu", torch.float64).numpy())
        arrays = (by_chain.transitions, by_chain.starts, by_chain.ends)
        ours = [torch.from_numpy(array).to(ctx.device) for array in (by_scores, *arrays)]
        return ours[0], None, None, *ours[1:]
