"""Find the settings of the HMM decoder on held-out speech: one after another, as often as one still changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ctcasr.data import Utterance
from ctcasr.decoding import HmmSettings
from ctcasr.errors import DataError
from ctcasr.runtime.decoder import hmm_search
from ctcasr.runtime.decoding_parts import HmmParts
from ctcasr.runtime.recognizer import Recognizer
from ctcasr.runtime.tuning import best_place
from ctcasr.runtime.words import texts_of
from ctcasr.scoring import align

GRIDS: dict[str, tuple[float, ...]] = {
    "lm_weight": (0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20),
    "prior_scale": (0, 0.2, 0.4, 0.6, 0.8, 1, 1.2),
    "word_bonus": (-10, -8, -6, -4, -2, -1, 0, 1, 2, 4, 6, 8, 10),
}
"""Values that are tried; the first only where there is a language model."""

MAX_ROUNDS = 3


@dataclass(frozen=True)
class Trial:
    """Settings and the errors that they make in so many reference words."""

    settings: HmmSettings
    errors: int
    reference_words: int

    @property
    def rate(self) -> float:
        """Word error rate, as a share."""
        return self.errors / max(1, self.reference_words)


def tune_hmm(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    parts: HmmParts,
    report: Callable[[int, Trial], None],
) -> Trial:
    """Return the best settings for a manifest.

    Of the values of a grid the one is taken that makes the fewest errors together with its two neighbours: a lucky
    value beside bad ones is no good choice.

    Args:
        recognizer: of the bundle; its network runs once over the utterances.
        utterances: held-out speech with transcripts; not the test set.
        parts: settings to start from, lexicon, priors and language model.
        report: is told the choice of each round.

    Raises:
        DataError: an utterance cannot be read, or there are no reference words.
    """
    references = [utterance.text.split() for utterance in utterances]
    spoken = sum(map(len, references))
    if not spoken:
        raise DataError("the manifest has no words to tune on; give held-out speech with transcripts")
    log_probs = [recognizer.log_probs_of(utterance) for utterance in utterances]

    def errors_of(settings: HmmSettings) -> int:
        return _errors(recognizer, replace(parts, settings=settings), log_probs, references)

    best = Trial(parts.settings, errors_of(parts.settings), spoken)
    for number in range(MAX_ROUNDS):
        before = best
        for name, grid in GRIDS.items():
            if name == "lm_weight" and parts.model is None:
                continue
            tried = [best.settings.model_copy(update={name: float(value)}) for value in grid]
            errors = [errors_of(settings) for settings in tried]
            place = best_place(errors)
            if errors[place] <= best.errors:
                best = Trial(tried[place], errors[place], spoken)
        report(number + 1, best)
        if best.settings == before.settings:
            break
    return best


def _errors(
    recognizer: Recognizer,
    parts: HmmParts,
    log_probs: Sequence[npt.NDArray[np.float32]],
    references: Sequence[list[str]],
) -> int:
    """Return the word errors of all utterances; one for which no word fits counts as unrecognised."""
    search, errors = hmm_search(recognizer.bundle, parts), 0
    for rows, reference in zip(log_probs, references, strict=True):
        try:
            words = texts_of(search.decode(rows), recognizer.bundle.vocabulary)
        except DataError:
            words = ()
        errors += align(reference, words).counts.errors
    return errors


__all__ = ["Trial", "tune_hmm"]
