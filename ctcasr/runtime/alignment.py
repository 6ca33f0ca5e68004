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
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctcasr.ctc.aligning import Alignment, align
from ctcasr.decoding import check_log_probs
from ctcasr.errors import DataError
from ctcasr.runtime.aligned import AlignedSegment, AlignedToken, AlignedTranscript, AlignedWord, Stretch
from ctcasr.runtime.alignment_text import SpelledText, spell
from ctcasr.runtime.bundle import Bundle
from ctcasr.runtime.recognizer import Recognizer
from ctcasr.runtime.windows import recording_log_probs, waveform_log_probs
from ctcasr.text import BLANK_ID

Float32 = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

STAR_PENALTY = 0.5
"""What a frame of the wildcard costs against the frame's best symbol; natural logarithm."""

SOUND_PENALTY = 0.1
"""What it costs more where no blank is: the least that there is of it stands in a pause, not on a symbol."""

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


def align_recording(
    recognizer: Recognizer,
    path: Path,
    text: str,
    options: AlignmentOptions | None = None,
    *,
    threads: int | None = None,
) -> AlignedTranscript:
    """Align a text, a segment a line, with an audio file of any length.

    Args:
        recognizer: of the bundle; how it decodes does not matter.
        path: of the audio file.
        text: what is said; `alignment_text.spell` says how it is normalised.
        options: what may be left out of the text and of the audio.
        threads: windows of a long recording that are scored at a time; by default one a processor.

    Raises:
        AudioError: the file cannot be read whole, or holds no usable sound.
        DataError: the text is empty, has characters that the model cannot write, or needs more audio.
    """
    spelled = _spell(recognizer.bundle, text, options)  # before the work of an hour
    log_probs, duration = recording_log_probs(recognizer, path, threads)
    aligned = _aligned(recognizer.bundle, log_probs, spelled, options, duration)
    return replace(aligned, id=path.stem, audio_path=str(path))


def align_transcript(
    recognizer: Recognizer,
    waveform: Float32,
    text: str,
    options: AlignmentOptions | None = None,
    *,
    threads: int | None = None,
) -> AlignedTranscript:
    """Align a text with a mono waveform `(N,)` at the bundle's sample rate, as `align_recording` does.

    Raises:
        AudioError: the waveform is empty or not finite.
        DataError: as of `align_recording`.
    """
    spelled = _spell(recognizer.bundle, text, options)
    log_probs = waveform_log_probs(recognizer, waveform, threads)
    duration = len(waveform) / recognizer.bundle.description.features.sample_rate
    return _aligned(recognizer.bundle, log_probs, spelled, options, duration)


def align_log_probs(
    bundle: Bundle, log_probs: npt.NDArray[np.floating], text: str, options: AlignmentOptions | None = None
) -> AlignedTranscript:
    """Align a text with normalised `log_probs (T', V)`; the audio lasts as long as their frames.

    Raises:
        DataError: as of `align_recording`, or log_probs do not fit the vocabulary or are not normalised.
    """
    check_log_probs(log_probs)
    if log_probs.shape[1] != len(bundle.vocabulary):
        raise DataError(
            f"log_probs have {log_probs.shape[1]} symbols, the vocabulary has {len(bundle.vocabulary)}; "
            "pass those of this model"
        )
    spelled = _spell(bundle, text, options)
    return _aligned(bundle, log_probs, spelled, options, len(log_probs) * bundle.frame_seconds)


def _spell(bundle: Bundle, text: str, options: AlignmentOptions | None) -> SpelledText:
    return spell(text, bundle.vocabulary, skip_unknown=bool(options and options.skip_unknown))


@dataclass(frozen=True)
class _Targets:
    """What the path has to write.

    Attributes:
        symbols: `(U,)`.
        lines: of each line, where each of its words starts among the symbols; words are as long as spelled.
        stars: where the wildcards stand.
    """

    symbols: list[int]
    lines: list[list[int]]
    stars: list[int]


def _targets(bundle: Bundle, spelled: SpelledText, star: int | None) -> _Targets:
    """Join the words with spaces, and the lines with spaces or stars; a star is also first and last."""
    vocabulary = bundle.vocabulary
    space = [vocabulary.characters.index(" ")] if " " in vocabulary.characters else []
    targets = _Targets([], [], [])
    for line in spelled.lines:
        if star is not None:
            targets.stars.append(len(targets.symbols))
            targets.symbols.append(star)
        elif targets.lines:
            targets.symbols.extend(space)
        starts: list[int] = []
        for word in line.words:
            if starts:
                targets.symbols.extend(space)
            starts.append(len(targets.symbols))
            targets.symbols.extend(vocabulary.encode(word.spelling).tolist())
        targets.lines.append(starts)
    if star is not None:
        targets.stars.append(len(targets.symbols))
        targets.symbols.append(star)
    return targets


def with_star(log_probs: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return `log_probs (T', V + 1)`: the last symbol is the wildcard."""
    sounding = 1 - np.exp(log_probs[:, [BLANK_ID]])
    best = log_probs.max(axis=1, keepdims=True) - STAR_PENALTY - SOUND_PENALTY * sounding
    return np.concatenate((log_probs, best.astype(log_probs.dtype)), axis=1)


def _aligned(
    bundle: Bundle,
    log_probs: npt.NDArray[np.floating],
    spelled: SpelledText,
    options: AlignmentOptions | None,
    duration_seconds: float,
) -> AlignedTranscript:
    star = len(bundle.vocabulary) if options and options.skip_audio else None
    if star is not None:
        log_probs = with_star(log_probs)
    targets = _targets(bundle, spelled, star)
    found = align(log_probs, targets.symbols, BLANK_ID)
    times = _Times(found, bundle.frame_seconds, duration_seconds)
    totals = _path_totals(log_probs, targets.symbols, found)
    segments = []
    for line, starts in zip(spelled.lines, targets.lines, strict=True):
        words = tuple(
            times.word(word.text, word.spelling, start)
            for word, start in zip(line.words, starts, strict=True)
        )
        first, last = starts[0], starts[-1] + len(line.words[-1].spelling) - 1
        worst = _worst(totals[found.start_frames[first] : found.end_frames[last] + 1], bundle.frame_seconds)
        segments.append(
            AlignedSegment(
                line.text, words[0].start_seconds, words[-1].end_seconds, worst, words, line.number
            )
        )
    stretches = (times.stretch(star, star) for star in targets.stars)
    return AlignedTranscript(
        tuple(segments),
        duration_seconds,
        found.log_prob,
        skipped_audio=tuple(s for s in stretches if s.end_seconds - s.start_seconds >= MIN_SKIPPED_SECONDS),
        skipped_characters=spelled.skipped,
        skipped_lines=spelled.skipped_lines,
    )


@dataclass(frozen=True)
class _Times:
    """Frames to seconds, inside the audio, which may end inside the last frame."""

    found: Alignment
    frame_seconds: float
    duration_seconds: float

    def stretch(self, first: int, last: int) -> Stretch:
        """Return where the targets from the first to the last are."""
        start = float(self.found.start_frames[first] * self.frame_seconds)
        end = float(self.found.end_frames[last] * self.frame_seconds)
        return Stretch(min(start, self.duration_seconds), min(end, self.duration_seconds))

    def word(self, text: str, spelling: str, place: int) -> AlignedWord:
        """Return the word whose symbols begin at a place among the targets."""
        tokens = tuple(
            AlignedToken(character, *self.stretch(number, number), float(self.found.confidences[number]))
            for number, character in enumerate(spelling, place)
        )
        confidence = sum(token.confidence for token in tokens) / len(tokens)
        return AlignedWord(text, *self.stretch(place, place + len(tokens) - 1), confidence, tokens)


def _path_totals(log_probs: npt.NDArray[np.floating], symbols: list[int], found: Alignment) -> Doubles:
    """Return `(T' + 1,)`, the log-probability of the path before each frame."""
    path = np.full(len(log_probs), BLANK_ID)
    for symbol, start, end in zip(symbols, found.start_frames, found.end_frames, strict=True):
        path[start:end] = symbol
    frames = np.take_along_axis(log_probs, path[:, None], axis=1)[:, 0]
    return np.concatenate(([0.0], np.cumsum(np.minimum(frames, 0.0), dtype=np.float64)))


def _worst(totals: Doubles, frame_seconds: float) -> float:
    """Return the least geometric mean of the probabilities over `WORST_SECONDS`, or over all if less."""
    length = min(max(1, round(WORST_SECONDS / frame_seconds)), len(totals) - 1)
    return math.exp(float((totals[length:] - totals[:-length]).min()) / length)


__all__ = ["AlignmentOptions", "align_log_probs", "align_recording", "align_transcript", "with_star"]
