"""Forced alignment of a transcript with a recording: when each line, word and symbol of it is said.

The best path through the whole recording is exact (`ctcasr.ctc.aligning`). Where `skip_audio` is wanted, what
is said between the lines need not be in the text: between any two lines, before the first and after the last,
stands a wildcard symbol `<star>` (Pratap et al. 2023, section 3; torchaudio's forced alignment of noisy
transcripts), which stands for any stretch of audio. Theirs has probability 1 in every frame, which draws lines
together wherever a symbol is badly recognised; ours has the probability of the frame's best symbol, lowered by
`STAR_PENALTY`: what is said and recognised is better explained by text than by a wildcard, silence better by
blanks, and only what the text cannot explain by the star.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.ctc.aligning import Alignment, align
from ctcasr.decoding import check_log_probs
from ctcasr.errors import CtcAsrError, DataError
from ctcasr.runtime.bundle import Bundle
from ctcasr.runtime.recognizer import Recognizer
from ctcasr.runtime.alignment_text import SpelledText, spell
from ctcasr.runtime.windows import recording_log_probs, waveform_log_probs
from ctcasr.text import BLANK_ID

Float32 = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

STAR_PENALTY = 0.5
"""What a frame of the wildcard costs against the frame's best symbol; natural logarithm."""

WORST_SECONDS = 1.0
"""Length of the stretch that a line's confidence looks at."""

MIN_SKIPPED_SECONDS = 0.5
"""A shorter stretch that the wildcard took is a pause and not named."""


@dataclass(frozen=True)
class AlignmentOptions:
    """What may be left out of the text and of the audio.

    Attributes:
        skip_unknown: characters that the vocabulary lacks.
        skip_audio: stretches of the recording before, between and after the lines of the text.
    """

    skip_unknown: bool = False
    skip_audio: bool = False


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

    The confidence is the mean of its symbols', as in transcripts.
    """

    text: str
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
        """The text in characters of the model, as it was aligned."""
        return " ".join("".join(token.text for token in word.tokens) for word in self.words)


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
        skipped_characters: how often each character was left out; only with `skip_unknown`.
        skipped_lines: numbers of the lines of which no character was left; only with `skip_unknown`.
    """

    segments: tuple[AlignedSegment, ...]
    duration_seconds: float
    log_prob: float
    id: str = ""
    audio_path: str = ""
    skipped_audio: tuple[Stretch, ...] = ()
    skipped_characters: dict[str, int] | None = None
    skipped_lines: tuple[int, ...] = ()

    @property
    def words(self) -> tuple[AlignedWord, ...]:
        """The words of all lines."""
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def tokens(self) -> tuple[AlignedToken, ...]:
        """The symbols of all words; spaces belong to none."""
        return tuple(token for word in self.words for token in word.tokens)
