"""The picture of `ctcasr plot surface`: plateaus and cliffs around a network, and a gradient step from the steepest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ctcasr.cli.plotting import BLUE, GREY, ORANGE, STYLE, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

    from ctcasr.training.surface import Cut, Step, Surface

LEVELS = 18
MOST_LINES = 4
"""With their losses: deep in the valley they would lie on one another."""

SLOPE = ("#f4faf4", "#cfe9dd", "#a6d3dd", "#8fbfd8", "#8aa9cc")


def draw_surface(surface: Surface, title: str, path: Path) -> None:
    """Draw the surface in space and from above, and the way down from its steepest place.

    Raises:
        ConfigError: the file cannot be written.
    """
    import matplotlib
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure  # not pyplot: it needs no display and leaves no state

    colours = LinearSegmentedColormap.from_list("loss", SLOPE)
    with matplotlib.rc_context({**STYLE, "axes.titlesize": 9.5}):
        figure = Figure(figsize=(12.6, 4.3), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5)
        space, above, way = (
            figure.add_subplot(1, 3, number, projection="3d" if number == 1 else None) for number in (1, 2, 3)
        )
        _space(space, surface, colours)
        _above(above, surface, colours)
        _way(way, surface.cut, surface.clip_norm)
        save(figure, path)


def _space(axes: Any, surface: Surface, colours: Colormap) -> None:
    aside, along = np.meshgrid(surface.aside, surface.along)
    heights = np.log10(surface.losses)
    axes.plot_surface(
        aside, along, heights, cmap=colours, rcount=60, ccount=60, edgecolor="#7fa6bd", linewidth=0.25
    )
    axes.view_init(elev=32, azim=-58)
    axes.set_box_aspect((1.1, 1.1, 0.75), zoom=0.98)
    axes.set(xlabel="random direction", ylabel="along the gradient")
    ticks = _round_losses(float(surface.losses.min()), float(surface.losses.max()))
    axes.set_zticks(np.log10(ticks), [f"{tick:g}" for tick in ticks])
    axes.set_title("loss, in nats", loc="left")
    axes.tick_params(labelsize=7.5, pad=0)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color((1, 1, 1, 0))
        axis._axinfo["grid"].update(color="#e6eaed", linewidth=0.7)


def _above(axes: Axes, surface: Surface, colours: Colormap) -> None:
    levels = np.geomspace(surface.losses.min(), surface.losses.max() * 1.0001, LEVELS)
    axes.contourf(surface.aside, surface.along, surface.losses, levels, cmap=colours, norm="log")
    lines = axes.contour(
        surface.aside,
        surface.along,
        surface.losses,
        _round_losses(float(surface.losses.min()), float(surface.losses.max()))[-MOST_LINES:],
        colors="#6f8ea3",
        linewidths=0.7,
    )
    axes.clabel(lines, fontsize=7.5, fmt="%g")
    axes.plot(0, 0, "*", color=BLUE, markersize=11)
    axes.plot(0, surface.cut.along, "o", color=ORANGE, markersize=6)
    for height, text, colour in (
        (0.0, "the network", BLUE),
        (surface.cut.along, f"steepest: gradient {surface.cut.norm:.3g}", ORANGE),
    ):
        upper = height >= (surface.cut.along if colour == BLUE else 1e-12)
        axes.annotate(text, (0, height), (8, 4 if upper else -12), textcoords="offset points", color=colour)
    axes.set(xlabel="random direction (1 = length of all weights)", ylabel="along the gradient")
    axes.set_title("the same from above", loc="left")


def _way(axes: Axes, cut: Cut, clip_norm: float) -> None:
    axes.plot(cut.distances, cut.losses, color=GREY, linewidth=1.5)
    low, high = float(np.nanmin(cut.losses)), float(np.nanmax(cut.losses))
    axes.plot(0, cut.losses[0], "o", color=GREY, markersize=5)
    _step(axes, cut, cut.free, f"without clipping\nloss {cut.free.loss:.3g}", ORANGE)
    _step(axes, cut, cut.clipped, f"clipped to {clip_norm:g}\nloss {cut.clipped.loss:.3g}", BLUE)
    room = 0.22 * (high - low)
    axes.set(xlabel="distance moved", ylabel="loss, nats", ylim=(low - 0.3 * room, high + 1.6 * room))
    axes.set_title("a gradient step from the steepest place", loc="left")
    axes.grid(color="#eceff1", linewidth=0.8)
    axes.set_axisbelow(True)


def _step(axes: Axes, cut: Cut, step: Step, text: str, colour: str) -> None:
    axes.annotate(
        "",
        (step.length, step.loss),
        (0, cut.losses[0]),
        arrowprops={
            "arrowstyle": "-|>",
            "color": colour,
            "linewidth": 1.4,
            "connectionstyle": "arc3,rad=-0.25",
        },
    )
    axes.plot(step.length, step.loss, "o", color=colour, markersize=6)
    far = step.length > 0.6 * cut.distances[-1]
    axes.annotate(
        text,
        (step.length, step.loss),
        (-4 if far else 8, 9),
        textcoords="offset points",
        color=colour,
        ha="right" if far else "left",
    )


def _round_losses(low: float, high: float) -> list[float]:
    """Return losses of 1, 2 or 5 times a power of ten in between, so many that they can be told apart."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    found = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
    inside = [value for value in found if low < value < high]
    return inside if len(inside) < 9 else [value for value in inside if f"{value:.0e}".startswith("1")]
