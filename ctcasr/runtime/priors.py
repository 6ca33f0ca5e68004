"""Priors of a network's outputs: how often each is occupied where transcripts are said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctcasr.ctc.forward_backward import CtcBatch, forward_backward
from ctcasr.data import Utterance
from ctcasr.errors import CtcAsrError, DataError
from ctcasr.runtime.alignment import alignment_scores
from ctcasr.runtime.alignment_text import spell
from ctcasr.runtime.bundle import PRIORS, Bundle
from ctcasr.runtime.bundle_changing import change_bundle
from ctcasr.runtime.ordered import in_order
from ctcasr.runtime.pronouncing import align_lines
from ctcasr.runtime.recognizer import Recognizer

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Priors:
    """What was estimated.

    Attributes:
        values: `(O,)` of the network's outputs, above 0, with the sum 1.
        frames: that were counted.
        problems: utterances that could not be used, and why.
    """

    values: Doubles
    frames: int
    problems: tuple[str, ...]


def estimate_priors(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    advance: Callable[[], None],
    *,
    threads: int | None = None,
) -> Priors:
    """Count the frames of each output over transcribed speech, and one frame more of each, so that none has none.

    A network of CTC shares each frame out by the posteriors of its symbols given the transcript (occupancies, Graves
    et al. 2006, section 4.1). The states of an HMM are counted on the best path, as is usual for them.

    Args:
        recognizer: of the bundle; how it decodes does not matter.
        utterances: with transcripts; those that the network was trained on will do.
        advance: is called after each utterance.
        threads: utterances at a time; by default one for each processor.

    Raises:
        DataError: none of the utterances can be used.
    """

    def count_one(utterance: Utterance) -> Doubles | str:
        try:
            return occupancy(recognizer.bundle, recognizer.log_probs_of(utterance), utterance.text)
        except CtcAsrError as error:
            return f"{utterance}: {error}"

    counts = np.zeros(recognizer.bundle.topology.output_count)
    problems: list[str] = []
    for found in in_order(count_one, utterances, threads):
        advance()
        if isinstance(found, str):
            problems.append(found)
        else:
            counts += found
    if not counts.any():
        raise DataError(
            f"none of {len(utterances)} utterances can be used to estimate priors; the first: {problems[0]}"
        )
    smoothed = counts + 1
    return Priors(smoothed / smoothed.sum(), round(counts.sum()), tuple(problems))


def occupancy(bundle: Bundle, log_probs: npt.NDArray[np.float32], text: str) -> Doubles:
    """Return how many frames of `log_probs (T', O)` each output is occupied, `(O,)`, given the transcript.

    Raises:
        DataError: the text has words or characters that the model cannot write, or needs more frames.
    """
    topology = bundle.topology
    targets = found = None
    if text.split():
        lines = spell(" ".join(text.split()), bundle.vocabulary).lines
        _, targets, found = align_lines(lines, bundle, alignment_scores(bundle, log_probs))
    if topology.kind == "ctc":
        symbols = np.array([] if targets is None else targets.outputs, np.int64)
        sizes = np.array([len(log_probs)]), np.array([len(symbols)])
        batch = CtcBatch(log_probs[None], sizes[0], symbols[None], sizes[1])
        return np.asarray(forward_backward(batch).posteriors()[0].sum(axis=0, dtype=np.float64))
    path = np.full(len(log_probs), topology.pause)
    if targets is not None and found is not None:
        for output, start, end in zip(targets.outputs, found.start_frames, found.end_frames, strict=True):
            path[start:end] = output
    return np.bincount(path, minlength=topology.output_count).astype(np.float64)


def write_priors(bundle: Bundle, priors: Priors) -> None:
    """Put priors into a bundle.

    Raises:
        BundleError: the bundle's folder cannot be written to.
    """

    def write(folder: Path) -> None:
        np.save(folder / PRIORS, priors.values.astype(np.float32))

    change_bundle(bundle, {}, write)


__all__ = ["Priors", "estimate_priors", "occupancy", "write_priors"]
