"""Make probabilities of confidences: find out on held-out speech how often words like this one are correct."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ctcasr.data import Utterance
from ctcasr.decoding.confidence import CANDIDATES
from ctcasr.errors import DataError
from ctcasr.runtime.bundle import Bundle
from ctcasr.runtime.bundle_changing import change_bundle
from ctcasr.runtime.confidence import ConfidenceCalibration, Evidence, WordCalibration, evidence_of, log_odds
from ctcasr.runtime.decoder import Decoder, DecodingOptions, make_decoder, method_of
from ctcasr.runtime.recognizer import Recognizer
from ctcasr.runtime.reliability import Bools, Float64, Reliability, reliability
from ctcasr.runtime.words import words_of
from ctcasr.scoring import align

RIDGE = 0.1
"""Half of it times the squared weights is added to the loss: evidence that tells nothing gets little weight."""

MAX_FOLDS = 10
MIN_SPEAKERS = 5
"""Speakers it takes to hold out whole ones; with fewer, utterances are held out."""

MAX_STEPS = 100

Kind = Literal["greedy", "beam"]


@dataclass(frozen=True)
class Observation:
    """A recognised word: its evidence, whether it was right, and in which utterance of whom."""

    evidence: Evidence
    is_correct: bool
    utterance: str
    speaker: str | None = None


@dataclass(frozen=True)
class Calibration:
    """A calibration, and what it does to words that it was not fitted on.

    Attributes:
        parameters: fitted on all words.
        correct: `(W,)` which words are right.
        raw: `(W,)` their confidences before.
        calibrated: `(W,)` those after, each by parameters fitted without its own fold.
        folds: number of folds of the cross-validation.
        held_out: what each fold has to itself: `speakers` or `utterances`.
    """

    parameters: WordCalibration
    correct: Bools
    raw: Float64
    calibrated: Float64
    folds: int
    held_out: Literal["speakers", "utterances"]

    @property
    def before(self) -> Reliability:
        """Of the raw confidences."""
        return reliability(self.raw, self.correct)

    @property
    def after(self) -> Reliability:
        """Of the calibrated confidences, by cross-validation."""
        return reliability(self.calibrated, self.correct)

    @property
    def helps(self) -> bool:
        """Whether calibrated confidences have the better Brier score."""
        return self.after.brier < self.before.brier


def fit(observations: Sequence[Observation]) -> WordCalibration:
    """Fit the probability that a word is correct, by logistic regression on its evidence's log-odds.

    The targets are Platt's (1999, section 2.2) instead of 1 and 0, `(correct + 1) / (correct + 2)` and
    `1 / (wrong + 2)`, which keeps it finite where all words are correct, or evidence tells them apart without
    a mistake. More evidence never makes a word less probable: weights that come out negative are left out.

    Raises:
        DataError: there are no words, or a confidence is no number.
    """
    if not observations:
        raise DataError("no words to calibrate on; give held-out speech in which words are recognised")
    if not np.isfinite(
        [value for seen in observations for value in seen.evidence if value is not None]
    ).all():
        raise DataError("a word's confidence is not a number; expected probabilities")
    rows = _features([seen.evidence for seen in observations])
    correct = np.array([seen.is_correct for seen in observations])
    targets = np.where(correct, (correct.sum() + 1) / (correct.sum() + 2), 1 / ((~correct).sum() + 2))
    used = list(range(rows.shape[1]))
    while True:
        weights = _regress(rows[:, used], targets)
        if (weights[1:] >= 0).all():
            break
        del used[int(weights[1:].argmin())]
    slopes = np.zeros(2)
    slopes[used] = weights[1:]
    return WordCalibration(
        bias=float(weights[0]),
        acoustic=float(slopes[0]),
        posterior=float(slopes[1]),
        words=len(observations),
    )


def _features(evidence: Sequence[Evidence]) -> Float64:
    """Return log-odds `(W, 1)` without posteriors, `(W, 2)` with them."""
    return np.array([[log_odds(value) for value in shown if value is not None] for shown in evidence])


def _regress(rows: Float64, targets: Float64) -> Float64:
    """Return bias and weights `(1 + F,)` of a logistic regression, by Newton's method with shorter steps if need be.

    Args:
        rows: `(W, F)`.
        targets: `(W,)` probabilities.
    """
    design = np.column_stack([np.ones(len(rows)), rows])
    ridge = np.full(design.shape[1], RIDGE)
    ridge[0] = 0.0

    def loss(weights: Float64) -> float:
        totals = design @ weights
        return float((np.logaddexp(0, totals) - targets * totals).sum() + ridge @ weights**2 / 2)

    weights = np.zeros(design.shape[1])
    for _ in range(MAX_STEPS):
        totals = design @ weights
        probabilities = np.exp(-np.logaddexp(0, -totals))
        gradient = design.T @ (probabilities - targets) + ridge * weights
        curvature = (design.T * (probabilities * (1 - probabilities))) @ design + np.diag(ridge)
        step, size = np.linalg.lstsq(curvature, gradient, rcond=None)[0], 1.0
        here = loss(weights)
        while size > 1e-6 and loss(weights - size * step) > here:
            size /= 2
        weights = weights - size * step
        if np.abs(size * step).max() < 1e-9:
            break
    return weights


def cross_validate(observations: Sequence[Observation]) -> Calibration:
    """Fit a calibration, and measure it on words that other words were fitted for.

    Whole speakers are held out where all are known and there are `MIN_SPEAKERS` or more, otherwise whole
    utterances; the words of one are much alike.

    Raises:
        DataError: there are no words, or all are of one utterance.
    """
    parameters = fit(observations)
    speakers = {seen.speaker for seen in observations}
    by_speaker = None not in speakers and len(speakers) >= MIN_SPEAKERS
    names = [str(seen.speaker) if by_speaker else seen.utterance for seen in observations]
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    if len(numbers) < 2:
        raise DataError("words were recognised in one utterance alone; calibration needs two or more")
    folds = min(MAX_FOLDS, len(numbers))
    fold_of = np.array([numbers[name] % folds for name in names])
    calibrated = np.empty(len(observations))
    for fold in range(folds):
        others = fit([seen for seen, own in zip(observations, fold_of, strict=True) if own != fold])
        for row in np.flatnonzero(fold_of == fold).tolist():
            calibrated[row] = others.probability(observations[row].evidence)
    return Calibration(
        parameters,
        np.array([seen.is_correct for seen in observations]),
        np.array([seen.evidence.raw for seen in observations]),
        calibrated,
        folds,
        "speakers" if by_speaker else "utterances",
    )


def calibrate(
    recognizer: Recognizer, utterances: Iterable[Utterance], advance: Callable[[], None] = lambda: None
) -> dict[Kind, Calibration]:
    """Calibrate a bundle's confidences: greedy, and of its beam search if it carries one.

    Args:
        recognizer: of the bundle; its network runs once over the utterances.
        utterances: held-out speech with transcripts, neither trained nor tested on.
        advance: is called after each utterance.

    Raises:
        AudioError: an utterance cannot be read.
        DataError: there are too few words.
    """
    bundle = recognizer.bundle
    decoders: dict[Kind, Decoder] = {"greedy": make_decoder(bundle, DecodingOptions(is_greedy=True))}
    if method_of(bundle, DecodingOptions()) == "beam":
        decoders["beam"] = make_decoder(bundle)
    seen: dict[Kind, list[Observation]] = {kind: [] for kind in decoders}
    for utterance in utterances:
        log_probs = recognizer.log_probs_of(utterance)
        for kind, decoder in decoders.items():
            hypotheses = decoder(log_probs, CANDIDATES)
            words = words_of(
                hypotheses[0], bundle.vocabulary, bundle.frame_seconds, utterance.duration_seconds
            )
            evidence, _ = evidence_of(hypotheses, words, bundle.vocabulary, is_greedy=decoder.is_greedy)
            spoken = decoder.reference(utterance.text, bundle.vocabulary).split()
            correct = _hits(spoken, [word.text for word in words])
            seen[kind] += [
                Observation(shown, is_correct, utterance.id, utterance.speaker)
                for shown, is_correct in zip(evidence, correct, strict=True)
            ]
        advance()
    return {kind: cross_validate(observations) for kind, observations in seen.items()}


def _hits(reference: Sequence[str], hypothesis: Sequence[str]) -> list[bool]:
    """Return for each word of a hypothesis whether it is a hit in the alignment with the reference."""
    hits = [False] * len(hypothesis)
    for chunk in align(reference, hypothesis).chunks:
        if chunk.kind == "equal":
            hits[chunk.hypothesis_start : chunk.hypothesis_end] = [True] * (
                chunk.hypothesis_end - chunk.hypothesis_start
            )
    return hits


def write_calibration(bundle: Bundle, calibrations: dict[Kind, Calibration]) -> None:
    """Make a bundle's confidences calibrated from now on.

    Raises:
        BundleError: the bundle's folder cannot be written to.
    """
    found = {kind: calibration.parameters for kind, calibration in calibrations.items()}
    change_bundle(bundle, {"confidence": ConfidenceCalibration.model_validate(found)})
