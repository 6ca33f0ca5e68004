"""What is recognised in a recording."""

from __future__ import annotations

from dataclasses import dataclass, field

from ctcasr.runtime.words import Word


@dataclass(frozen=True)
class Alternative:
    """One of the best hypotheses: its text, and natural logarithms of its scores as `Hypothesis` has them."""

    text: str
    log_prob: float
    acoustic_log_prob: float
    lm_log_prob: float


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording that was decoded by itself; a short recording is one segment.

    Attributes:
        start_seconds: from the start of the audio.
        end_seconds: at most the duration of the audio.
        words: with times from the start of the audio.
        confidence: in the segment's whole text, as `Transcript.confidence` has it.
        alternatives: the best hypotheses of different texts, the segment's own first.
    """

    start_seconds: float
    end_seconds: float
    words: tuple[Word, ...]
    confidence: float
    alternatives: tuple[Alternative, ...] = ()

    @property
    def text(self) -> str:
        """The words, one space between them."""
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True)
class HeardSlot:
    """Words of one kind, when they are said, and how sure the network is of their tags."""

    kind: str
    text: str
    start_seconds: float
    end_seconds: float
    confidence: float


@dataclass(frozen=True)
class HeardMeaning:
    """The slots of a transcript, and its label with the label's probability where the bundle has labels."""

    slots: tuple[HeardSlot, ...]
    label: str = ""
    confidence: float = 1.0


@dataclass(frozen=True)
class Transcript:
    """What was recognised in one recording, or why nothing was.

    Attributes:
        id: the utterance's id, or the stem of the file's name.
        audio_path: the recording; empty for a waveform.
        duration_seconds: of the audio that was recognised.
        text: the words, one space between them.
        words: words with times and confidences. A word's confidence is the probability that it is correct where
            the bundle is calibrated for the decoder (`ctcasr calibrate`). Where it is not, it is the word's
            posterior among the best hypotheses of a beam search, or its symbols' mean probability if greedy.
        confidence: in the whole text, in [0, 1], never calibrated: posterior of the best hypothesis of a beam
            search; if greedy, mean confidence of the symbols, 1 where nothing was recognised. Of a long
            recording, the mean over its segments, each counting as many times as it has words.
        error: why the recording could not be recognised; empty if it was.
        timings: seconds spent on `read`, `features`, `network` and `decode`, over all threads.
        alternatives: the best hypotheses of different texts, the transcript's own first; as many as were asked
            for, or fewer if the search has no more. A long recording has them in its segments.
        segments: stretches that were decoded by themselves: one, or those of a long recording that have words.
        meaning: slots and label, where they were asked for and there are words.
    """

    id: str
    audio_path: str = ""
    duration_seconds: float = 0.0
    text: str = ""
    words: tuple[Word, ...] = ()
    confidence: float = 0.0
    error: str = ""
    timings: dict[str, float] = field(default_factory=dict)
    alternatives: tuple[Alternative, ...] = ()
    segments: tuple[Segment, ...] = ()
    meaning: HeardMeaning | None = None


def transcript_of(
    segments: tuple[Segment, ...], duration_seconds: float, timings: dict[str, float]
) -> Transcript:
    """Join segments to a transcript without a name; those of several without a word are left out."""
    if len(segments) > 1:
        segments = tuple(segment for segment in segments if segment.words)
    words = tuple(word for segment in segments for word in segment.words)
    weights = [max(1, len(segment.words)) for segment in segments]
    total = sum(weight * segment.confidence for weight, segment in zip(weights, segments, strict=True))
    return Transcript(
        id="",
        duration_seconds=duration_seconds,
        text=" ".join(word.text for word in words),
        words=words,
        confidence=total / sum(weights) if segments else 1.0,
        timings=timings,
        alternatives=segments[0].alternatives if len(segments) == 1 else (),
        segments=segments,
    )


__all__ = ["Alternative", "HeardMeaning", "HeardSlot", "Segment", "Transcript", "transcript_of"]
