"""The training half's feature reader: torchaudio transforms over padded batches, on any device."""

from __future__ import annotations

import numpy as np
import torch
import torchaudio
from torch import Tensor, nn

from ctcasr.features.filters import cosine_transform, hann_window, mel_filters
from ctcasr.features.settings import (
    DELTA_REACH,
    ENERGY_FLOOR,
    VARIANCE_FLOOR,
    FeatureSettings,
    GlobalStatistics,
    check_statistics,
)


class BatchFeatureExtractor(nn.Module):
    """Turn padded waveforms into padded feature frames as `FeatureSettings` describes them.

    Holds no parameters. An utterance's features do not depend on what it is batched with. The Fourier
    transform runs in float64, as in the numpy reader and for the same reason.
    """

    window: Tensor
    filters: Tensor
    cosines: Tensor | None
    mean: Tensor | None
    scale: Tensor | None

    def __init__(self, settings: FeatureSettings, statistics: GlobalStatistics | None = None) -> None:
        """Prepare the transforms.

        Raises:
            ConfigError: global statistics are missing, not wanted, or of another size.
        """
        super().__init__()
        check_statistics(settings, statistics)
        self.settings = settings
        self.register_buffer("window", torch.from_numpy(hann_window(settings)), persistent=False)
        self.register_buffer("filters", torch.from_numpy(mel_filters(settings)).float(), persistent=False)
        cosines = torch.from_numpy(cosine_transform(settings.mel_bins, settings.cepstra))
        self.register_buffer("cosines", cosines if settings.kind == "mfcc" else None, persistent=False)
        self.deltas = torchaudio.transforms.ComputeDeltas(win_length=2 * DELTA_REACH + 1, mode="replicate")
        mean, scale = (
            (None, None) if statistics is None else map(torch.from_numpy, statistics.arrays(settings))
        )
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    @torch.no_grad()
    def forward(
        self, waveforms: Tensor, waveform_lengths: Tensor, warps: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return `features (B, T, F)`, zero beyond each length, and `feature_lengths (B,)`.

        Args:
            waveforms: `(B, N)` float32, zero beyond each length.
            waveform_lengths: `(B,)` samples.
            warps: `(B,)` by which the frequencies of each row's filters are scaled; none by default.
        """
        lengths = 1 + waveform_lengths // self.settings.hop_samples
        filters = self.filters if warps is None else self._warped(warps)
        features = self._log_mel(waveforms, waveform_lengths, filters)[:, : int(lengths.max())]
        if self.cosines is not None:
            features = features.double() @ self.cosines
        inside = torch.arange(features.shape[1], device=features.device)[None] < lengths[:, None]
        if self.settings.deltas:
            features = self._append_deltas(features, lengths)
        return self._normalise(features, inside, lengths).float() * inside[..., None], lengths

    def _warped(self, warps: Tensor) -> Tensor:
        filters = np.stack([mel_filters(self.settings, warp) for warp in warps.tolist()])
        return torch.from_numpy(filters).to(self.filters)

    def _log_mel(self, waveforms: Tensor, waveform_lengths: Tensor, filters: Tensor) -> Tensor:
        settings = self.settings
        if settings.preemphasis:
            shifted = nn.functional.pad(waveforms[:, :-1], (1, 0))
            inside = (
                torch.arange(waveforms.shape[1], device=waveforms.device)[None] < waveform_lengths[:, None]
            )
            waveforms = (waveforms - settings.preemphasis * shifted) * inside
        half = settings.fft_size // 2
        padded = nn.functional.pad(waveforms, (half, half + settings.hop_samples)).double()
        frames = padded.unfold(1, settings.fft_size, settings.hop_samples)[
            :, : settings.frames(waveforms.shape[1])
        ]
        spectrum = torch.view_as_real(torch.fft.rfft(frames * self.window))
        power = spectrum.square().sum(-1).float()
        return (power @ filters).clamp_min(ENERGY_FLOOR).log()

    def _append_deltas(self, features: Tensor, lengths: Tensor) -> Tensor:
        parts = [features]
        frames = torch.arange(features.shape[1], device=features.device)[None]
        # Each utterance's last frame is repeated beyond its end, as if it stood alone.
        nearest = torch.minimum(frames, lengths[:, None] - 1)[..., None].expand_as(features)
        for _ in range(self.settings.deltas):
            parts.append(self.deltas(parts[-1].gather(1, nearest).transpose(1, 2)).transpose(1, 2))
        return torch.cat(parts, dim=-1)

    def _normalise(self, features: Tensor, inside: Tensor, lengths: Tensor) -> Tensor:
        if self.settings.normalization == "none":
            return features
        if self.mean is not None and self.scale is not None:
            return (features - self.mean) * self.scale
        weight = inside[..., None] / lengths[:, None, None].double()
        centred = features - (features * weight).sum(1, keepdim=True)
        variance = (centred.square() * weight).sum(1, keepdim=True)
        return centred / (variance + VARIANCE_FLOOR).sqrt()
