"""The kernels of forced alignment: the trellis forwards, in blocks, and the best path back."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel, inline_kernel

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Trellis(NamedTuple):
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


class Path(NamedTuple):
    """What the kernels write, each `(U,)`; frames start as zeros, confidences are sums until the end."""

    starts: Integers
    ends: Integers
    confidences: Doubles


class Workspace(NamedTuple):
    """Room for scores: a kernel that makes its own arrays is slower to load.

    Attributes:
        kept: `(rows, 2, U + 2)`, minus infinity: of frames 0, K, 2K and so on.
        pair: `(2, 2, U + 2)`, minus infinity: of a frame and the one before.
        rows: `(K + 1, 2, W)`: of a block's frames.
    """

    kept: Doubles
    pair: Doubles
    rows: Doubles


def workspace(frames: int, count: int, block: int) -> Workspace:
    """Make room for T frames, U targets, and blocks of K frames."""
    return Workspace(
        np.full((max(0, frames - 2) // block + 1, 2, count + 2), -np.inf),
        np.full((2, 2, count + 2), -np.inf),
        np.empty((min(block, frames - 1) + 1, 2, min(block + 1, count) + 2)),
    )


@bare_kernel
def viterbi(trellis: Trellis, block: int, space: Workspace, path: Path) -> float:
    """Find the best path, keeping the scores of every `block`-th frame; return its log-probability."""
    frames, count = len(trellis.log_probs), len(trellis.targets) - 1
    kept, rows = space.kept, space.rows
    _keep_rows(trellis, block, space)
    column, on_target, score = count, False, -np.inf
    for number in range(len(kept) - 1, -1, -1):
        first = number * block
        last = min(first + block, frames - 1)
        # The path ends on the last blank, or one column lower on the last target.
        origin = column - (last - first) - (1 if last == frames - 1 else 0)
        base = max(0, origin)
        width = column - base + 2
        _copy(kept[number, :, base : base + width], rows[0])
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


@bare_kernel
def _keep_rows(trellis: Trellis, block: int, space: Workspace) -> None:
    """Keep rows 0, K, 2K and so on of the trellis: best scores of blanks and of targets.

    Blank u has entry u, target u entry u + 1. What no path reaches in time is left minus infinity.
    """
    log_probs, targets = trellis.log_probs, trellis.targets
    frames, count = len(log_probs), len(targets) - 1
    kept, before, after = space.kept, space.pair[0], space.pair[1]
    kept[0, 0, 0], kept[0, 1, 1] = log_probs[0, targets[count]] + trellis.gaps[0], log_probs[0, targets[0]]
    before[0, 0], before[1, 1] = kept[0, 0, 0], kept[0, 1, 1]
    for frame in range(1, (len(kept) - 1) * block + 1):
        low, high = max(0, count - frames + frame), min(count, frame) + 1
        _advance(trellis, frame, (0, low, high), before, after)
        before, after = after, before
        if frame % block == 0:
            _copy(before[:, low : high + 1], kept[frame // block, :, low:])


@inline_kernel
def _copy(source: Doubles, target: Doubles) -> None:
    """Write `(2, W)` over the first W columns; numba takes five seconds to compile an assignment of slices."""
    for row in range(source.shape[0]):
        for column in range(source.shape[1]):
            target[row, column] = source[row, column]


@inline_kernel
def _advance(
    trellis: Trellis, frame: int, columns: tuple[int, int, int], before: Doubles, after: Doubles
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


@bare_kernel
def _walk_back(
    trellis: Trellis,
    block: tuple[int, int, int],
    rows: npt.NDArray[np.float64],
    state: tuple[int, bool],
    path: Path,
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
def _note(trellis: Trellis, frame: int, target: int, path: Path) -> None:
    """Count a frame to a target; called from the last frame to the first."""
    if path.ends[target] == 0:
        path.ends[target] = frame + 1
    path.starts[target] = frame
    log_prob = np.float64(trellis.log_probs[frame, trellis.targets[target]])
    path.confidences[target] += min(1.0, math.exp(log_prob))
