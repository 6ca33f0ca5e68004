"""`ctcasr calibrate`: make probabilities of the confidences of words."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from ctcasr.cli.plotting import check_plot
from ctcasr.cli.progress import bar
from ctcasr.cli.reliability_plot import draw
from ctcasr.data import read_manifest
from ctcasr.runtime import Recognizer
from ctcasr.runtime.calibration import Calibration, Kind, calibrate, write_calibration
from ctcasr.runtime.decoder import DecodingOptions


def command(
    manifest: Path = typer.Argument(
        help="Held-out speech with transcripts; not the test set, and not what was trained on."
    ),
    model: str = typer.Option(..., "-m", "--model", help="Bundle: a folder, which gets the result."),
    plot: Path = typer.Option(
        None, help="Draw the reliability before and after, as .png or .svg; needs the extra `train`."
    ),
    write: bool = typer.Option(True, help="Write the calibration into the bundle."),
) -> None:
    """Find out how often words are correct, given their confidence, and write it into the bundle.

    E.g. `ctcasr calibrate recipes/an4/data/dev.jsonl -m bundle --plot reliability.svg`. From then on a word's
    confidence is the probability that it is correct: greedy, and by the beam search if the bundle carries one.

    What is said of calibrated confidences is measured on speakers (if these are few: utterances) that are held out
    in turn. A calibration that does not lower the Brier score on them is not written.
    """
    check_plot(plot)
    utterances = read_manifest(manifest)
    recognizer = Recognizer.load(model, decoding=DecodingOptions(is_greedy=True))
    with bar("calibrating", len(utterances)) as advance:
        calibrations = calibrate(recognizer, utterances, advance)
    typer.echo("\n".join(_table(calibrations)))
    if plot is not None:
        draw(calibrations, plot)
    if write:
        useful = {kind: found for kind, found in calibrations.items() if found.helps}
        for kind in calibrations.keys() - useful.keys():
            print(f"{kind}: does not help words held out; not written", file=sys.stderr)
        write_calibration(recognizer.bundle, useful)
        if useful:
            print(f"{recognizer.bundle.folder}: confidences are calibrated from now on", file=sys.stderr)


def _table(calibrations: dict[Kind, Calibration]) -> list[str]:
    """Return the lines of the table: calibration error, Brier score and area under the ROC curve."""
    lines = [f"{'decoding':<8}  {'confidence':<10}  {'ECE':>6}  {'Brier':>6}  {'AUC':>6}"]
    for kind, found in calibrations.items():
        for name, measured in (("raw", found.before), ("calibrated", found.after)):
            figures = (measured.calibration_error, measured.brier, measured.auc)
            lines.append(f"{kind:<8}  {name:<10}  " + "  ".join(f"{figure:6.4f}" for figure in figures))
    for kind, found in calibrations.items():
        lines.append(
            f"{kind}: {len(found.correct)} words, {100 * found.correct.mean():.1f} % correct; "
            f"calibrated by {found.folds}-fold cross-validation over {found.held_out}"
        )
    return lines
