"""The picture of `ctcasr train --find-lr`: the loss over the learning rate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ctcasr.cli.plotting import BLUE, GREY, LINE, ORANGE, STYLE, save

if TYPE_CHECKING:
    from ctcasr.training.rate_finding import RateTest


def draw_rates(found: RateTest, configured: float, path: Path) -> None:
    """Draw the loss of each update, smoothed and as it was, and the rates proposed and configured.

    Raises:
        ConfigError: the file cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure  # not pyplot: it needs no display and leaves no state

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot(found.rates, found.losses, color=BLUE, alpha=0.25, linewidth=1)
        axes.plot(found.rates, found.smoothed, color=BLUE, linewidth=1.8)
        low, high = float(found.smoothed.min()), float(found.smoothed.max())
        room = 0.12 * (high - low)
        axes.set(xscale="log", ylim=(low - room, high + 3 * room))
        for rate, text, colour, height in (
            (found.proposed, f"proposed {found.proposed:g}", ORANGE, 0.99),
            (configured, f"configured {configured:g}", GREY, 0.92),
            (found.lowest, f"lowest {found.lowest:.2g}", BLUE, 0.85),
        ):
            axes.axvline(rate, color=colour, linewidth=1, linestyle=LINE)
            axes.annotate(
                text,
                (rate, height),
                (4, 0),
                xycoords=axes.get_xaxis_transform(),
                textcoords="offset points",
                color=colour,
                va="top",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
        axes.set(xlabel="learning rate", ylabel="training loss")
        axes.grid(color="#eceff1", linewidth=0.8)
        axes.set_axisbelow(True)
        save(figure, path)
