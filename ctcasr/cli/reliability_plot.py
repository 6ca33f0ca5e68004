"""The reliability diagram of `ctcasr calibrate`: what confidences promise, and what they keep."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctcasr.cli.plotting import STYLE, save
from ctcasr.runtime.calibration import Calibration, Kind
from ctcasr.runtime.reliability import BINS, Bools, Float64, bins_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RAW, CALIBRATED = "#c4622d", "#1f6f8b"


def draw(calibrations: dict[Kind, Calibration], path: Path) -> None:
    """Draw each decoding's reliability before and after, with the words of each bin beneath.

    Raises:
        ConfigError: the file cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure  # not pyplot: it needs no display and leaves no state

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(0.6 + 3.7 * len(calibrations), 4.6), layout="constrained")
        axes = figure.subplots(
            2, len(calibrations), squeeze=False, sharex=True, height_ratios=(3.2, 1), sharey="row"
        )
        for column, (kind, found) in enumerate(calibrations.items()):
            _diagram(axes[0, column], found)
            axes[0, column].set_title(
                f"{kind}: {len(found.correct)} words, {100 * found.correct.mean():.1f} % correct",
                loc="left",
                fontsize=9.5,
                pad=24,
            )
            axes[0, column].legend(
                frameon=False, loc="lower left", bbox_to_anchor=(-0.03, 0.99), ncols=2, handletextpad=0.2
            )
            _histogram(axes[1, column], found)
        axes[0, 0].set_ylabel("share of words correct")
        axes[1, 0].set_ylabel("words")
        save(figure, path)


def _series(found: Calibration) -> list[tuple[str, Float64, str, str, float]]:
    """Return label, confidences, colour, marker and sideways shift of what is drawn."""
    return [
        (f"raw, ECE {found.before.calibration_error:.3f}", found.raw, RAW, "o", -0.006),
        (f"calibrated, ECE {found.after.calibration_error:.3f}", found.calibrated, CALIBRATED, "s", 0.006),
    ]


def _diagram(axes: Axes, found: Calibration) -> None:
    axes.plot([0, 1], [0, 1], color="#b8bec4", linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for label, confidences, colour, marker, shift in _series(found):
        places, shares, low, high, counts = _points(confidences, found.correct)
        axes.vlines(places + shift, low, high, color=colour, alpha=0.35, linewidth=1.3)
        areas = 14 + 80 * counts / len(confidences)
        axes.scatter(
            places + shift, shares, areas, color=colour, marker=marker, zorder=3, alpha=0.85, linewidths=0
        )
        axes.scatter(
            [], [], 30, color=colour, marker=marker, label=label, linewidths=0
        )  # for the legend: one size
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.05), xticks=np.linspace(0, 1, 6))
    axes.grid(color="#eceff1", linewidth=0.8)
    axes.set_axisbelow(True)


def _points(confidences: Float64, correct: Bools) -> tuple[Float64, ...]:
    """Return of the filled bins: mean confidence, share correct, its bounds (95 %, Wilson 1927), and words."""
    bins = bins_of(confidences, correct)
    filled = bins.counts > 0
    counts, shares = bins.counts[filled], bins.correct[filled]
    squared = 1.96**2
    middle = (shares + squared / (2 * counts)) / (1 + squared / counts)
    reach = np.sqrt(squared * (shares * (1 - shares) + squared / (4 * counts)) / counts) / (
        1 + squared / counts
    )
    low, high = np.minimum(middle - reach, shares), np.maximum(middle + reach, shares)
    return bins.confidences[filled], shares, low, high, counts.astype(np.float64)


def _histogram(axes: Axes, found: Calibration) -> None:
    width = 1 / BINS
    for number, (_, confidences, colour, _, _) in enumerate(_series(found)):
        counts = bins_of(confidences, found.correct).counts
        places = (np.arange(BINS) + 0.28 + 0.44 * number) * width
        axes.bar(places, counts, 0.4 * width, color=colour)
        side, edge = (("right", 0.196), ("left", -0.196))[number]  # away from the other bar's number
        for place, count in zip(places, counts, strict=True):
            if count:
                lifted = count * 1.15  # the axis is logarithmic
                axes.text(place + edge * width, lifted, str(count), ha=side, fontsize=5.5, color=colour)
    axes.set_yscale("log")
    axes.set(ylim=(0.6, 5 * len(found.correct)), xlabel="confidence")
    axes.yaxis.set_major_formatter("{x:g}")
