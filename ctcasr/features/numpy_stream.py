"""Feature frames of a waveform that comes in pieces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ctcasr.errors import ConfigError
from ctcasr.features.numpy_reader import FeatureExtractor
from ctcasr.features.settings import DELTA_REACH

Float32 = npt.NDArray[np.float32]


class FeatureStream:
    """Take a waveform piece by piece, give its feature frames in blocks; each sample is transformed once.

    The blocks do not depend on the pieces, and joined they are what the extractor makes of the whole.
    """

    def __init__(self, extractor: FeatureExtractor, block_frames: int) -> None:
        """Start at the beginning of a recording.

        Raises:
            ConfigError: features are normalised over the utterance, of which the end is not known.
        """
        if extractor.settings.normalization == "utterance":
            raise ConfigError(
                "features.normalization is 'utterance', which needs the whole recording; "
                "a model that streams frame by frame is trained with 'global' or 'none'"
            )
        self._extractor, self._block = extractor, block_frames
        settings = extractor.settings
        self._reach = DELTA_REACH * settings.deltas
        self._span = max(settings.fft_size, settings.hop_samples)
        # The first frame lies around the first sample: before it, samples count as zero.
        self._held = np.zeros(settings.fft_size // 2, np.float32)
        self._before = 0.0
        self._samples = 0
        self._transformed = 0  # frames
        self._statics: list[npt.NDArray[np.floating]] = []
        self._first = 0  # frame in which the statics begin
        self._given = 0  # frames

    @property
    def delay_samples(self) -> int:
        """How many samples behind a frame's centre are waited for."""
        settings = self._extractor.settings
        return self._span - settings.fft_size // 2 + self._reach * settings.hop_samples

    def push(self, samples: Float32) -> Iterator[Float32]:
        """Take samples `(n,)`; yield the blocks `(block_frames, F)` that are now whole."""
        hop = self._extractor.settings.hop_samples
        self._take(samples)
        while True:
            needed = self._given + self._block + self._reach - self._transformed
            if len(self._held) < (needed - 1) * hop + self._span:
                return
            self._transform(needed)
            yield self._give(self._block)

    def finish(self) -> Iterator[Float32]:
        """Yield the frames that are left, in blocks; the last may be shorter."""
        settings = self._extractor.settings
        frames = settings.frames(self._samples)
        rest = frames - self._transformed
        if rest > 0:
            missing = (rest - 1) * settings.hop_samples + settings.fft_size - len(self._held)
            self._held = np.concatenate((self._held, np.zeros(max(0, missing), np.float32)))
            self._transform(rest)
        while self._given < frames:
            yield self._give(min(self._block, frames - self._given))

    def _take(self, samples: Float32) -> None:
        if len(samples):
            self._held = np.concatenate((self._held, self._extractor.emphasised(samples, self._before)))
            self._before = float(samples[-1])
            self._samples += len(samples)

    def _transform(self, frames: int) -> None:
        self._statics.append(self._extractor.statics(self._held.astype(np.float64), frames))
        self._held = self._held[frames * self._extractor.settings.hop_samples :]
        self._transformed += frames

    def _give(self, frames: int) -> Float32:
        """Return the next frames; their deltas see as many frames on either side as there are, up to their reach."""
        statics = np.concatenate(self._statics)
        begin, stop = self._given - self._first, self._given + frames - self._first
        first = max(0, begin - self._reach)
        features = self._extractor.finished(statics[first : stop + self._reach])[begin - first :][:frames]
        self._given += frames
        keep = max(0, stop - self._reach)
        self._statics, self._first = [statics[keep:]], self._first + keep
        return features


__all__ = ["FeatureStream"]
