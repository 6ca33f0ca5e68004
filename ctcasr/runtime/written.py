"""Transcripts whose numbers and dates are written as one writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ctcasr.runtime.transcript import Alternative, Segment, Transcript
from ctcasr.runtime.words import Word
from ctcasr.text.written_numbers import write_numbers


def with_written_numbers(transcript: Transcript) -> Transcript:
    """Return the transcript with English numbers and dates written, in its segments and alternatives as well.

    A written word reaches from the first to the last of the spoken words that it stands for; its confidence is the
    mean of theirs. Numbers are not joined across segments.
    """
    segments = tuple(
        replace(
            segment,
            words=_words(segment.words),
            alternatives=tuple(map(_alternative, segment.alternatives)),
        )
        for segment in transcript.segments
    )
    words = _joined(segments) if segments else _words(transcript.words)
    return replace(
        transcript,
        text=" ".join(word.text for word in words),
        words=words,
        segments=segments,
        alternatives=tuple(map(_alternative, transcript.alternatives)),
    )


def _joined(segments: Sequence[Segment]) -> tuple[Word, ...]:
    return tuple(word for segment in segments for word in segment.words)


def _words(words: Sequence[Word]) -> tuple[Word, ...]:
    written = []
    for text, start, stop in write_numbers([word.text for word in words]):
        spoken = words[start:stop]
        confidence = sum(word.confidence for word in spoken) / len(spoken)
        is_hot = any(word.is_hot for word in spoken)
        written.append(Word(text, spoken[0].start_seconds, spoken[-1].end_seconds, confidence, is_hot))
    return tuple(written)


def _alternative(alternative: Alternative) -> Alternative:
    return replace(alternative, text=" ".join(word.text for word in write_numbers(alternative.text.split())))


__all__ = ["with_written_numbers"]
