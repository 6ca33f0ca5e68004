"""Features of a waveform in pieces: those of the whole, in blocks that do not depend on the pieces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.errors import ConfigError
from ctcasr.features import FeatureExtractor, FeatureSettings, GlobalStatistics
from ctcasr.features.numpy_stream import FeatureStream

KINDS = [
    FeatureSettings(sample_rate=8000, mel_bins=20, normalization="none"),
    FeatureSettings(sample_rate=8000, mel_bins=20, normalization="global", preemphasis=0.97),
    FeatureSettings(sample_rate=8000, kind="mfcc", mel_bins=20, deltas=2, normalization="none"),
    FeatureSettings(
        sample_rate=8000, mel_bins=9, window_seconds=0.004, hop_seconds=0.03, normalization="none"
    ),
]


def extractor(kind: FeatureSettings) -> FeatureExtractor:
    if kind.normalization == "none":
        return FeatureExtractor(kind)
    bins = range(kind.dimension)
    return FeatureExtractor(
        kind, GlobalStatistics(mean=[-5.0 + b for b in bins], standard_deviation=[1.0 + b for b in bins])
    )


@pytest.mark.parametrize("kind", KINDS, ids=["plain", "global", "deltas", "gaps"])
@settings(deadline=None, max_examples=25)
@given(samples=st.integers(1, 3000), cuts=st.lists(st.integers(0, 3000), max_size=8), block=st.integers(1, 9))
def test_blocks_are_those_of_the_whole(
    kind: FeatureSettings, samples: int, cuts: list[int], block: int
) -> None:
    waveform = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
    whole = extractor(kind)
    stream, at_once = FeatureStream(whole, block), FeatureStream(whole, block)
    blocks = [features for piece in np.split(waveform, sorted(cuts)) for features in stream.push(piece)]
    blocks += stream.finish()
    assert {len(features) for features in blocks[:-1]} <= {block}
    found = np.concatenate(blocks)
    np.testing.assert_allclose(found, whole(waveform), rtol=0, atol=1e-4)
    np.testing.assert_array_equal(found, np.concatenate([*at_once.push(waveform), *at_once.finish()]))


@pytest.mark.parametrize("kind", KINDS, ids=["plain", "global", "deltas", "gaps"])
def test_a_block_comes_as_soon_as_its_delay_allows(kind: FeatureSettings) -> None:
    stream, waveform = FeatureStream(extractor(kind), 3), np.ones(4000, np.float32)
    frames = 0
    for count, sample in enumerate(waveform, 1):
        frames += sum(map(len, stream.push(np.array([sample]))))
        behind = count - (frames + 2) * kind.hop_samples  # of the last frame of the next block
        assert behind < stream.delay_samples
    assert frames > 10


def test_the_utterance_is_not_known_yet() -> None:
    with pytest.raises(ConfigError, match="trained with 'global' or 'none'"):
        FeatureStream(FeatureExtractor(FeatureSettings()), 4)
