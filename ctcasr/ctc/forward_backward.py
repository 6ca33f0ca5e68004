"""The loss of CTC and its occupancies, for a batch on a CPU, summed in float64."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import kernel
from ctcasr.ctc.log_path_sums import log_sums
from ctcasr.ctc.path_sums import BLOCK, LANES, build_trellis, columns, is_safe, sum_backward, sum_forward
from ctcasr.errors import DataError

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

STATES_A_THREAD = 300_000
"""Frames times targets that are worth a thread: one to two milliseconds."""

SHARES_A_THREAD = 4
"""Small shares, so that no thread waits long for another that the machine has held up."""


@dataclass(frozen=True)
class CtcBatch:
    """Utterances with their transcripts; what lies beyond a length is never read.

    Attributes:
        log_probs: `(B, T', V)` natural log-probabilities, float32 or float64, blank 0; minus infinity is allowed.
        input_lengths: `(B,)` valid frames.
        targets: `(B, U)` symbol numbers.
        target_lengths: `(B,)` symbols.

    Raises:
        DataError: shapes or lengths do not fit each other, or a target is no symbol or the blank.
    """

    log_probs: Floats
    input_lengths: Integers
    targets: Integers
    target_lengths: Integers

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class Occupancies:
    """The losses of a batch, and which state each frame is in, given that the targets were written.

    Attributes:
        batch: what was summed.
        losses: `(B,)`, -log p(targets | log_probs) in nats. Infinite where no path writes the targets, be it for
            want of frames or of probability: the occupancies are zero there. NaN where log_probs are NaN.
        blanks: `(B, T')`, the probability of a blank; zero beyond the input length.
        targets: `(B, T', U)`, the probability of each target, a soft alignment; over the targets and with the
            blank they sum to one in each frame.
    """

    batch: CtcBatch
    losses: Doubles
    blanks: Floats
    targets: Floats

    @property
    def feasible(self) -> npt.NDArray[np.bool_]:
        """Where some path writes the targets, `(B,)`: elsewhere losses are infinite and gradients zero."""
        return np.asarray(self.losses != np.inf)

    def posteriors(self, threads: int = 1) -> Floats:
        """Return the probability of each symbol in each frame, given that the targets were written, `(B, T', V)`."""
        return self.gradient(np.full(len(self.losses), -1.0), threads)

    def gradient(self, weights: Doubles, threads: int = 1) -> Floats:
        """Return the derivative of the weighted sum of the losses with respect to log_probs, `(B, T', V)`.

        It is minus the weight times the posterior (Graves et al. 2006, equation 15). Where log_probs are a
        log_softmax, the derivative with respect to the logits is the weight times (probability - posterior),
        for feasible utterances and within their lengths. An utterance that is infeasible or has weight 0 has a
        gradient of zeros, whatever the other factor.

        Args:
            weights: `(B,)`.
            threads: at most so many compute at once.
        """
        gradient = np.zeros_like(self.batch.log_probs, order="C")
        weights = np.where(self.feasible, weights, 0.0)
        arrays, sums = _arrays(self.batch), _Sums(self.losses, self.blanks, self.targets)

        def scatter(rows: Integers) -> None:
            _scatter(arrays, sums, weights, gradient, rows)

        _share_out(self.batch, scatter, threads)
        return gradient


def ctc_losses(batch: CtcBatch, threads: int = 1) -> Doubles:
    """Return the losses alone, `(B,)`; see `Occupancies`."""
    frames = np.zeros((len(batch.log_probs), 0), batch.log_probs.dtype)
    return _summed(batch, _Sums(np.zeros(len(frames)), frames, frames[..., None]), threads).losses


def forward_backward(batch: CtcBatch, threads: int = 1) -> Occupancies:
    """Return the losses and the occupancies of a batch (Graves et al. 2006, section 4.1).

    Each utterance is summed by itself, so that the number of threads changes no bit. Beside the result a thread
    needs about `T' U + 8 T' min(U, V)` bytes, and `32 T' U` for an utterance that is summed in logarithms, ten times
    slower: one whose probability is too small for doubles (below e^-1000 or so).

    Args:
        batch: log-probabilities and targets.
        threads: at most so many compute at once; they do not hold the GIL.
    """
    count, frames, _ = batch.log_probs.shape
    length, dtype = batch.targets.shape[1], batch.log_probs.dtype
    sums = _Sums(
        np.zeros(count), np.zeros((count, frames), dtype), np.zeros((count, frames, columns(length)), dtype)
    )
    losses, blanks, targets = _summed(batch, sums, threads)
    return Occupancies(batch, losses, blanks, targets[..., :length])


class _Arrays(NamedTuple):
    """A batch as the kernels read it."""

    log_probs: Floats
    input_lengths: Integers
    targets: Integers
    target_lengths: Integers


class _Sums(NamedTuple):
    """What the kernels write; blanks `(B, 0)` if occupancies are not wanted."""

    losses: Doubles
    blanks: Floats
    targets: Floats


def _arrays(batch: CtcBatch) -> _Arrays:
    integers = (batch.input_lengths, batch.targets, batch.target_lengths)
    lengths, targets, target_lengths = (np.ascontiguousarray(array, np.int64) for array in integers)
    return _Arrays(np.ascontiguousarray(batch.log_probs), lengths, targets, target_lengths)


def _summed(batch: CtcBatch, sums: _Sums, threads: int) -> _Sums:
    arrays = _arrays(batch)
    _share_out(batch, lambda rows: _sum_rows(arrays, sums, rows), threads)
    return sums


def _share_out(batch: CtcBatch, work: Callable[[Integers], None], threads: int) -> None:
    """Deal the utterances out to threads, the longest first."""
    sizes = np.asarray(batch.input_lengths) * (np.asarray(batch.target_lengths) + LANES)
    threads = max(1, min(threads, len(sizes), int(sizes.sum()) // STATES_A_THREAD))
    order = np.argsort(-sizes, kind="stable")
    if threads == 1:
        work(order)
        return
    shares = min(len(order), threads * SHARES_A_THREAD)
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, [order[start::shares] for start in range(shares)]):
            pass  # only for its errors


@kernel
def _sum_rows(batch: _Arrays, sums: _Sums, rows: Integers) -> None:
    for row in rows:
        frames, count = batch.input_lengths[row], batch.target_lengths[row]
        targets = batch.targets[row, :count]
        needed = count
        for u in range(1, count):
            needed += 1 if targets[u] == targets[u - 1] else 0
        if needed > frames:
            sums.losses[row] = np.inf
        elif frames > 0:
            wanted = frames if sums.blanks.shape[1] > 0 else 0
            blanks, occupancies = sums.blanks[row, :wanted], sums.targets[row, :wanted]
            sums.losses[row] = -_sum_one(batch.log_probs[row, :frames], targets, blanks, occupancies)


@kernel
def _sum_one(log_probs: Floats, targets: Integers, blanks: Floats, occupancies: Floats) -> float:
    """Return the log-probability of the targets, and fill the occupancies if there is room."""
    trellis, log_total = build_trellis(log_probs, targets)
    kept = np.empty((1 + (len(log_probs) - 1) // BLOCK, 2 * len(trellis.symbols) + LANES))
    scales = np.empty(len(kept))
    log_prob = sum_forward(trellis, kept, scales)
    safe = is_safe(trellis, log_prob)
    if len(blanks) > 0:
        safe |= sum_backward(trellis, kept, scales, blanks, occupancies)
    elif not safe:
        spare = np.empty((1 + len(trellis.symbols), len(log_probs)), blanks.dtype)
        safe = sum_backward(trellis, kept, scales, spare[0], spare[1:].reshape(len(log_probs), -1))
    if safe and not np.isnan(log_total):
        return log_prob + log_total
    blanks[:], occupancies[:] = 0.0, 0.0
    return log_sums(log_probs, targets, blanks, occupancies)


@kernel
def _scatter(batch: _Arrays, sums: _Sums, weights: Doubles, gradient: Floats, rows: Integers) -> None:
    for row in rows:
        weight = weights[row]
        if weight == 0.0:
            continue
        for frame in range(batch.input_lengths[row]):
            line, occupancies = gradient[row, frame], sums.targets[row, frame]
            line[0] = -weight * sums.blanks[row, frame]
            for u in range(batch.target_lengths[row]):
                line[batch.targets[row, u]] -= weight * occupancies[u]


def _check(batch: CtcBatch) -> None:
    log_probs, lengths, counts = batch.log_probs, batch.input_lengths, batch.target_lengths
    if log_probs.ndim != 3 or batch.targets.ndim != 2:
        raise DataError(
            f"log_probs have shape {log_probs.shape} and targets {batch.targets.shape}; expected (utterances, "
            "frames, symbols) and (utterances, targets): pad them to one length each"
        )
    if log_probs.dtype not in (np.float32, np.float64):
        raise DataError(f"log_probs are {log_probs.dtype}; expected float32 or float64: convert them")
    (rows, frames, symbols), (_, most) = log_probs.shape, batch.targets.shape
    for name, array, limit in (("input_lengths", lengths, frames), ("target_lengths", counts, most)):
        if array.shape != (rows,) or len(batch.targets) != rows:
            raise DataError(
                f"{name} have shape {array.shape}, targets {batch.targets.shape}, log_probs {log_probs.shape}; "
                "expected as many of each as there are utterances"
            )
        if ((array < 0) | (array > limit)).any():
            row = int(np.argmax((array < 0) | (array > limit)))
            raise DataError(
                f"utterance {row} has {name} {array[row]}; expected 0 to {limit}, the size of the padded array"
            )
    wrong = (batch.targets < 1) | (batch.targets >= symbols)
    wrong &= np.arange(most) < np.asarray(counts)[:, None]
    if wrong.any():
        row, place = map(int, np.argwhere(wrong)[0])
        raise DataError(
            f"target {place} of utterance {row} is {batch.targets[row, place]}; expected 1 to {symbols - 1}, 0 being "
            "the blank: encode the transcript with the vocabulary of this model"
        )
