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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctcasr.ctc.aligning import Alignment
from ctcasr.decoding import HmmSettings, check_log_probs
from ctcasr.decoding.topology import pseudo_log_likelihoods
from ctcasr.errors import DataError
from ctcasr.runtime.aligned import AlignedSegment, AlignedToken, AlignedTranscript, AlignedWord, Stretch
from ctcasr.runtime.alignment_targets import Targets
from ctcasr.runtime.alignment_text import SpelledLine, SpelledText, SpelledWord, spell
from ctcasr.runtime.bundle import Bundle
from ctcasr.runtime.pronouncing import align_lines
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
        skip_unknown: characters that the vocabulary lacks, or words that the dictionary of a model of phones lacks.
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
    """Align a text with normalised log-probabilities of the outputs; the audio lasts as long as their frames.

    Args:
        bundle: of the model.
        log_probs: `(T', O)`, as the bundle's network gives them.
        text: as of `align_recording`.
        options: as of `align_recording`.

    Raises:
        DataError: as of `align_recording`, or log_probs do not fit the vocabulary or are not normalised.
    """
    check_log_probs(log_probs)
    if log_probs.shape[1] != bundle.topology.output_count:
        raise DataError(
            f"log_probs have {log_probs.shape[1]} symbols, the vocabulary has {bundle.topology.output_count}; "
            "pass those of this model"
        )
    spelled = _spell(bundle, text, options)
    return _aligned(bundle, log_probs, spelled, options, len(log_probs) * bundle.frame_seconds)


def _spell(bundle: Bundle, text: str, options: AlignmentOptions | None) -> SpelledText:
    return spell(text, bundle.vocabulary, skip_unknown=bool(options and options.skip_unknown))


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
    topology = bundle.topology
    scores, merged = alignment_scores(bundle, log_probs), topology.merged(log_probs)
    star = None
    if options and options.skip_audio:
        star = topology.output_count
        scores, merged = with_star(scores), with_star(merged)
    lines, targets, found = align_lines(spelled.lines, bundle, scores, star)
    path = targets.path(found, len(merged))
    on_path = np.minimum(np.take_along_axis(merged, path[:, None], axis=1)[:, 0], 0.0).astype(np.float64)
    times = _Times(found, targets, on_path, bundle.frame_seconds, duration_seconds)
    return AlignedTranscript(
        tuple(
            times.line(line, words, bundle.vocabulary.symbols)
            for line, words in zip(lines, targets.lines, strict=True)
        ),
        duration_seconds,
        float(on_path.sum()),
        skipped_audio=tuple(
            stretch
            for stretch in (times.stretch(place, place + 1) for place in targets.stars)
            if stretch.end_seconds - stretch.start_seconds >= MIN_SKIPPED_SECONDS
        ),
        skipped_text=spelled.skipped,
        skipped_lines=spelled.skipped_lines,
    )


def alignment_scores(bundle: Bundle, log_probs: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return what a path is scored by: for an HMM with priors pseudo-likelihoods, the best of a frame being 0."""
    priors = bundle.priors() if bundle.topology.kind == "hmm" else None
    if priors is None:
        return log_probs
    settings = bundle.description.hmm or HmmSettings()
    scores = pseudo_log_likelihoods(log_probs, priors, settings.prior_scale)
    best: npt.NDArray[np.floating] = scores.max(axis=1, keepdims=True)
    return scores - best


@dataclass(frozen=True)
class _Times:
    """Frames to seconds, inside the audio, which may end inside the last frame.

    Attributes:
        found: the path.
        targets: that it writes.
        on_path: `(T',)` log-probability of the path's symbol in each frame.
        frame_seconds: from one frame to the next.
        duration_seconds: of the audio.
    """

    found: Alignment
    targets: Targets
    on_path: Doubles
    frame_seconds: float
    duration_seconds: float

    def stretch(self, first: int, end: int) -> Stretch:
        """Return where the targets `[first, end)` are."""
        start_seconds = float(self.found.start_frames[first] * self.frame_seconds)
        end_seconds = float(self.found.end_frames[end - 1] * self.frame_seconds)
        return Stretch(min(start_seconds, self.duration_seconds), min(end_seconds, self.duration_seconds))

    def line(self, line: SpelledLine, words: list[tuple[int, int]], names: Sequence[str]) -> AlignedSegment:
        """Return a line, given the targets of its words."""
        aligned = tuple(
            self._word(word, targets, names) for word, targets in zip(line.words, words, strict=True)
        )
        first, last = words[0][0], words[-1][1] - 1
        worst = self._worst(self.on_path[self.found.start_frames[first] : self.found.end_frames[last]])
        return AlignedSegment(
            line.text, aligned[0].start_seconds, aligned[-1].end_seconds, worst, aligned, line.number
        )

    def _word(self, word: SpelledWord, targets: tuple[int, int], names: Sequence[str]) -> AlignedWord:
        tokens = tuple(
            AlignedToken(names[symbol], *self.stretch(*span), self._confidence(*span))
            for symbol, span in zip(word.symbols, self.targets.symbol_spans(targets), strict=True)
        )
        confidence = sum(token.confidence for token in tokens) / len(tokens)
        return AlignedWord(word.text, word.spelling, *self.stretch(*targets), confidence, tokens)

    def _confidence(self, first: int, end: int) -> float:
        """Return the mean probability of a symbol over its frames."""
        frames = slice(self.found.start_frames[first], self.found.end_frames[end - 1])
        return float(np.exp(self.on_path[frames]).mean())

    def _worst(self, log_probs: Doubles) -> float:
        """Return the least geometric mean of the probabilities over `WORST_SECONDS`, or over all if less."""
        totals = np.concatenate(([0.0], np.cumsum(log_probs)))
        length = min(max(1, round(WORST_SECONDS / self.frame_seconds)), len(log_probs))
        return math.exp(float((totals[length:] - totals[:-length]).min()) / length)


__all__ = [
    "AlignmentOptions",
    "align_log_probs",
    "align_recording",
    "align_transcript",
    "alignment_scores",
    "with_star",
]
