"""What the outputs of a network stand for: the symbols of CTC, or the states of a hidden Markov model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from ctcasr.text import BLANK_ID, SPACE

Floats = npt.NDArray[np.floating]
TopologyKind = Literal["ctc", "hmm"]

MAX_STATES = 3


@dataclass(frozen=True)
class Topology:
    """The outputs of a network over the symbols of a vocabulary.

    With CTC's topology output v is symbol v. With an HMM's a symbol has `states` outputs, one after another, and the
    blank's output is silence. A symbol stays in each of its states for one frame or more, from left to right; between
    words, and before and after them, there may be a pause. The pause is the `<space>` where the vocabulary has one,
    and words are then always parted by it; otherwise it is the silence.
    """

    kind: TopologyKind
    states: int
    symbols: tuple[str, ...]

    @property
    def output_count(self) -> int:
        """How many outputs the network has."""
        return 1 + self.states * (len(self.symbols) - 1)

    def outputs(self, symbol: int) -> tuple[int, ...]:
        """Return the outputs of a symbol; `<space>` and blank have one that counts, their first."""
        if symbol == BLANK_ID:
            return (BLANK_ID,)
        first = 1 + self.states * (symbol - 1)
        return tuple(range(first, first + (1 if symbol == self.pause_symbol else self.states)))

    @cached_property
    def pause_symbol(self) -> int:
        """The symbol of a pause between words."""
        return self.symbols.index(SPACE) if SPACE in self.symbols else BLANK_ID

    @property
    def pause(self) -> int:
        """The output of a pause between words."""
        return self.outputs(self.pause_symbol)[0]

    @property
    def parts_words(self) -> bool:
        """Whether there is always a pause between words."""
        return self.pause_symbol != BLANK_ID

    def merged(self, log_probs: Floats) -> Floats:
        """Return the log-probabilities of symbols `(T', V)` from those of outputs `(T', O)`."""
        if self.states == 1:
            return log_probs
        frames = len(log_probs)
        parts = log_probs[:, 1:].reshape(frames, len(self.symbols) - 1, self.states)
        return np.concatenate((log_probs[:, :1], np.logaddexp.reduce(parts, axis=2)), axis=1)


def pseudo_log_likelihoods(log_probs: Floats, priors: Floats, scale: float) -> Floats:
    """Return log p(x | s) up to a constant of each frame, `(T', O)`: log p(s | x) - scale log p(s).

    Bourlard and Morgan (1994), "Connectionist speech recognition: a hybrid approach"; for a network that was trained
    with CTC, Miao et al. (2015), "EESEN", section 3.

    Args:
        log_probs: `(T', O)` of the states given the sound.
        priors: `(O,)` of the states, above zero.
        scale: how far the priors are divided out, 0 to 1.
    """
    offsets: Floats = (scale * np.log(priors)).astype(log_probs.dtype)
    return log_probs - offsets


__all__ = ["MAX_STATES", "Topology", "TopologyKind", "pseudo_log_likelihoods"]
