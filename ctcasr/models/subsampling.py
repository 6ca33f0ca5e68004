"""Convolutions that shorten the sequence of feature frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctcasr.models.batch_norm import FrameBatchNorm
from ctcasr.models.settings import ModelSettings

KERNEL = 3
STRIDES = {2: (2, 1), 4: (2, 2)}
"""Strides in time of the two convolutions, by subsampling factor; in frequency each halves the bins."""


def halved(size: int) -> int:
    """Return the output size of a convolution with kernel 3, stride 2 and padding 1: half, rounded up."""
    return (size + 1) // 2


def valid_frames(lengths: Tensor, frames: int) -> Tensor:
    """Return the mask `(B, frames)` of the frames inside each length."""
    return torch.arange(frames, device=lengths.device)[None] < lengths[:, None]


class ConvSubsampling(nn.Module):
    """Two convolutions over time and frequency with ReLU, as in Deep Speech 2 (Amodei et al. 2016).

    Frames beyond an utterance's length are set to zero before each convolution, so that its output equals
    that of the utterance alone, where the convolution's own padding is zero. With `batch_norm`, what comes
    out is normalised at the end.
    """

    def __init__(self, settings: ModelSettings, bins: int) -> None:
        """Make the convolutions for frames of so many bins."""
        super().__init__()
        channels, self.factor = settings.channels, settings.subsampling
        self.bins = bins
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inputs, channels, KERNEL, stride=(stride, 2), padding=1)
            for inputs, stride in zip((1, channels), STRIDES[self.factor], strict=True)
        )
        self.output_size = channels * halved(halved(bins))
        self.norm = FrameBatchNorm(self.output_size) if settings.batch_norm else None

    def forward(self, features: Tensor, feature_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return encoder inputs `(B, T', channels * bins')` and their lengths `(B,)`.

        Args:
            features: `(B, T, F)`.
            feature_lengths: `(B,)` frames; T' is `ceil(T / factor)`, and so is each length.
        """
        maps, lengths = features[:, None], feature_lengths
        for convolution, stride in zip(self.convolutions, STRIDES[self.factor], strict=True):
            maps = maps * valid_frames(lengths, maps.shape[2])[:, None, :, None]
            maps = torch.relu(convolution(maps))
            lengths = (lengths + stride - 1) // stride
        frames = maps.transpose(1, 2).flatten(2)
        if self.norm is None:
            return frames, lengths
        # In float32 at least: a mean over thousands of frames in bf16 would be off.
        exact = frames.to(torch.promote_types(frames.dtype, torch.float32))
        return self.norm(exact, valid_frames(lengths, frames.shape[1])), lengths
