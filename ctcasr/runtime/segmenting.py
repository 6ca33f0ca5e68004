"""A long recording with its text to utterances of a training manifest (Kürzinger et al. 2020)."""

from __future__ import annotations

import math
from pathlib import Path

from ctcasr.data import Utterance
from ctcasr.runtime.aligned import AlignedSegment, AlignedTranscript

LOW_CONFIDENCE = 0.2
"""Segments below are named: of held-out AN4, 4 % of the true lines, 78 % of those with one word replaced."""

PADDING_SECONDS = 0.5
"""Most that an utterance reaches beyond its symbols, which are narrower than the speech that they stand for."""


def low_segments(aligned: AlignedTranscript, min_confidence: float = LOW_CONFIDENCE) -> list[AlignedSegment]:
    """Return the segments with a lower confidence, in order."""
    return [segment for segment in aligned.segments if segment.confidence < min_confidence]


def segment_utterances(aligned: AlignedTranscript, min_confidence: float = LOW_CONFIDENCE) -> list[Utterance]:
    """Return the segments with at least such a confidence as utterances, `id-line` by id.

    An utterance reaches up to half a second beyond its first and last symbol, but no more than halfway to its
    neighbour, be it written or skipped. Its text is spelled as it was aligned, in the model's characters; its words
    have their times.
    """
    width = max(4, len(str(aligned.segments[-1].line)))
    padded = zip(aligned.segments, _padded(aligned), strict=True)
    return [
        Utterance(
            id=f"{aligned.id}-{segment.line:0{width}}",
            audio_path=Path(aligned.audio_path),
            duration_seconds=round(end - start, 3),
            text=segment.spelling,
            offset_seconds=start,
            words=tuple(
                (max(0.0, word.start_seconds - start), min(word.end_seconds, end) - start)
                for word in segment.words
            ),
        )
        for segment, (start, end) in padded
        if segment.confidence >= min_confidence
    ]


def _padded(aligned: AlignedTranscript) -> list[tuple[float, float]]:
    """Return start and end of each segment with its padding, in whole milliseconds inside the audio."""
    spans = [(segment.start_seconds, segment.end_seconds, True) for segment in aligned.segments]
    spans = sorted(spans + [(*stretch, False) for stretch in aligned.skipped_audio])
    padded = []
    for place, (start, end, spoken) in enumerate(spans):
        if not spoken:
            continue
        before = spans[place - 1][1] if place else -math.inf
        after = spans[place + 1][0] if place + 1 < len(spans) else math.inf
        first = max(0.0, start - PADDING_SECONDS, (before + start) / 2)
        last = min(aligned.duration_seconds, end + PADDING_SECONDS, (end + after) / 2)
        padded.append((math.ceil(first * 1000) / 1000, math.floor(last * 1000) / 1000))
    return padded


__all__ = ["LOW_CONFIDENCE", "PADDING_SECONDS", "low_segments", "segment_utterances"]
