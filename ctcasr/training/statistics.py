"""Global feature statistics of a training set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ctcasr.data import Utterance, load_utterance
from ctcasr.errors import AudioError, DataError
from ctcasr.features import FeatureExtractor, FeatureSettings, GlobalStatistics

MAX_UTTERANCES = 2000  # more do not move the third digit


def measure_statistics(utterances: Sequence[Utterance], settings: FeatureSettings) -> GlobalStatistics:
    """Return mean and standard deviation of each feature bin over (evenly chosen) utterances.

    Raises:
        DataError: not one recording can be read.
    """
    extractor = FeatureExtractor(settings.model_copy(update={"normalization": "none"}))
    total, squares, frames = np.zeros(settings.dimension), np.zeros(settings.dimension), 0
    for utterance in utterances[:: -(-len(utterances) // MAX_UTTERANCES)]:
        try:
            waveform = load_utterance(utterance, settings.sample_rate)
        except AudioError:
            continue  # named and counted when the training reads it
        features = extractor(waveform).astype(np.float64)
        total += features.sum(axis=0)
        squares += np.square(features).sum(axis=0)
        frames += len(features)
    if not frames:
        raise DataError(f"none of {len(utterances)} recordings can be read to measure global statistics")
    mean = total / frames
    deviation = np.sqrt(np.maximum(0, squares / frames - mean**2))
    return GlobalStatistics(mean=tuple(mean.tolist()), standard_deviation=tuple(deviation.tolist()))
