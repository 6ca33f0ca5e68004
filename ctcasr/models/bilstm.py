"""Bidirectional LSTM layers that do not feel the padding, without packing."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


def reversal(lengths: Tensor, frames: int) -> Tensor:
    """Return the indices `(B, frames)` that turn each sequence round within its length.

    Padding stays where it is, and the indices are their own inverse.
    """
    frame = torch.arange(frames, device=lengths.device)[None]
    return torch.where(frame < lengths[:, None], lengths[:, None] - 1 - frame, frame)


class BiLSTMLayer(nn.Module):
    """One bidirectional LSTM layer (Graves and Schmidhuber 2005), layer normalisation behind it.

    The backward direction reads each sequence turned round within its own length, so that both directions
    meet the padding last: the outputs inside a length are those of the sequence alone. Unlike packing this
    keeps the matrices large, and is several times as fast on a CPU.

    Weights start as torch starts them. A forget bias of 1 (Jozefowicz et al. 2015) makes the phase in which
    all output is blank twice as long: recipes/an4/RESULTS.md.
    """

    def __init__(self, inputs: int, hidden: int, dropout: float, recurrent_dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.recurrent_dropout = nn.Dropout(recurrent_dropout)
        self.ahead = nn.LSTM(inputs, hidden, batch_first=True)
        self.back = nn.LSTM(inputs, hidden, batch_first=True)
        self.norm = nn.LayerNorm(2 * hidden)

    def forward(self, sequences: Tensor, turn: Tensor) -> Tensor:
        """Return `(B, T', 2 * hidden)` of `sequences (B, T', inputs)`; `turn` is from `reversal`."""
        sequences = self.dropout(sequences)
        ahead = self._run(self.ahead, sequences)
        back = self._run(self.back, _gather_frames(sequences, turn))
        normed: Tensor = self.norm(torch.cat((ahead, _gather_frames(back, turn)), dim=-1))
        return normed

    def _run(self, lstm: nn.LSTM, sequences: Tensor) -> Tensor:
        """Run one direction; in training, some recurrent weights are zero for the whole batch (Merity et al. 2018)."""
        weights = {}
        if self.training and self.recurrent_dropout.p:
            weights["weight_hh_l0"] = self.recurrent_dropout(lstm.get_parameter("weight_hh_l0"))
        outputs, _ = torch.func.functional_call(lstm, weights, (sequences,)) if weights else lstm(sequences)
        return cast(Tensor, outputs)


def _gather_frames(sequences: Tensor, index: Tensor) -> Tensor:
    return sequences.gather(1, index[..., None].expand(-1, -1, sequences.shape[-1]))
