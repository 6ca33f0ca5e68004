"""Utterances whose audio contradicts their text, in the opinion of a trained model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ctcasr.ctc import collapse
from ctcasr.data import Utterance
from ctcasr.doctor.findings import Finding
from ctcasr.doctor.texts import mended
from ctcasr.errors import AudioError
from ctcasr.runtime import Recognizer
from ctcasr.runtime.ordered import in_order

LEAST_NATS = 30.0
NATS_A_SYMBOL = 3.0
"""The model's own transcript is more likely than the text by more than both: `exp(30)` times, and 20 times a symbol."""


def contradictions(
    utterances: Sequence[Utterance], recognizer: Recognizer, advance: Callable[[], None] = lambda: None
) -> Iterator[Finding]:
    """Yield utterances whose text the model finds far less likely than what it hears.

    The log-likelihood of the text is compared with that of the best path's transcript (both summed over all CTC
    alignments). Texts that the model cannot write, or not in so few frames, are told as such and passed over here. A
    model that was trained on frames has no such likelihood: nothing contradicts it.
    """
    if recognizer.bundle.topology.kind == "hmm":
        return

    def examine(utterance: Utterance) -> Finding | None:
        text = mended(utterance.text)
        vocabulary = recognizer.bundle.vocabulary
        if not text or vocabulary.unknown(text):
            return None
        try:
            log_probs = recognizer.log_probs_of(utterance)
        except AudioError:
            return None
        heard = collapse(log_probs.argmax(axis=1))
        gap = loss(log_probs, vocabulary.encode(text)) - loss(log_probs, np.array(heard, np.int64))
        if not max(LEAST_NATS, NATS_A_SYMBOL * len(text)) < gap < np.inf:
            return None
        return Finding(
            "contradiction",
            utterance.where,
            f"the text is {text[:60]!r}, the model hears {vocabulary.decode(heard)[:60]!r} ({gap:.0f} nats more likely)"
            "; listen to it",
            utterance.id,
        )

    for found in in_order(examine, utterances):
        advance()
        if found is not None:
            yield found


def loss(log_probs: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]) -> float:
    """Return the CTC loss in nats of targets `(U,)` under log_probs `(T', V)`."""
    # With it comes numba, for which a manifest without a model should not wait.
    from ctcasr.ctc.forward_backward import CtcBatch, ctc_losses

    lengths = np.array([len(log_probs)]), np.array([len(targets)])
    return float(ctc_losses(CtcBatch(log_probs[None], lengths[0], targets[None], lengths[1]))[0])
