"""Find the weight of a language model, the bonus of a word and the power of priors on held-out speech.

The search is not run once for each pair of weights. It lists the best hypotheses of each utterance with their
scores apart; any pair only weighs these anew. As the list was made with one pair, it is made again with the
chosen one and the two are joined, until the choice stays. Priors change the scores themselves: their power is found
before, by decoding with each, and once more with the weights that were found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctcasr.data import Utterance
from ctcasr.decoding import BeamSettings
from ctcasr.decoding.beam import BeamSearch
from ctcasr.errors import DataError
from ctcasr.lm import save
from ctcasr.runtime.bundle import LANGUAGE_MODEL, LEXICON, Bundle
from ctcasr.runtime.bundle_changing import change_bundle
from ctcasr.runtime.decoding_parts import HmmParts, Parts
from ctcasr.runtime.recognizer import Recognizer
from ctcasr.runtime.words import texts_of
from ctcasr.scoring import align

LM_WEIGHTS = np.round(np.arange(0.0, 2.501, 0.05), 2)
WORD_BONUSES = np.round(np.arange(-2.0, 5.01, 0.25), 2)
BEST = 100
"""Hypotheses of an utterance that are weighed."""

MAX_ROUNDS = 4

PRIOR_SCALES = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
MAX_SCALINGS = 2


@dataclass(frozen=True)
class Candidate:
    """A hypothesis with its scores apart: acoustic and language model log-probability, words, errors."""

    acoustic_log_prob: float
    lm_log_prob: float
    words: int
    errors: int


@dataclass(frozen=True)
class Choice:
    """A pair of weights and the errors it makes in so many reference words."""

    lm_weight: float
    word_bonus: float
    errors: int
    reference_words: int

    @property
    def rate(self) -> float:
        """Word error rate, as a share."""
        return self.errors / max(1, self.reference_words)


def choose(lists: Sequence[Sequence[Candidate]], reference_words: int) -> Choice:
    """Return the pair of the grid that makes the fewest errors, neighbours counted in.

    One lucky pair beside bad ones is no good choice: pairs are compared by their errors averaged with those
    of the eight pairs around them; of equal ones the smallest weight and bonus are taken.
    """
    errors = np.zeros((len(LM_WEIGHTS), len(WORD_BONUSES)), np.int64)
    for candidates in lists:
        acoustic, lm, words, wrong = (
            np.array(column)
            for column in zip(
                *((c.acoustic_log_prob, c.lm_log_prob, c.words, c.errors) for c in candidates), strict=True
            )
        )
        totals = acoustic + LM_WEIGHTS[:, None, None] * lm + WORD_BONUSES[None, :, None] * words
        errors += wrong[totals.argmax(axis=2)]
    padded = np.pad(errors.astype(np.float64), 1, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).mean(axis=(2, 3))
    weight, bonus = np.unravel_index(int(around.argmin()), around.shape)
    return Choice(
        float(LM_WEIGHTS[weight]), float(WORD_BONUSES[bonus]), int(errors[weight, bonus]), reference_words
    )


def tune(
    recognizer: Recognizer,
    utterances: Iterable[Utterance],
    parts: Parts,
    report: Callable[[int, Choice], None],
) -> tuple[BeamSettings, float]:
    """Return the settings with the best weights for a manifest, and the word error rate that they decode to.

    Where there are priors, their power is chosen as well.

    Args:
        recognizer: of the bundle; its network runs once over the utterances.
        utterances: held-out speech with transcripts; not the test set.
        parts: settings to start from, language model, lexicon, and priors if there are any.
        report: is told the choice of each round.

    Raises:
        DataError: an utterance cannot be read, or there are no reference words.
    """
    references, log_probs = {}, {}
    for utterance in utterances:
        references[utterance.id] = utterance.text.split()
        log_probs[utterance.id] = recognizer.bundle.topology.merged(recognizer.log_probs_of(utterance))
    spoken = sum(map(len, references.values()))
    if not spoken:
        raise DataError("the manifest has no words to tune on; give held-out speech with transcripts")
    speech = _Speech(recognizer.bundle, references, log_probs, spoken)
    if parts.priors is None:
        settings = _weighed(speech, parts, report)
    for attempt in range(MAX_SCALINGS if parts.priors is not None else 0):
        scale = _best_scale(speech, parts)
        if attempt and scale == parts.settings.prior_scale:
            break
        parts = replace(parts, settings=parts.settings.model_copy(update={"prior_scale": scale}))
        settings = _weighed(speech, parts, report)
        parts = replace(parts, settings=settings)
    return settings, _collect(speech, replace(parts, settings=settings), {}) / spoken


@dataclass(frozen=True)
class _Speech:
    """What is decoded again and again: the words that were said, their number, and the network's scores."""

    bundle: Bundle
    references: Mapping[str, list[str]]
    log_probs: Mapping[str, npt.NDArray[np.float32]]
    spoken: int


def _best_scale(speech: _Speech, parts: Parts) -> float:
    """Return the power of the priors with the fewest errors, neighbours counted in."""
    tried = [parts.settings.model_copy(update={"prior_scale": scale}) for scale in PRIOR_SCALES]
    return PRIOR_SCALES[
        best_place([_collect(speech, replace(parts, settings=settings), {}) for settings in tried])
    ]


def best_place(errors: Sequence[int]) -> int:
    """Return where the errors are least, averaged with those on either side; the first of equal places."""
    padded = np.pad(np.array(errors, np.float64), 1, mode="edge")
    return int(np.lib.stride_tricks.sliding_window_view(padded, 3).mean(axis=1).argmin())


def _weighed(speech: _Speech, parts: Parts, report: Callable[[int, Choice], None]) -> BeamSettings:
    """Return the settings with the best weights."""
    found: dict[str, dict[tuple[str, ...], Candidate]] = {identity: {} for identity in speech.references}
    settings, chosen = parts.settings, None
    for number in range(MAX_ROUNDS):
        _collect(speech, replace(parts, settings=settings), found)
        choice = choose([list(candidates.values()) for candidates in found.values()], speech.spoken)
        report(number + 1, choice)
        if chosen is not None and (choice.lm_weight, choice.word_bonus) == chosen:
            break
        chosen = (choice.lm_weight, choice.word_bonus)
        settings = settings.model_copy(update={"lm_weight": chosen[0], "word_bonus": chosen[1]})
    return settings


def _collect(speech: _Speech, parts: Parts, found: dict[str, dict[tuple[str, ...], Candidate]]) -> int:
    """Add the hypotheses of a search to those found; return the errors of the best ones."""
    vocabulary, errors = speech.bundle.vocabulary, 0
    search = BeamSearch(
        vocabulary.symbols, parts.settings, lexicon=parts.lexicon, model=parts.model, priors=parts.priors
    )
    for identity, rows in speech.log_probs.items():
        for rank, hypothesis in enumerate(search.decode(rows, best=BEST if found else 1)):
            words = texts_of(hypothesis, vocabulary)
            known = found.get(identity, {})
            if words not in known or rank == 0:
                wrong = align(speech.references[identity], words).counts.errors
                errors += wrong if rank == 0 else 0
                units = len(words) if parts.lexicon is not None else len(hypothesis.ids)
                known[words] = Candidate(hypothesis.acoustic_log_prob, hypothesis.lm_log_prob, units, wrong)
    return errors


def write_decoding(bundle: Bundle, parts: Parts | HmmParts) -> None:
    """Make a bundle decode with these settings, language model and lexicon by default, by the search they are for.

    The confidence that was calibrated for another search is forgotten.

    Raises:
        BundleError: the bundle's folder cannot be written to.
    """

    def write_parts(folder: Path) -> None:
        if parts.model is not None:
            save(parts.model, folder / LANGUAGE_MODEL)
        if parts.lexicon is not None:
            parts.lexicon.write(folder / LEXICON, bundle.vocabulary.symbols)

    confidence = bundle.description.confidence
    if confidence is not None:
        confidence = confidence.model_copy(update={"beam": None})
    name = "hmm" if isinstance(parts, HmmParts) else "decoding"
    change_bundle(bundle, {name: parts.settings, "confidence": confidence}, write_parts)


__all__ = ["Candidate", "Choice", "best_place", "choose", "tune", "write_decoding"]
