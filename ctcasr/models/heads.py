"""The ways out of a recurrent network: a tag for each step, or a label of the whole sequence."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ctcasr.models.subsampling import valid_frames

Pooling = Literal["last", "mean", "attention"]


class TagHead(nn.Module):
    """Score the tags of each step; with `chained`, neighbouring tags have scores of their own (as in a CRF)."""

    def __init__(self, inputs: int, tags: int, *, chained: bool) -> None:
        super().__init__()
        self.output = _linear(inputs, tags)
        self.chained = chained
        if chained:
            self.transitions = nn.Parameter(torch.zeros(tags, tags))
            self.starts, self.ends = nn.Parameter(torch.zeros(tags)), nn.Parameter(torch.zeros(tags))

    def forward(self, sequences: Tensor) -> Tensor:
        """Return scores `(B, T, V)` in float32, not normalised, of `sequences (B, T, inputs)`."""
        scores: Tensor = self.output(sequences)
        return scores.to(torch.promote_types(scores.dtype, torch.float32))


class LabelHead(nn.Module):
    """Score the labels of a whole sequence, from its last states, their mean, or a mean with computed weights.

    `last` takes what each direction of a bidirectional layer ends with; `attention` weighs the steps by how well
    they match a learned vector (Yang et al. 2016, equations 5 to 7).
    """

    def __init__(self, inputs: int, labels: int, pooling: Pooling, *, bidirectional: bool = True) -> None:
        super().__init__()
        self.pooling = pooling
        self.ahead = inputs // 2 if bidirectional else inputs
        """How many of the states have read from the start; the others have read from the end."""
        self.output = _linear(inputs, labels)
        if pooling == "attention":
            self.key = nn.Linear(inputs, inputs)
            self.query = nn.Linear(inputs, 1, bias=False)

    def forward(self, sequences: Tensor, lengths: Tensor) -> Tensor:
        """Return scores `(B, L)` in float32, not normalised.

        Args:
            sequences: `(B, T, inputs)`.
            lengths: `(B,)` valid steps, at least 1 each.
        """
        scores: Tensor = self.output(self._pooled(sequences, lengths))
        return scores.to(torch.promote_types(scores.dtype, torch.float32))

    def _pooled(self, sequences: Tensor, lengths: Tensor) -> Tensor:
        inside = valid_frames(lengths, sequences.shape[1])
        if self.pooling == "last":
            last = (lengths - 1)[:, None, None].expand(-1, 1, sequences.shape[2])
            ends = sequences.gather(1, last)[:, 0]
            return torch.cat((ends[:, : self.ahead], sequences[:, 0, self.ahead :]), dim=-1)
        if self.pooling == "mean":
            return (sequences * inside[..., None]).sum(1) / lengths[:, None]
        match = self.query(torch.tanh(self.key(sequences)))[..., 0]
        match = match.to(torch.promote_types(match.dtype, torch.float32))
        weights: Tensor = match.masked_fill(~inside, -torch.inf).softmax(-1)
        return (weights[..., None] * sequences).sum(1)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
