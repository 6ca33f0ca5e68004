"""`ctcasr plot`: pictures of training runs."""

from __future__ import annotations

from pathlib import Path

import typer

from ctcasr.cli.extras import training_half
from ctcasr.cli.plotting import check_plot
from ctcasr.cli.progress import bar
from ctcasr.errors import ConfigError

app = typer.Typer(
    help="Draw training runs, and the error surface around what they found.", no_args_is_help=True
)

REACH, POINTS = 0.5, 25

OUTPUT = typer.Option(..., "-o", "--output", help="The picture, .png or .svg.")


@app.command(no_args_is_help=True)
def training(
    runs: list[Path] = typer.Argument(help="Folders of runs, finished or not; several stand side by side."),
    output: Path = OUTPUT,
) -> None:
    """Draw loss, error rates, gradient norm and clipping, blank frames and learning rate over the epochs.

    E.g. `ctcasr plot training recipes/an4/runs/base recipes/an4/runs/wide -o runs.png`.
    """
    check_plot(output)
    with training_half("plot training"):
        from ctcasr.cli.training_plot import Run, draw_training
        from ctcasr.training.config_files import read_config
        from ctcasr.training.records import CONFIG, read_records

    found = [
        Run(_name(run), read_records(run), read_config(run / CONFIG).optimizer.clip_norm) for run in runs
    ]
    draw_training(found, output)
    typer.echo(f"{output}: {', '.join(f'{run.name} ({len(run.records)} epochs)' for run in found)}")


def _name(run: Path) -> str:
    """Return the name of a run: its folder's."""
    return run.resolve().name


@app.command(no_args_is_help=True)
def surface(
    run: Path = typer.Argument(help="Folder of a run."),
    output: Path = OUTPUT,
    epoch: int | None = typer.Option(
        None, "--epoch", min=0, help="Look around the weights of a best epoch, or 0, before the training."
    ),
    reach: float = typer.Option(
        REACH,
        "--reach",
        help="How far along the random direction, as a share of the length of all weights; a tenth along the gradient.",
    ),
    points: int = typer.Option(POINTS, "--points", min=5, max=400, help="Places along each direction."),
    seed: int = typer.Option(0, "--seed", help="Of the random direction."),
) -> None:
    """Draw the loss along the gradient and a random direction, and a gradient step with and without clipping.

    In the middle are the averaged weights of the run, if --epoch does not say otherwise.

    E.g. `ctcasr plot surface recipes/yesno/runs/base -o surface.png`.
    """
    check_plot(output)
    if not 0 < reach <= 100:
        raise ConfigError(f"--reach {reach:g}: expected a share above 0, and at most 100")
    with training_half("plot surface"):
        from ctcasr.cli.surface_plot import draw_surface
        from ctcasr.training.surface import SurfaceSettings, measure_surface

    with bar("losses", points**2) as told:
        found = measure_surface(run, SurfaceSettings(epoch, reach, points, seed), told)
    place = "averaged weights" if epoch is None else f"epoch {epoch}"
    draw_surface(found, f"{_name(run)}, {place}", output)
    cut = found.cut
    typer.echo(
        f"{output}: loss {found.losses.min():.3g} to {found.losses.max():.3g}; at the steepest place the gradient is "
        f"{cut.norm:.3g}, and a step ends at loss {cut.free.loss:.3g}, clipped to {found.clip_norm:g} at "
        f"{cut.clipped.loss:.3g} (before: {cut.losses[0]:.3g})"
    )
