"""Forced alignment: which frames write which symbol of a known transcript.

The trellis of CTC has a blank before each target and one after the last: blank `u` stands before target `u`,
and the two share column `u`. That of an HMM differs in two things: the blank, its silence, may stand at some
places only, and every target may follow the one before directly. The best path is found exactly (Viterbi),
whatever its length. Of a long recording only every K-th row of scores is kept; the way back computes the K rows
of a block again, and of these only the cone that can lead to where the block's path ends. That takes about
16 K^2 + 16 T U / K bytes: 360 MB for three hours of speech, where the scores of the whole trellis would take
650 GB.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ctcasr.ctc.collapsing import min_input_length
from ctcasr.ctc.trellis import Path, Trellis, viterbi, workspace
from ctcasr.errors import DataError

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

NEVER, MAYBE, ALWAYS = 0, 1, 2
"""Whether an HMM is silent at a place."""

ROUNDING = 1e-3
"""How far above zero a log-probability may stand by rounding."""

WHOLE_COLUMNS = 1 << 20
"""A trellis of no more frames times targets is kept whole, in 16 MB."""


@dataclass(frozen=True)
class Alignment:
    """The best path that writes the targets.

    Attributes:
        start_frames: `(U,)`, the first frame of each target.
        end_frames: `(U,)`, exclusive; the blanks around a target are not counted as its own.
        confidences: `(U,)`, the mean probability of each target over its frames, in [0, 1].
        log_prob: of the whole path, blanks included; natural logarithm.
    """

    start_frames: Integers
    end_frames: Integers
    confidences: Doubles
    log_prob: float


def align(
    log_probs: Floats,
    targets: Sequence[int] | npt.NDArray[np.integer],
    blank: int = 0,
    *,
    silences: npt.NDArray[np.integer] | None = None,
) -> Alignment:
    """Return the most probable path among those that write the targets, by the rules of CTC or of an HMM.

    The result is exact, with scores summed in float64. Where paths are equally probable, the one is taken that
    is furthest along the targets, compared from the last frame backwards: symbols begin as early as they can.
    It does not hold the GIL: threads align several recordings at once.

    Args:
        log_probs: `(T, V)` natural log-probabilities; minus infinity is allowed.
        targets: `(U,)` symbol numbers without blanks; may be empty.
        blank: the number of the blank.
        silences: `(U + 1,)`, whether an HMM may be silent for a while, that is write the blank, before each target,
            and after the last: `NEVER`, `MAYBE`, or (between targets) `ALWAYS`. Targets then follow each other
            directly, equal ones too, and each writes one frame or more. Without silences the rules are CTC's: blanks
            may stand anywhere, and have to stand between equal targets.

    Raises:
        DataError: the targets need more frames than there are, or hold a blank or a number that is no symbol;
            or log_probs hold NaN or values above zero, or give no path that writes the targets a probability.
    """
    symbols = np.ascontiguousarray(targets, np.int64)
    _check(log_probs, symbols, blank, silences)
    frames, count = len(log_probs), len(symbols)
    if frames == 0:
        return Alignment(symbols, symbols, np.zeros(0), 0.0)
    narrow = log_probs.dtype == np.float64 or log_probs.dtype == np.float32
    rows = np.ascontiguousarray(log_probs, None if narrow else np.float32)
    if silences is None:
        skips, gaps = _skips(symbols), np.zeros(count + 1)
    else:
        skips, gaps = (np.where(silences == kind, -np.inf, 0.0) for kind in (ALWAYS, NEVER))
    trellis = Trellis(rows, np.append(symbols, blank), skips, gaps)
    path = Path(np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count))
    block = _block_frames(frames, count)
    log_prob = float(viterbi(trellis, block, workspace(frames, count, block), path))
    if log_prob == -np.inf:
        raise DataError(
            f"no path of the {frames} frames that writes the {count} targets has a probability above zero; "
            "check that the transcript and the vocabulary belong to this model"
        )
    return Alignment(*path, log_prob)


def _check(
    log_probs: Floats, targets: Integers, blank: int, silences: npt.NDArray[np.integer] | None
) -> None:
    if log_probs.ndim != 2 or targets.ndim != 1:
        raise DataError(
            f"log_probs have shape {log_probs.shape} and targets {targets.shape}; expected (frames, symbols) and "
            "(targets,): align one utterance at a time"
        )
    frames, symbols = log_probs.shape
    if not 0 <= blank < symbols:
        raise DataError(f"blank {blank} is none of the {symbols} symbols of log_probs; pass its number")
    wrong = (targets < 0) | (targets >= symbols) | (targets == blank)
    if wrong.any():
        place = int(np.argmax(wrong))
        raise DataError(
            f"target {place} is {targets[place]}; expected a symbol from 0 to {symbols - 1} that is not the blank "
            f"({blank}): encode the transcript with the vocabulary of this model"
        )
    if silences is not None:
        _check_silences(silences, len(targets))
    needed = min_input_length(targets) if silences is None else len(targets) + int((silences == ALWAYS).sum())
    if needed > frames:
        raise DataError(
            f"{len(targets)} symbols need at least {needed} frames, the model gives {frames}; "
            "check that the transcript belongs to this recording"
        )
    if log_probs.size and not log_probs.max() <= ROUNDING:  # NaN is the maximum where there is one
        frame, symbol = np.unravel_index(int(np.argmax(log_probs)), log_probs.shape)
        raise DataError(
            f"log_probs hold {log_probs[frame, symbol]:.4g} at frame {frame}, symbol {symbol}; expected logarithms "
            "of probabilities, zero at most: pass the output of log_softmax"
        )


def _check_silences(silences: npt.NDArray[np.integer], count: int) -> None:
    kinds = silences.tolist()
    shown = kinds if count < 20 else silences.shape
    if (
        silences.shape != (count + 1,)
        or not set(kinds) <= {NEVER, MAYBE, ALWAYS}
        or ALWAYS in (kinds[0], kinds[-1])
    ):
        raise DataError(
            f"silences are {shown}; expected {NEVER}, {MAYBE} or {ALWAYS} before each of the {count} targets and "
            f"after the last, and {ALWAYS} between targets only"
        )


def _block_frames(frames: int, count: int) -> int:
    """Return K, which makes K^2 + T U / K least: the columns of a block, and those of the rows kept."""
    if frames * (count + 1) <= WHOLE_COLUMNS:
        return frames
    return max(64, round(math.cbrt(frames * count / 2)))


def _skips(targets: Integers) -> Doubles:
    skips = np.full(len(targets) + 1, -np.inf)
    skips[1:-1][targets[1:] != targets[:-1]] = 0.0
    return skips
