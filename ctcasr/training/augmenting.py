"""Random variations of training utterances, each drawn from a generator of its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ctcasr.training.config import AugmentSettings

Mask = npt.NDArray[np.bool_]


def generator(seed: int, epoch: int, utterance: int) -> np.random.Generator:
    """Return the source of an utterance's randomness in an epoch.

    It depends on nothing else, so that neither resuming, nor the number of workers, nor the number of
    processes changes what an utterance looks like.
    """
    return np.random.default_rng((seed, epoch, utterance))


def warp_factor(settings: AugmentSettings, rng: np.random.Generator) -> float:
    """Draw by how much the frequencies of an utterance are scaled (Jaitly and Hinton 2013)."""
    return float(1 + settings.frequency_warp * rng.uniform(-1, 1))


def kept_frames(settings: AugmentSettings, frames: int, rng: np.random.Generator) -> Mask:
    """Draw time masks (Park et al. 2019, SpecAugment): true `(T,)` where a frame is kept.

    How many may grow with the length (Park et al. 2020, SpecAugment on large scale datasets: "adaptive multiplicity",
    there in place of the fixed number, here added to it).
    """
    longest = min(settings.time_mask_frames, int(settings.time_mask_share * frames))
    count = settings.time_masks + int(settings.time_mask_multiplicity * frames)
    return _spans(frames, count, longest, rng)


def kept_bins(settings: AugmentSettings, bins: int, rng: np.random.Generator) -> Mask:
    """Draw frequency masks (Park et al. 2019): true `(F,)` where a bin is kept."""
    widest = min(settings.frequency_mask_bins, int(settings.frequency_mask_share * bins))
    return _spans(bins, settings.frequency_masks, widest, rng)


def _spans(size: int, count: int, longest: int, rng: np.random.Generator) -> Mask:
    kept = np.ones(size, bool)
    for _ in range(count):
        length = int(rng.integers(0, longest + 1))
        start = int(rng.integers(0, size - length + 1))
        kept[start : start + length] = False
    return kept
