"""Confidence of words: what speaks for each of them, and the probability that a calibration makes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from ctcasr.decoding import Hypothesis
from ctcasr.decoding.confidence import CANDIDATES, posterior
from ctcasr.runtime.words import Word, texts_of
from ctcasr.text import Vocabulary

CERTAIN = 1e-6
"""Confidences are told apart down to this distance from 0 and 1."""


class Evidence(NamedTuple):
    """What speaks for a word, in [0, 1]: its symbols' mean probability, and its posterior if a beam found it."""

    acoustic: float
    posterior: float | None = None

    @property
    def raw(self) -> float:
        """The confidence where nothing is calibrated."""
        return self.acoustic if self.posterior is None else self.posterior


class WordCalibration(BaseModel):
    """The probability that a word is correct, as a logistic function of its evidence's log-odds (Platt 1999)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    bias: float
    acoustic: float = Field(ge=0, description="weight of the log-odds of the symbols' mean probability")
    posterior: float = Field(0.0, ge=0, description="weight of the log-odds of the word's posterior")
    words: int = Field(ge=1, description="that it was fitted on")

    def probability(self, evidence: Evidence) -> float:
        """Return the probability that a word with this evidence is correct."""
        total = self.bias + self.acoustic * log_odds(evidence.acoustic)
        if evidence.posterior is not None:
            total += self.posterior * log_odds(evidence.posterior)
        return 1 / (1 + math.exp(-total)) if total > -700 else 0.0


class ConfidenceCalibration(BaseModel):
    """What `bundle.json` says about confidence: one calibration for each way to decode."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    greedy: WordCalibration | None = None
    beam: WordCalibration | None = Field(None, description="for the bundle's own language model and lexicon")


def log_odds(confidence: float) -> float:
    """Return `log(p / (1 - p))`, within the bounds that `CERTAIN` sets."""
    within = min(max(confidence, CERTAIN), 1 - CERTAIN)
    return math.log(within / (1 - within))


def evidence_of(
    hypotheses: Sequence[Hypothesis], words: Sequence[Word], vocabulary: Vocabulary, *, is_greedy: bool
) -> tuple[list[Evidence], float]:
    """Return the evidence for each word of the best hypothesis, and the confidence in all of it.

    Args:
        hypotheses: the best first; those of a beam search behind the first `CANDIDATES` do not count.
        words: of the best one, with their symbols' mean probabilities as confidences.
        vocabulary: of the symbols.
        is_greedy: there is one hypothesis and no posterior; its confidence is its symbols' mean probability.
    """
    if is_greedy:
        symbols = [token.confidence for token in hypotheses[0].tokens]
        return [Evidence(word.confidence) for word in words], math.fsum(symbols) / len(
            symbols
        ) if symbols else 1.0
    listed = hypotheses[:CANDIDATES]
    found = posterior(
        [texts_of(hypothesis, vocabulary) for hypothesis in listed],
        [hypothesis.log_prob for hypothesis in listed],
    )
    evidence = [Evidence(word.confidence, share) for word, share in zip(words, found.words, strict=True)]
    return evidence, found.utterance
