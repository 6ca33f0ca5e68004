"""Words with times, from the symbols of a hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ctcasr.decoding import Hypothesis, WordSpan
from ctcasr.text import Vocabulary


@dataclass(frozen=True)
class Word:
    """A word, its times in seconds from the start of the audio, and its confidence in [0, 1].

    `is_hot` tells that it belongs to a hot word or phrase that was asked for.
    """

    text: str
    start_seconds: float
    end_seconds: float
    confidence: float
    is_hot: bool = False


def words_of(
    hypothesis: Hypothesis, vocabulary: Vocabulary, frame_seconds: float, duration_seconds: float
) -> tuple[Word, ...]:
    """Return the words of a hypothesis: those that the decoder found, or those that its symbols write.

    A word reaches from the first frame of its first symbol to the last frame of its last one, and not
    beyond the audio, which may end inside the last frame; its confidence is the mean of its symbols'.
    """
    words = []
    for span in _spans(hypothesis, vocabulary):
        tokens = hypothesis.tokens[span.start : span.end]
        words.append(
            Word(
                text=span.text,
                start_seconds=min(tokens[0].start_frame * frame_seconds, duration_seconds),
                end_seconds=min(tokens[-1].end_frame * frame_seconds, duration_seconds),
                confidence=sum(token.confidence for token in tokens) / len(tokens),
                is_hot=span.hot,
            )
        )
    return tuple(words)


def texts_of(hypothesis: Hypothesis, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return the words alone; unlike their times, they cost no search for the symbols' frames."""
    return tuple(span.text for span in _spans(hypothesis, vocabulary))


def _spans(hypothesis: Hypothesis, vocabulary: Vocabulary) -> Sequence[WordSpan]:
    return hypothesis.words or [WordSpan(*word) for word in vocabulary.words(hypothesis.ids)]
