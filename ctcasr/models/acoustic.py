"""The acoustic model: convolutional subsampling, recurrent layers, log-softmax."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctcasr.models.recurrent import RecurrentLayers, make_dropout
from ctcasr.models.settings import ModelSettings
from ctcasr.models.subsampling import ConvSubsampling, valid_frames


class AcousticModel(nn.Module):
    """Map feature frames to log-probabilities of symbols, the blank being symbol 0.

    An utterance's output does not depend on what it is batched with: no operation looks at padding, and none mixes
    utterances but batch normalisation while it is trained.
    """

    def __init__(self, settings: ModelSettings, bins: int, symbols: int, early_layer: int = 0) -> None:
        """Make a network with fresh weights.

        Args:
            settings: its shape.
            bins: of a feature frame.
            symbols: that it writes, with the blank; or other outputs.
            early_layer: recurrent layers, counted from 1, behind which the symbols are read as well while it is
                trained (intermediate CTC: Lee and Watanabe 2021); 0: behind the last one alone.
        """
        super().__init__()
        self.early_layer = early_layer
        self.settings = settings
        self.bins = bins
        self.symbols = symbols
        self.subsampling = ConvSubsampling(settings, bins)
        self.layers = RecurrentLayers(settings, self.subsampling.output_size)
        self.dropout = make_dropout(settings)
        self.output = nn.Linear(self.layers.outputs, symbols)
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.output.bias.data[0] = settings.blank_bias

    def forward(self, features: Tensor, feature_lengths: Tensor) -> tuple[Tensor, ...]:
        """Return `log_probs (B, T', V)`, zero beyond each length, and `input_lengths (B,)`.

        In training, those of the early layer follow, if there is one, read by the same weights.

        Args:
            features: `(B, T, F)` float.
            feature_lengths: `(B,)` integer frames.
        """
        sequences, lengths = self.subsampling(features, feature_lengths)
        layers = list(self.layers.each(sequences, lengths))
        log_probs = self._read(layers[-1], lengths)
        if self.training and self.early_layer:
            return log_probs, lengths, self._read(layers[self.early_layer - 1], lengths)
        return log_probs, lengths

    def _read(self, sequences: Tensor, lengths: Tensor) -> Tensor:
        logits = self.output(self.dropout(sequences))
        # In float32 at least: bf16 logits would lose the digits that the loss needs.
        log_probs = logits.log_softmax(dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
        masked: Tensor = log_probs * valid_frames(lengths, log_probs.shape[1])[..., None]
        return masked
