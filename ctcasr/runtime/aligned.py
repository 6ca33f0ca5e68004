"""A transcript with times: what forced alignment gives, and its formats write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True)
class AlignedToken:
    """A symbol of the vocabulary, its times in seconds, and its mean probability."""

    text: str
    start_seconds: float
    end_seconds: float
    confidence: float


@dataclass(frozen=True)
class AlignedWord:
    """A word as the text spells it, from the start of its first symbol to the end of its last one.

    Its `spelling` is what the model would write. The confidence is the mean of its symbols', as in transcripts.
    """

    text: str
    spelling: str
    start_seconds: float
    end_seconds: float
    confidence: float
    tokens: tuple[AlignedToken, ...]


@dataclass(frozen=True)
class AlignedSegment:
    """A line of the text, from the start of its first word to the end of its last one.

    Attributes:
        text: as the text spells it, one space between words.
        start_seconds: from the start of the audio.
        end_seconds: at most the duration of the audio.
        confidence: the geometric mean of the path's probabilities, blanks included, over the line's worst
            second (Kürzinger et al. 2020, section 2.1, where it is a logarithm over 30 frames); in [0, 1].
        words: those with a symbol of the vocabulary.
        line: its number in the text, from 1.
    """

    text: str
    start_seconds: float
    end_seconds: float
    confidence: float
    words: tuple[AlignedWord, ...]
    line: int

    @property
    def spelling(self) -> str:
        """The text as the model would write it, and as it was aligned."""
        return " ".join(word.spelling for word in self.words)


class Stretch(NamedTuple):
    """A part of the audio, in seconds."""

    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class AlignedTranscript:
    """A text with times.

    Attributes:
        segments: the lines of the text.
        duration_seconds: of the audio.
        log_prob: of the best path; natural logarithm.
        id: the stem of the recording's name.
        audio_path: the recording; empty for a waveform.
        skipped_audio: stretches of half a second and more that belong to no line; only with `skip_audio`.
        skipped_text: how often each character (for phones: word) was left out; only with `skip_unknown`.
        skipped_lines: numbers of the lines of which no character was left; only with `skip_unknown`.
    """

    segments: tuple[AlignedSegment, ...]
    duration_seconds: float
    log_prob: float
    id: str = ""
    audio_path: str = ""
    skipped_audio: tuple[Stretch, ...] = ()
    skipped_text: dict[str, int] = field(default_factory=dict)
    skipped_lines: tuple[int, ...] = ()

    @property
    def words(self) -> tuple[AlignedWord, ...]:
        """The words of all lines."""
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def tokens(self) -> tuple[AlignedToken, ...]:
        """The symbols of all words; spaces belong to none."""
        return tuple(token for word in self.words for token in word.tokens)
