"""Words with times, from the symbols of a hypothesis."""

from __future__ import annotations

from dataclasses import dataclass

from ctcasr.decoding import Hypothesis, Token
from ctcasr.text import Vocabulary


@dataclass(frozen=True)
class Word:
    """A word, its times in seconds from the start of the audio, and its confidence in [0, 1]."""

    text: str
    start_seconds: float
    end_seconds: float
    confidence: float


def words_of(
    hypothesis: Hypothesis, vocabulary: Vocabulary, frame_seconds: float, duration_seconds: float
) -> tuple[Word, ...]:
    """Return the words between the spaces of a hypothesis.

    A word reaches from the first frame of its first symbol to the last frame of its last one, and not
    beyond the audio, which may end inside the last frame; its confidence is the mean of its symbols'.
    """
    groups: list[list[Token]] = [[]]
    for token in hypothesis.tokens:
        if vocabulary.characters[token.id] == " ":
            groups.append([])
        else:
            groups[-1].append(token)
    return tuple(
        Word(
            text=vocabulary.decode([token.id for token in group]),
            start_seconds=min(group[0].start_frame * frame_seconds, duration_seconds),
            end_seconds=min(group[-1].end_frame * frame_seconds, duration_seconds),
            confidence=sum(token.confidence for token in group) / len(group),
        )
        for group in groups
        if group
    )
