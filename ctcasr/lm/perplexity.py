"""How well a model predicts a text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel
from ctcasr.lm.automaton import Integer, NGramArrays, score_word
from ctcasr.lm.model import NGramModel
from ctcasr.lm.reading import TextReader, Unit


@dataclass(frozen=True)
class Perplexity:
    """What a model made of a text.

    Attributes:
        sentences: how many there were.
        tokens: how many words were scored, `</s>` of each sentence included.
        unknown: how many of them the model does not know.
        log_prob: of all tokens, natural logarithm.
        unknown_log_prob: of the unknown ones among them.
    """

    sentences: int
    tokens: int
    unknown: int
    log_prob: float
    unknown_log_prob: float

    @property
    def including_unknown(self) -> float:
        """Perplexity of all tokens, the unknown words at the probability of `<unk>`; NaN without a token."""
        return _perplexity(self.log_prob, self.tokens)

    @property
    def excluding_unknown(self) -> float:
        """Perplexity of the words that the model knows; NaN if there are none."""
        return _perplexity(self.log_prob - self.unknown_log_prob, self.tokens - self.unknown)


def perplexity(model: NGramModel, paths: Iterable[Path], unit: Unit = "word") -> Perplexity:
    """Score texts with a model: a sentence a line, each from `<s>` to `</s>`; empty lines are skipped.

    Args:
        model: the model.
        paths: UTF-8 texts, compressed or not.
        unit: the unit that the model was made for.

    Raises:
        DataError: a text cannot be read, or holds `<s>`, `</s>` or a NUL.
    """
    reader = TextReader(unit, model.words)
    markers = _Markers(reader.start, model.start_state, model.unknown_word)
    sums = np.zeros(4)
    state: Integer = 0
    for numbers in reader.read(paths):
        state = _score(model.arrays, numbers, markers, (state, sums))
    tokens, unknown, log_prob, unknown_log_prob = sums.tolist()
    return Perplexity(reader.lines, int(tokens), int(unknown), log_prob, unknown_log_prob)


def _perplexity(log_prob: float, tokens: int) -> float:
    return math.exp(min(-log_prob / tokens, 700.0)) if tokens else math.nan


class _Markers(NamedTuple):
    """The word at which a sentence starts, the state it starts from, and the unknown word."""

    start: int
    start_state: int
    unknown: int


@bare_kernel
def _score(
    model: NGramArrays,
    numbers: npt.NDArray[np.int32],
    markers: _Markers,
    kept: tuple[Integer, npt.NDArray[np.float64]],
) -> Integer:
    """Add up tokens, unknown ones and their log-probabilities; return the state to go on from."""
    sums = kept[1]
    state: Integer = np.int64(kept[0])
    for number in numbers:
        if number == markers.start:
            state = markers.start_state
            continue
        log_prob, state = score_word(model, state, number)
        sums[0] += 1
        sums[2] += log_prob
        if number == markers.unknown:
            sums[1] += 1
            sums[3] += log_prob
    return state
