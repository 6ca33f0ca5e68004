"""Recurrent cells as their papers write them: one sequence, one frame after another, nothing clever."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Weights = Mapping[str, Array]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def rnn(w: Weights, frames: Array) -> Array:
    """Elman 1990, with tanh."""
    h, out = np.zeros(w["weight_hh_l0"].shape[1]), []
    for x in frames:
        h = np.tanh(w["weight_ih_l0"] @ x + w["bias_ih_l0"] + w["weight_hh_l0"] @ h + w["bias_hh_l0"])
        out.append(h)
    return np.array(out)


def lstm(w: Weights, frames: Array) -> Array:
    """Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000."""
    hidden = w["weight_hh_l0"].shape[1]
    h, c, out = np.zeros(hidden), np.zeros(hidden), []
    for x in frames:
        gates = w["weight_ih_l0"] @ x + w["bias_ih_l0"] + w["weight_hh_l0"] @ h + w["bias_hh_l0"]
        i, f, g, o = np.split(gates, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out)


def gru(w: Weights, frames: Array) -> Array:
    """Cho et al. 2014, the reset gate behind the recurrent product as in torch and cuDNN."""
    hidden = w["weight_hh_l0"].shape[1]
    h, out = np.zeros(hidden), []
    for x in frames:
        xr, xz, xn = np.split(w["weight_ih_l0"] @ x + w["bias_ih_l0"], 3)
        hr, hz, hn = np.split(w["weight_hh_l0"] @ h + w["bias_hh_l0"], 3)
        z = sigmoid(xz + hz)
        h = (1 - z) * np.tanh(xn + sigmoid(xr + hr) * hn) + z * h
        out.append(h)
    return np.array(out)


def lstmp(w: Weights, frames: Array) -> Array:
    """Sak et al. 2014, equations 1 to 6, without peepholes."""
    projection, hidden = w["weight_hr_l0"].shape
    r, c, out = np.zeros(projection), np.zeros(hidden), []
    for x in frames:
        i, f, g, o = np.split(w["weight_ih_l0"] @ x + w["weight_hh_l0"] @ r + w["bias_ih_l0"], 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        r = w["weight_hr_l0"] @ (sigmoid(o) * np.tanh(c))
        out.append(r)
    return np.array(out)


def ligru(w: Weights, frames: Array) -> Array:
    """Ravanelli et al. 2018, section III, normalised as in training: by mean and variance that are known."""
    hidden = w["weight_hh_l0"].shape[1]
    h, out = np.zeros(hidden), []
    for x in frames:
        heard = (w["weight_ih_l0"] @ x - w["norm.running_mean"]) / np.sqrt(w["norm.running_var"] + 1e-5)
        heard = heard * w["norm.weight"] + w["norm.bias"]
        uz, uh = np.split(w["weight_hh_l0"] @ h, 2)
        z = sigmoid(heard[:hidden] + uz)
        h = z * h + (1 - z) * np.maximum(heard[hidden:] + uh, 0)
        out.append(h)
    return np.array(out)


def clockwork(w: Weights, frames: Array, modules: int) -> Array:
    """Koutník et al. 2014: module m changes where 2^m divides the frame, and hears modules of no shorter period."""
    hidden = w["weight_hh_l0"].shape[1]
    module = np.arange(hidden) // (hidden // modules)
    h, out = np.zeros(hidden), []
    for t, x in enumerate(frames):
        before = h.copy()
        for unit in range(hidden):
            if t % 2 ** module[unit] == 0:
                total = w["weight_ih_l0"][unit] @ x + w["bias_ih_l0"][unit]
                for other in range(hidden):
                    if module[other] >= module[unit]:
                        total += w["weight_hh_l0"][unit, other] * before[other]
                h[unit] = np.tanh(total)
        out.append(h.copy())
    return np.array(out)


def scrn(w: Weights, frames: Array, alpha: float = 0.95) -> Array:
    """Mikolov et al. 2014, equations 4 to 6; the next layer mixes what they output."""
    slow, inputs = w["weight_slow_l0"].shape
    a, p = w["weight_ih_l0"][:, :inputs], w["weight_ih_l0"][:, inputs:]
    h, s, out = np.zeros(len(a)), np.zeros(slow), []
    for x in frames:
        s = (1 - alpha) * (w["weight_slow_l0"] @ x) + alpha * s
        h = sigmoid(p @ s + a @ x + w["weight_hh_l0"] @ h + w["bias_ih_l0"])
        out.append(np.concatenate((h, s)))
    return np.array(out)


CELLS: dict[str, Callable[..., Array]] = {
    "rnn": rnn,
    "lstm": lstm,
    "gru": gru,
    "lstmp": lstmp,
    "ligru": ligru,
    "clockwork": clockwork,
    "scrn": scrn,
}
