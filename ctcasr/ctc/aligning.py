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
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import inline_kernel, kernel
from ctcasr.ctc.collapsing import min_input_length
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
    trellis = _Trellis(rows, np.append(symbols, blank), skips, gaps)
    path = _Path(np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count))
    log_prob = float(_viterbi(trellis, _block_frames(frames, count), path))
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


class _Trellis(NamedTuple):
    """What the kernels read.

    Attributes:
        log_probs: `(T, V)`, T at least 1.
        targets: `(U + 1,)`; the last is the blank and no target: it fills the column of the last blank.
        skips: `(U + 1,)`, zero where a path may come from the target before without a blank, else minus infinity.
        gaps: `(U + 1,)`, zero where a blank may stand, else minus infinity.
    """

    log_probs: Floats
    targets: Integers
    skips: Doubles
    gaps: Doubles


class _Path(NamedTuple):
    """What the kernels write, each `(U,)`; frames start as zeros, confidences are sums until the end."""

    starts: Integers
    ends: Integers
    confidences: Doubles


def _skips(targets: Integers) -> Doubles:
    skips = np.full(len(targets) + 1, -np.inf)
    skips[1:-1][targets[1:] != targets[:-1]] = 0.0
    return skips


@kernel
def _viterbi(trellis: _Trellis, block: int, path: _Path) -> float:
    """Find the best path, keeping the scores of every `block`-th frame; return its log-probability."""
    frames, count = len(trellis.log_probs), len(trellis.targets) - 1
    kept = _kept_rows(trellis, block)
    column, on_target, score = count, False, -np.inf
    rows = np.empty((min(block, frames - 1) + 1, 2, min(block + 1, count) + 2))
    for number in range(len(kept) - 1, -1, -1):
        first = number * block
        last = min(first + block, frames - 1)
        # The path ends on the last blank, or one column lower on the last target.
        origin = column - (last - first) - (1 if last == frames - 1 else 0)
        base = max(0, origin)
        width = column - base + 2
        rows[0, :, :width] = kept[number, :, base : base + width]
        for frame in range(first + 1, last + 1):
            low = max(0, origin + frame - first, count - frames + frame)
            high = min(column, frame) + 1
            _advance(trellis, frame, (base, low, high), rows[frame - first - 1], rows[frame - first])
        if last == frames - 1:
            end = rows[last - first]
            score = float(max(end[0, count - base], end[1, count - base]))
            if score == -np.inf:
                return score
            if end[1, count - base] > end[0, count - base]:
                column, on_target = count - 1, True
        column, on_target = _walk_back(trellis, (first, last, base), rows, (column, on_target), path)
    if on_target:
        _note(trellis, 0, column, path)
    for target in range(count):
        path.confidences[target] /= path.ends[target] - path.starts[target]
    return score


@kernel
def _kept_rows(trellis: _Trellis, block: int) -> Doubles:
    """Return rows 0, K, 2K and so on of the trellis, `(rows, 2, U + 2)`: best scores of blanks and of targets.

    Blank u has entry u, target u entry u + 1. What no path reaches in time is left minus infinity.
    """
    log_probs, targets = trellis.log_probs, trellis.targets
    frames, count = len(log_probs), len(targets) - 1
    kept = np.full((max(0, frames - 2) // block + 1, 2, count + 2), -np.inf)
    kept[0, 0, 0], kept[0, 1, 1] = log_probs[0, targets[count]] + trellis.gaps[0], log_probs[0, targets[0]]
    before, after = kept[0].copy(), kept[0].copy()
    for frame in range(1, (len(kept) - 1) * block + 1):
        low, high = max(0, count - frames + frame), min(count, frame) + 1
        _advance(trellis, frame, (0, low, high), before, after)
        before, after = after, before
        if frame % block == 0:
            kept[frame // block, :, low : high + 1] = before[:, low : high + 1]
    return kept


@inline_kernel
def _advance(
    trellis: _Trellis, frame: int, columns: tuple[int, int, int], before: Doubles, after: Doubles
) -> None:
    """Write the scores of a frame after those of the frame before, for the columns `[low, high)`.

    Args:
        trellis: the log-probabilities and the targets.
        frame: its number.
        columns: base, low and high; column u has entry `u - base` (and one more for its target).
        before: `(2, W)`.
        after: `(2, W)`.
    """
    base, low, high = columns
    row = trellis.log_probs[frame]
    blank = row[trellis.targets[-1]]
    targets, skips, gaps = trellis.targets[low:high], trellis.skips[low:high], trellis.gaps[low:high]
    low, high = low - base, high - base
    new_blanks, new_targets = after[0, low:high], after[1, low + 1 : high + 1]
    # Two loops: compilers vectorise the second, but no loop that looks up.
    for u in range(len(targets)):
        new_targets[u] = row[np.uint64(targets[u])]
    blanks, ones_before, ones_here = before[0, low:high], before[1, low:high], before[1, low + 1 : high + 1]
    for u in range(len(targets)):
        best = blanks[u]
        new_blanks[u] = (ones_before[u] if ones_before[u] > best else best) + (blank + gaps[u])
        skipped = ones_before[u] + skips[u]
        best = skipped if skipped > best else best
        best = ones_here[u] if ones_here[u] > best else best
        new_targets[u] += best
    # Nothing reaches what lies outside: the next frame reads it.
    if low == 0:
        after[1, 0] = -np.inf
    if high < after.shape[1] - 1:
        after[0, high], after[1, high + 1] = -np.inf, -np.inf


@kernel
def _walk_back(
    trellis: _Trellis,
    block: tuple[int, int, int],
    rows: npt.NDArray[np.float64],
    state: tuple[int, bool],
    path: _Path,
) -> tuple[int, bool]:
    """Follow the best path from the block's last frame to its first; of equals the highest state is taken.

    Args:
        trellis: the log-probabilities and the targets.
        block: its first and last frame, and the column of the rows' first entry.
        rows: the block's scores.
        state: the column on the last frame, and whether the path is on its target or on its blank.
        path: is written to, but for the first frame.
    """
    first, last, base = block
    column, on_target = state
    for frame in range(last, first, -1):
        blanks, targets = rows[frame - first - 1]
        u = column - base
        if not on_target:
            if targets[u] > blanks[u]:
                column, on_target = column - 1, True
            continue
        _note(trellis, frame, column, path)
        skipped = targets[u] + trellis.skips[column]
        if skipped > max(blanks[u], targets[u + 1]):
            column -= 1
        elif blanks[u] > targets[u + 1]:
            on_target = False
    return column, on_target


@inline_kernel
def _note(trellis: _Trellis, frame: int, target: int, path: _Path) -> None:
    """Count a frame to a target; called from the last frame to the first."""
    if path.ends[target] == 0:
        path.ends[target] = frame + 1
    path.starts[target] = frame
    log_prob = np.float64(trellis.log_probs[frame, trellis.targets[target]])
    path.confidences[target] += min(1.0, math.exp(log_prob))
