"""Draw why gradients through time explode and vanish: powers of a weight, simple RNN against LSTM, and a cliff.

E.g. `OMP_NUM_THREADS=1 python scripts/picture_error_surface.py docs/error-surface.png`; the figures that the picture
rests on are printed.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from torch import nn

from ctcasr.cli.plotting import GREY, STYLE, save

Array = npt.NDArray[np.float64]

STEPS, HIDDEN, SEEDS = 1000, 64, 5
WEIGHTS = (1.01, 1.0, 0.99)
CELL_STEPS, CELL_START, CELL_TARGET = 50, 0.5, 0.7  # Pascanu et al. (2013), section 2.3
WEIGHT_RANGE, BIAS_RANGE = (4.2, 6.4), (-3.6, -1.9)
DESCENT_START, RATE, CLIP_NORM, UPDATES = (5.5, -2.0), 0.5, 0.05, 400
UNCLIPPED = sys.float_info.max

ORANGE, TEAL, GREEN, VIOLET = "#c4622d", "#1f6f8b", "#4d7c3a", "#8a4f9e"
COLOURS = LinearSegmentedColormap.from_list("surface", ["#f4faf4", "#cfe9dd", "#a6d3dd", "#8fbfd8"])
LOWEST, HIGHEST = 1e-24, 1e14  # of what is drawn of a gradient
CLIFF_ERROR = 0.15  # between the plateau and the valley


@dataclass(frozen=True)
class Descent:
    """A way down the error surface: weights and biases `(N + 1, 2)`, and the norm of each gradient `(N,)`."""

    places: Array
    norms: Array


def gradient_reach(network: nn.RNNBase, seed: int) -> Array:
    """Return how much of the gradient is left after 0, 1, ... steps back in time, relative to the last step's.

    The gradient is that of a random projection of the last output, with respect to the input of each step.
    """
    torch.manual_seed(seed)
    inputs = torch.randn(1, STEPS + 1, HIDDEN, dtype=torch.float64, requires_grad=True)
    outputs, _ = network(inputs)
    outputs[0, -1].dot(torch.randn(HIDDEN, dtype=torch.float64)).backward()
    assert inputs.grad is not None
    norms = inputs.grad[0].norm(dim=1).flip(0)
    shares: Array = (norms / norms[0]).numpy()
    return shares


def simple_rnn(gain: float) -> nn.RNNBase:
    """Return a simple RNN whose recurrent weights are drawn with a standard deviation of gain / sqrt(n)."""
    network = nn.RNN(HIDDEN, HIDDEN, batch_first=True, dtype=torch.float64)
    nn.init.normal_(network.get_parameter("weight_hh_l0"), std=gain / math.sqrt(HIDDEN))
    return network


def lstm(forget: float) -> nn.RNNBase:
    """Return an LSTM whose forget gates are near `forget` where nothing speaks against it."""
    network = nn.LSTM(HIDDEN, HIDDEN, batch_first=True, dtype=torch.float64)
    network.get_parameter("bias_ih_l0").data[HIDDEN : 2 * HIDDEN] = math.log(forget / (1 - forget))
    network.get_parameter("bias_hh_l0").data[HIDDEN : 2 * HIDDEN] = 0.0
    return network


# How each is made, its colour, at which step its name stands in the picture, and how far beside the line.
NETWORKS: dict[str, tuple[Callable[[], nn.RNNBase], str, int, tuple[int, int]]] = {
    "simple RNN, large weights": (lambda: simple_rnn(2.0), ORANGE, 330, (12, -14)),
    "LSTM, forget gate near 0.999": (lambda: lstm(0.999), TEAL, 330, (-60, -13)),
    "simple RNN, small weights": (lambda: simple_rnn(0.9), GREEN, 110, (8, 0)),
    "LSTM, forget gate near 0.5": (lambda: lstm(0.5), VIOLET, 100, (14, 0)),
}


def reaches() -> dict[str, Array]:
    """Return the mean (geometric, over seeds) of what is left of the gradient, of each network."""
    found = {}
    for name, (make, *_) in NETWORKS.items():
        logarithms = []
        for seed in range(SEEDS):
            torch.manual_seed(seed)
            logarithms.append(np.log(np.maximum(gradient_reach(make(), seed), 1e-300)))
        found[name] = np.exp(np.mean(logarithms, axis=0))
    return found


def cell_error(weight: Any, bias: Any) -> tuple[Any, Any, Any]:
    """Return error and gradient of x_t = w sigmoid(x_t-1) + b after the last step (Pascanu et al. 2013, figure 6)."""
    state, by_weight, by_bias = CELL_START, 0.0, 0.0
    for _ in range(CELL_STEPS):
        output = 1 / (1 + np.exp(-state))
        slope = output * (1 - output)
        by_weight, by_bias = weight * slope * by_weight + output, weight * slope * by_bias + 1
        state = weight * output + bias
    output = 1 / (1 + np.exp(-state))
    outer = 2 * (output - CELL_TARGET) * output * (1 - output)
    return (output - CELL_TARGET) ** 2, outer * by_weight, outer * by_bias


def descend(clip_norm: float) -> Descent:
    """Go down the surface by plain gradient descent, gradients longer than `clip_norm` being scaled to it."""
    places, norms = [np.array(DESCENT_START)], []
    for _ in range(UPDATES):
        _, *slopes = cell_error(*places[-1])
        gradient = np.array(slopes, dtype=np.float64)
        norms.append(float(np.linalg.norm(gradient)))
        places.append(places[-1] - RATE * gradient * (clip_norm / max(norms[-1], clip_norm)))
    return Descent(np.array(places), np.array(norms))


def cliff_bias(weights: Array) -> Array:
    """Return at which bias the error of each weight falls off, by bisection."""
    low, high = np.full_like(weights, BIAS_RANGE[0]), np.full_like(weights, BIAS_RANGE[1])
    for _ in range(50):
        middle = (low + high) / 2
        above = cell_error(weights, middle)[0] > CLIFF_ERROR
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return high


def draw_powers(axes: Axes) -> None:
    weights = np.linspace(0.99, 1.01, 801)
    axes.plot(weights, weights**STEPS, color=TEAL, linewidth=1.8)
    for weight, label, place in zip(
        WEIGHTS,
        ("1.01¹⁰⁰⁰ = {:,.0f}", "1¹⁰⁰⁰ = {:.0f}", "0.99¹⁰⁰⁰ = {:.5f}"),
        ((-8, -3, "right"), (0, 8, "center"), (0, 8, "left")),
        strict=True,
    ):
        value = weight**STEPS
        axes.plot(weight, value, "o", color=ORANGE, markersize=4.5, clip_on=False, zorder=3)
        axes.annotate(
            label.format(value), (weight, value), place[:2], textcoords="offset points", ha=place[2]
        )
    for where, text in ((0.9945, "plateau: slope {:.3f} at 0.99"), (1.0043, "cliff: slope {:,.0f} at 1.01")):
        slope = STEPS * (0.99 if where < 1 else 1.01) ** (STEPS - 1)
        axes.text(where, 3_700 if where < 1 else 11_000, text.format(slope), color=GREY, ha="center")
    axes.set(xlabel="w", ylabel="w¹⁰⁰⁰", xticks=[0.99, 0.995, 1.0, 1.005, 1.01], ylim=(-400, 22_500))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_title("a weight, used a thousand times", loc="left")


def draw_reaches(axes: Axes, found: dict[str, Array]) -> None:
    times = np.arange(STEPS + 1)
    for weight, where in zip(WEIGHTS, (860, 860, 860), strict=True):
        axes.plot(times, weight**times, color="#9aa3ab", linewidth=1, linestyle=(0, (4, 2)))
        axes.text(where, weight**where * 30, f"linear, w = {weight:g}", color=GREY, ha="center", fontsize=8)
    for name, reach in found.items():
        shown = (reach > LOWEST) & (reach < HIGHEST)
        _, colour, where, aside = NETWORKS[name]
        axes.plot(times[shown], reach[shown], color=colour, linewidth=1.6)
        axes.annotate(
            name, (where, reach[where]), aside, textcoords="offset points", color=colour, fontsize=8.5
        )
    axes.set_yscale("log")
    axes.set(ylim=(LOWEST, HIGHEST), xlim=(0, STEPS))
    axes.set(xlabel="steps back in time", ylabel="gradient (last step = 1)")
    axes.set_yticks([1e-20, 1e-15, 1e-10, 1e-5, 1, 1e5, 1e10])
    axes.set_title("what is left of a gradient on its way back", loc="left")


def draw_surface(axes: Any, free: Descent) -> None:
    weights = np.linspace(*WEIGHT_RANGE, 120)
    # Rows that follow the cliff, and crowd where it is: a grid across it would look like a saw.
    away = np.sign(np.linspace(-1, 1, 301)) * np.linspace(-1, 1, 301) ** 6 * 1.7
    biases = np.clip(cliff_bias(weights)[:, None] + away, *BIAS_RANGE)
    weights = np.broadcast_to(weights[:, None], biases.shape)
    axes.plot_surface(
        weights,
        biases,
        cell_error(weights, biases)[0],
        cmap=COLOURS,
        rcount=120,
        ccount=301,
        linewidth=0,
        vmin=0,
        vmax=0.5,
        antialiased=False,
    )
    places = free.places[: int(free.norms.argmax()) + 1]
    axes.plot(*places.T, cell_error(*places.T)[0] + 0.01, color=ORANGE, linewidth=1.8, zorder=9)
    axes.view_init(elev=34, azim=35)
    axes.set_box_aspect((1.15, 1.15, 0.8), zoom=1.08)
    axes.set(xlabel="weight w", ylabel="bias b", zlim=(0, 0.5), zticks=[0, 0.2, 0.4])
    axes.set_zlabel("error", labelpad=1)
    axes.set_title("the error of one cell over 50 steps", loc="left")
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((1, 1, 1, 0))
        axis._axinfo["grid"].update(color="#e6eaed", linewidth=0.7)


def draw_descents(axes: Axes, free: Descent, clipped: Descent) -> None:
    weights = np.linspace(*WEIGHT_RANGE, 401)
    biases = np.linspace(*BIAS_RANGE, 401)
    error = cell_error(weights, biases[:, None])[0]
    axes.contourf(weights, biases, error, np.linspace(0, 0.5, 26), cmap=COLOURS)
    axes.plot(weights, cliff_bias(weights), color=GREY, linewidth=0.8)
    axes.plot(*clipped.places.T, color=TEAL, linewidth=1)
    leap = int(free.norms.argmax())
    axes.plot(*free.places[: leap + 1].T, "-o", color=ORANGE, linewidth=1.2, markersize=2.5)
    start, end = free.places[leap], free.places[leap + 1]
    tip = start + (end - start) / np.linalg.norm(end - start) * 0.55
    axes.annotate("", tip, start, arrowprops={"arrowstyle": "-|>", "color": ORANGE, "linewidth": 1.6})
    place = clipped.places[-1]
    axes.plot(*place, "*", color=TEAL, markersize=11)
    said = {
        (4.25, -2.95): (
            f"clipped to {CLIP_NORM:g}: along the foot of\nthe cliff to an error of {cell_error(*place)[0]:.4f}",
            TEAL,
        ),
        (5.3, -2.52): (
            f"without clipping: at the cliff the\ngradient is {free.norms[leap]:.0f}; the next step ends\n"
            f"at w = {end[0]:.0f}, b = {end[1]:.0f}, and stays there",
            ORANGE,
        ),
        (5.54, -2.02): ("start", GREY),
        (4.3, -3.5): ("plateau", GREY),
        (6.0, -2.15): ("valley", GREY),
    }
    for (across, up), (text, colour) in said.items():
        axes.text(across, up, text, color=colour, va="center")
    axes.set(xlim=WEIGHT_RANGE, ylim=BIAS_RANGE, xlabel="weight w", ylabel="bias b")
    axes.set_title("the same from above: descent with and without clipping", loc="left")


def report(found: dict[str, Array], free: Descent, clipped: Descent) -> None:
    for weight in WEIGHTS:
        print(f"{weight:g}^{STEPS} = {weight**STEPS:.6g}, derivative {STEPS * weight ** (STEPS - 1):.6g}")
    for name, reach in found.items():
        print(f"{name}: " + ", ".join(f"after {step} steps {reach[step]:.2g}" for step in (10, 100, STEPS)))
    for name, descent in (("without clipping", free), ("with clipping", clipped)):
        error, _, _ = cell_error(*descent.places[-1])
        print(
            f"{name}: largest gradient {descent.norms.max():.4g} at update {descent.norms.argmax()}, after {UPDATES} "
            f"updates w = {descent.places[-1, 0]:.3f}, b = {descent.places[-1, 1]:.3f}, error {error:.5f}"
        )


def main() -> None:
    """Compute, print and draw."""
    found, free, clipped = reaches(), descend(UNCLIPPED), descend(CLIP_NORM)
    report(found, free, clipped)
    with matplotlib.rc_context({**STYLE, "axes.titlesize": 10}):
        figure = Figure(figsize=(11, 8.4), layout="constrained")
        draw_powers(figure.add_subplot(2, 2, 1))
        draw_reaches(figure.add_subplot(2, 2, 2), found)
        draw_surface(figure.add_subplot(2, 2, 3, projection="3d"), free)
        draw_descents(figure.add_subplot(2, 2, 4), free, clipped)
        save(figure, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
