"""The picture of `ctcasr plot training`: what the records of runs say, a column a run, with one scale for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ctcasr.cli.plotting import BLUE, GREEN, GREY, LINE, ORANGE, STYLE, VIOLET, save
from ctcasr.training.coach_rules import ALL_BLANK
from ctcasr.training.records import Record, score_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GHOST = "#d5dade"
"""Of the other runs, behind each."""


@dataclass(frozen=True)
class Run:
    """A run that is drawn.

    Attributes:
        name: above its column.
        records: of its epochs.
        clip_norm: above which its gradients were clipped.
    """

    name: str
    records: Sequence[Record]
    clip_norm: float


@dataclass(frozen=True)
class Curve:
    """One quantity of the records.

    Attributes:
        key: in the records.
        label: in the legend.
        colour: of its line.
        scale: by which it is multiplied.
        filled: whether the area beneath is filled.
    """

    key: str
    label: str
    colour: str
    scale: float = 1.0
    filled: bool = False


@dataclass(frozen=True)
class Row:
    """Curves that share their axes; the first is drawn of the other runs as well."""

    label: str
    curves: Sequence[Curve]
    height: float
    logarithmic: bool = False


def draw_training(runs: Sequence[Run], path: Path) -> None:
    """Draw loss, error rates, gradients, shares and learning rate of runs, side by side.

    Raises:
        ConfigError: the file cannot be written.
    """
    import matplotlib
    from matplotlib.figure import Figure  # not pyplot: it needs no display and leaves no state
    from matplotlib.ticker import MaxNLocator

    rows = _rows(runs)
    with matplotlib.rc_context(STYLE):
        width = 1.0 + max(2.6, 5.4 / len(runs)) * len(runs)
        figure = Figure(figsize=(width, 0.6 + sum(row.height for row in rows)), layout="constrained")
        grid = figure.subplots(
            len(rows),
            len(runs),
            squeeze=False,
            sharex="col",
            sharey="row",
            height_ratios=[row.height for row in rows],
        )
        for number, row in enumerate(rows):
            for column, run in enumerate(runs):
                _panel(grid[number, column], row, run, [other for other in runs if other is not run])
            grid[number, 0].set_ylabel(row.label)
            _legend(grid[number, 0], row)
        for column, run in enumerate(runs):
            grid[0, column].set_title(run.name, loc="left", fontsize=10, pad=20)
            grid[-1, column].set_xlabel("epoch")
            grid[-1, column].xaxis.set_major_locator(MaxNLocator(6, integer=True))
        figure.align_ylabels()
        save(figure, path)


def _rows(runs: Sequence[Run]) -> list[Row]:
    """Return the rows of which a run has records."""
    names = [name for run in runs for record in run.records for name in record]
    scores = [name for name in dict.fromkeys(names) if name.startswith("dev_") and name != "dev_loss"]
    colours = (ORANGE, BLUE, GREEN, VIOLET)
    rows = [
        Row(
            "loss, nats",
            [Curve("dev_loss", "dev", ORANGE), Curve("train_loss", "train", BLUE)],
            1.55,
            logarithmic=True,
        ),
        Row(
            "%",
            [
                *(
                    Curve(name, f"dev {score_name(name[4:])}", colours[place % len(colours)], 100)
                    for place, name in enumerate(scores)
                ),
                Curve("train_wer", "train WER", GREEN, 100),
            ],
            1.55,
        ),
        Row(
            "gradient norm",
            [
                Curve("gradient_norm", "median", BLUE),
                Curve("gradient_norm_95", "95th percentile", "#9cc3d0"),
            ],
            1.4,
            logarithmic=True,
        ),
        Row(
            "%",
            [
                Curve("blank_share", "blank frames", VIOLET, 100),
                Curve("clipped_share", "clipped steps", ORANGE, 100, filled=True),
            ],
            1.2,
        ),
        Row("learning rate", [Curve("learning_rate", "", BLUE)], 0.9),
    ]
    present = set(names)
    kept = [
        Row(
            row.label,
            [curve for curve in row.curves if curve.key in present],
            row.height,
            row.logarithmic,
        )
        for row in rows
    ]
    return [row for row in kept if row.curves]


def _panel(axes: Axes, row: Row, run: Run, others: Sequence[Run]) -> None:
    for start, end in _blank_phases(run.records):
        axes.axvspan(start - 0.5, end + 0.5, color="#f1f3f5", linewidth=0)
    for other in others:
        axes.plot(*_points(other.records, row.curves[0]), color=GHOST, linewidth=1)
    for curve in row.curves:
        epochs, values = _points(run.records, curve)
        if curve.filled:
            axes.fill_between(epochs, values, color=curve.colour, alpha=0.18, linewidth=0)
        axes.plot(epochs, values, color=curve.colour, linewidth=1.5, label=curve.label)
    if row.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    elif all(curve.scale == 100 for curve in row.curves):
        axes.set_ylim(0, 105)
    else:
        axes.set_ylim(bottom=0)
    if row.curves[0].key == "gradient_norm":
        axes.axhline(run.clip_norm, color=ORANGE, linewidth=1, linestyle=LINE)
        axes.text(
            1.0,
            run.clip_norm,
            f"clipped above {run.clip_norm:g} ",
            transform=axes.get_yaxis_transform(),
            color=ORANGE,
            fontsize=7.5,
            ha="right",
            va="bottom",
        )
    axes.margins(x=0.02)
    axes.grid(axis="y", color="#eceff1", linewidth=0.8)
    axes.set_axisbelow(True)


def _legend(axes: Axes, row: Row) -> None:
    if len(row.curves) > 1:
        axes.legend(
            frameon=False,
            loc="lower left",
            bbox_to_anchor=(-0.02, 0.96),
            ncols=len(row.curves),
            fontsize=8,
            handlelength=1.0,
            columnspacing=1.0,
            labelcolor=GREY,
        )


def _points(records: Sequence[Record], curve: Curve) -> tuple[list[float], list[float]]:
    known = [record for record in records if curve.key in record]
    return [record["epoch"] for record in known], [curve.scale * record[curve.key] for record in known]


def _blank_phases(records: Sequence[Record]) -> list[tuple[float, float]]:
    """Return the first and last epochs of the phases in which all output is blank."""
    known = [record for record in records if "blank_share" in record]
    blank = np.array([record["blank_share"] >= ALL_BLANK for record in known], bool)
    changes = np.flatnonzero(np.diff(np.concatenate(([False], blank, [False])).astype(np.int8)))
    return [
        (known[start]["epoch"], known[end - 1]["epoch"]) for start, end in changes.reshape(-1, 2).tolist()
    ]
