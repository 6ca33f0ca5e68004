"""The acoustic model: convolutional subsampling, recurrent layers, log-softmax."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctcasr.models.recurrent import RecurrentLayers, make_dropout
from ctcasr.models.settings import ModelSettings
from ctcasr.models.subsampling import ConvSubsampling, valid_frames


class AcousticModel(nn.Module):
    """Map feature frames to log-probabilities of symbols, the blank being symbol 0.

    An utterance's output does not depend on what it is batched with: no operation mixes utterances or
    looks at padding.
    """

    def __init__(self, settings: ModelSettings, bins: int, symbols: int) -> None:
        super().__init__()
        self.settings = settings
        self.bins = bins
        self.symbols = symbols
        self.subsampling = ConvSubsampling(settings.subsampling, settings.channels, bins)
        self.layers = RecurrentLayers(settings, self.subsampling.output_size)
        self.dropout = make_dropout(settings)
        self.output = nn.Linear(self.layers.outputs, symbols)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.output.bias.data[0] = settings.blank_bias

    def forward(self, features: Tensor, feature_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return `log_probs (B, T', V)`, zero beyond each length, and `input_lengths (B,)`.

        Args:
            features: `(B, T, F)` float.
            feature_lengths: `(B,)` integer frames.
        """
        sequences, lengths = self.subsampling(features, feature_lengths)
        sequences = self.layers(sequences, lengths)
        logits = self.output(self.dropout(sequences))
        # In float32 at least: bf16 logits would lose the digits that the loss needs.
        log_probs = logits.log_softmax(dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
        return log_probs * valid_frames(lengths, log_probs.shape[1])[..., None], lengths
