"""Which of its pronunciations each word of a transcript has in a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ctcasr.ctc.aligning import Alignment
from ctcasr.runtime.alignment_targets import Targets
from ctcasr.runtime.alignment_text import SpelledLine, SpelledWord
from ctcasr.runtime.bundle import Bundle
from ctcasr.text import Vocabulary

Floats = npt.NDArray[np.floating]


def align_lines(
    lines: tuple[SpelledLine, ...], bundle: Bundle, scores: Floats, star: int | None = None
) -> tuple[tuple[SpelledLine, ...], Targets, Alignment]:
    """Return the best path that writes the lines, each word as it is pronounced best.

    Pronunciations are chosen where the usual ones put the words; the path is then found again.

    Args:
        lines: to write.
        bundle: of the model.
        scores: `(T', O)` of its outputs, and of the wildcard behind them if there is one.
        star: the number of the wildcard.

    Returns:
        The lines with the spellings that were chosen, what was aligned, and the path.

    Raises:
        DataError: as of `ctcasr.ctc.aligning.align`.
    """
    targets = Targets.of(lines, bundle.topology, star)
    found = targets.align(scores)
    chosen = _pronounced(lines, bundle.vocabulary, targets, found, scores)
    if chosen != lines:
        targets = Targets.of(chosen, bundle.topology, star)
        found = targets.align(scores)
    return chosen, targets, found


def _pronounced(
    lines: Sequence[SpelledLine], vocabulary: Vocabulary, targets: Targets, found: Alignment, scores: Floats
) -> tuple[SpelledLine, ...]:
    """Return the lines with the spelling of each word that fits best between its neighbours.

    Words with one spelling stay as they are; of equally good ones the first is taken.
    """
    return tuple(
        replace(
            line,
            words=tuple(
                _best(word, vocabulary, targets, scores[_room(place, found, len(scores))])
                for word, place in zip(line.words, places, strict=True)
            ),
        )
        for line, places in zip(lines, targets.lines, strict=True)
    )


def _room(place: tuple[int, int], found: Alignment, frames: int) -> slice:
    """Return the frames between the target before a word and the target after it."""
    start, end = place
    before = int(found.end_frames[start - 1]) if start else 0
    after = int(found.start_frames[end]) if end < len(found.start_frames) else frames
    return slice(before, after)


def _best(word: SpelledWord, vocabulary: Vocabulary, targets: Targets, scores: Floats) -> SpelledWord:
    spellings = vocabulary.spellings(word.spelling)
    if len(spellings) == 1:
        return word
    candidates = [replace(word, symbols=symbols) for symbols in spellings]
    totals = [_log_prob(candidate, targets, scores) for candidate in candidates]
    return candidates[int(np.argmax(totals))]


def _log_prob(word: SpelledWord, targets: Targets, scores: Floats) -> float:
    """Return the log-probability of a word alone, pauses around it; minus infinity if it is too long."""
    alone = Targets.of([SpelledLine(0, word.text, (word,))], targets.topology, None)
    if alone.least_frames() > len(scores):
        return -np.inf
    return alone.align(scores).log_prob
