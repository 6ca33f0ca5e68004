"""The losses of a chain of tags, for torch to differentiate: its likelihood, or the best wrong sequence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ctcasr.crf import Chain, ChainBatch
from ctcasr.crf.forward_backward import chain_losses, forward_backward
from ctcasr.crf.viterbi import best_tags
from ctcasr.models.heads import TagHead
from ctcasr.models.subsampling import valid_frames


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


def structured_hinge_loss(
    scores: Tensor, lengths: Tensor, tags: Tensor, head: TagHead, margin: float
) -> Tensor:
    """Return by how much the best sequence beats the true one in each sentence, `(B,)`, 0 or more but for rounding.

    That is `max_y (score(y) + margin * wrong(y)) - score(tags)`, wrong(y) being the number of tags in which y differs.
    With a margin of 0 it is the loss of the structured perceptron (Collins 2002), with 1 the hinge of the structured
    support vector machine whose cost are wrong tags (Taskar et al. 2003; Tsochantaridis et al. 2005, margin
    re-scaling), an upper bound of the tags that are wrong. To keep the weights small, as a support vector
    machine does, is left to the optimizer's weight decay. Viterbi's algorithm finds the best sequence, for the margin
    is a sum over places; the gradient is what that sequence has minus what the tags have.

    Args:
        scores: `(B, T, V)`.
        lengths: `(B,)` words.
        tags: `(B, T)` numbers of tags; what lies beyond each length does not matter.
        head: whose transitions are scored.
        margin: what each wrong tag is given.

    Raises:
        DataError: lengths do not fit the shapes, or a tag is none.
    """
    chain = Chain(*(tensor.detach().cpu().numpy() for tensor in (head.transitions, head.starts, head.ends)))
    ChainBatch(scores.detach().cpu().numpy(), lengths.cpu().numpy(), chain).check_tags(tags.cpu().numpy())
    inside = valid_frames(lengths, scores.shape[1])
    tags = tags.masked_fill(~inside, 0)
    raised = scores + margin
    raised = raised.scatter(2, tags[..., None], scores.gather(2, tags[..., None]))
    found, _ = best_tags(ChainBatch(raised.detach().cpu().numpy(), lengths.cpu().numpy(), chain))
    best = torch.from_numpy(found).to(scores.device)
    return _sequence_scores(raised, inside, best, head) - _sequence_scores(scores, inside, tags, head)


def _sequence_scores(scores: Tensor, inside: Tensor, tags: Tensor, head: TagHead) -> Tensor:
    """Return the score of one sequence of tags in each sentence, `(B,)`; 0 of an empty one.

    Args:
        scores: `(B, T, V)`.
        inside: `(B, T)`, true of a sentence's own words.
        tags: `(B, T)`, of which those beyond a sentence are any tags.
        head: whose transitions are scored.
    """
    emissions = scores.gather(2, tags[..., None])[..., 0]
    neighbours = head.transitions[tags[:, :-1], tags[:, 1:]]
    is_last = inside & ~torch.cat((inside[:, 1:], torch.zeros_like(inside[:, :1])), dim=1)
    parts = (
        emissions.masked_fill(~inside, 0),
        neighbours.masked_fill(~inside[:, 1:], 0),
        head.starts[tags[:, :1]].masked_fill(~inside[:, :1], 0),
        head.ends[tags].masked_fill(~is_last, 0),
    )
    return torch.cat(parts, dim=1).sum(1)


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
