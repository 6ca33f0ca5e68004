"""Find the weight of a language model, the bonus of a word and the power of priors on held-out speech.

The search is not run once for each pair of weights. It lists the best hypotheses of each utterance with their
scores apart; any pair only weighs these anew. As the list was made with one pair, it is made again with the
chosen one and the two are joined, until the choice stays. Priors change the scores themselves: their power is found
before, by decoding with each, and once more with the weights that were found.

What a list holds is not all that a search with other weights would find, and a narrow search loses some of it. So the
last steps are searches: from those weights, or those that it was given where they are better, a step up or down in one
weight at a time, as long as that makes fewer errors, then shorter steps (compass search: Kolda, Lewis and Torczon
2003).
"""

from __future__ import annotations

from collections import deque
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

STEPS = {"prior_scale": 0.1, "lm_weight": 0.2, "word_bonus": 0.5}
"""First steps of the last search; `prior_scale` only where there are priors."""

MAX_HALVINGS = 2


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
    report_step: Callable[[BeamSettings, float], None],
) -> tuple[BeamSettings, float]:
    """Return the settings with the best weights for a manifest, and the word error rate that they decode to.

    Where there are priors, their power is chosen as well.

    Args:
        recognizer: of the bundle; its network runs once over the utterances.
        utterances: held-out speech with transcripts; not the test set.
        parts: settings to start from, language model, lexicon, and priors if there are any.
        report: is told the choice of each round.
        report_step: is told settings and word error rate where the last search begins, and after each of its steps.

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
    first = parts.settings
    if parts.priors is None:
        settings = _weighed(speech, parts, report)
    for attempt in range(MAX_SCALINGS if parts.priors is not None else 0):
        scale = _best_scale(speech, parts)
        if attempt and scale == parts.settings.prior_scale:
            break
        parts = replace(parts, settings=parts.settings.model_copy(update={"prior_scale": scale}))
        settings = _weighed(speech, parts, report)
        parts = replace(parts, settings=settings)
    steps = {name: step for name, step in STEPS.items() if name != "prior_scale" or parts.priors is not None}
    settings, errors = descend(
        [settings] if settings == first else [settings, first],
        lambda tried: _collect(speech, replace(parts, settings=tried), {}),
        steps,
        lambda better, errors: report_step(better, errors / spoken),
    )
    return settings, errors / spoken


@dataclass(frozen=True)
class _Speech:
    """What is decoded again and again: the words that were said, their number, and the network's scores."""

    bundle: Bundle
    references: Mapping[str, list[str]]
    log_probs: Mapping[str, npt.NDArray[np.float32]]
    spoken: int


def descend(
    starts: Sequence[BeamSettings],
    errors_of: Callable[[BeamSettings], int],
    steps: Mapping[str, float],
    report: Callable[[BeamSettings, int], None],
) -> tuple[BeamSettings, int]:
    """Return settings to which no last step makes a better neighbour, and their errors.

    Args:
        starts: settings, of which the search begins with the best.
        errors_of: counts the errors of settings.
        steps: how long the first steps are, by the name of a weight; no weight but the bonus falls below zero.
        report: is told where the search begins, and each better place.
    """
    counts = [errors_of(start) for start in starts]
    fewest = min(counts)
    best = starts[counts.index(fewest)]
    report(best, fewest)
    tried = {_place(start, steps) for start in starts}
    for halvings in range(MAX_HALVINGS + 1):
        directions = deque(
            (name, sign * step / 2**halvings) for name, step in steps.items() for sign in (1, -1)
        )
        left = len(directions)
        while left:
            (name, step), left = directions[0], left - 1
            value = round(getattr(best, name) + step, 4)
            neighbour = best.model_copy(update={name: value})
            if (value < 0 and name != "word_bonus") or _place(neighbour, steps) in tried:
                directions.rotate(-1)
                continue
            tried.add(_place(neighbour, steps))
            if (errors := errors_of(neighbour)) < fewest:
                best, fewest, left = neighbour, errors, len(directions)  # and on in this direction
                report(best, fewest)
            else:
                directions.rotate(-1)
    return best, fewest


def _place(settings: BeamSettings, names: Iterable[str]) -> tuple[float, ...]:
    return tuple(getattr(settings, name) for name in names)


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


__all__ = ["Candidate", "Choice", "best_place", "choose", "descend", "tune", "write_decoding"]
