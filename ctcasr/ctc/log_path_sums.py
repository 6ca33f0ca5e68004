"""The sums over all paths of an utterance in logarithms: slow, for whatever the doubles of `path_sums` cannot hold."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import inline_kernel, kernel

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@inline_kernel
def _add(one: float, other: float) -> float:
    """Return log(exp(one) + exp(other))."""
    most, least = (one, other) if one > other else (other, one)
    return most if least == -np.inf else most + math.log1p(math.exp(least - most))


@kernel
def log_sums(log_probs: Floats, targets: Integers, blanks: Floats, occupancies: Floats) -> float:
    """Return the log-probability of the targets, and fill their occupancies (Graves et al. 2006, section 4.1).

    Args:
        log_probs: `(T, V)`, blank 0, T at least 1.
        targets: `(U,)`.
        blanks: `(T,)` zeros; of all blanks together. `(0,)` if occupancies are not wanted.
        occupancies: `(T, U)` or wider, zeros.
    """
    frames, states = len(log_probs), 2 * len(targets) + 1
    path = np.zeros(states, np.int64)
    path[1::2] = targets
    ahead = np.full((frames, states), -np.inf)
    ahead[0, :2] = log_probs[0, 0]
    if states > 1:
        ahead[0, 1] = log_probs[0, path[1]]
    for frame in range(1, frames):
        for state in range(states):
            total = ahead[frame - 1, state]
            if state > 0:
                total = _add(total, ahead[frame - 1, state - 1])
            if _skips(path, state):
                total = _add(total, ahead[frame - 1, state - 2])
            ahead[frame, state] = total + log_probs[frame, path[state]]
    last = ahead[frames - 1]
    log_prob = _add(last[states - 1], last[states - 2]) if states > 1 else last[0]
    if log_prob != -np.inf and len(blanks) > 0:
        _fill(log_probs, path, ahead - log_prob, blanks, occupancies)
    return log_prob


@inline_kernel
def _skips(path: Integers, state: int) -> bool:
    """Tell whether a path may come to a state from the state two below."""
    return state % 2 == 1 and state > 1 and path[state] != path[state - 2]


@kernel
def _fill(log_probs: Floats, path: Integers, ahead: Doubles, blanks: Floats, occupancies: Floats) -> None:
    """Fill the occupancies from the sums up to each frame, divided by the whole."""
    frames, states = ahead.shape
    after = np.full(states + 2, -np.inf)
    after[max(0, states - 2) : states] = 0.0
    for frame in range(frames - 1, -1, -1):
        for state in range(states):
            share = math.exp(ahead[frame, state] + after[state])
            if state % 2 == 0:
                blanks[frame] += share
            else:
                occupancies[frame, state // 2] = share
        for state in range(states):
            after[state] += log_probs[frame, path[state]]
        for state in range(states):
            total = _add(after[state], after[state + 1])
            if state + 2 < states and _skips(path, state + 2):
                total = _add(total, after[state + 2])
            after[state] = total
