"""`ctcasr train`: a configuration to a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ctcasr.cli.extras import training_half
from ctcasr.cli.plotting import check_plot
from ctcasr.cli.progress import bar
from ctcasr.cli.rate_plot import draw_rates
from ctcasr.errors import ConfigError

if TYPE_CHECKING:
    from ctcasr.training.config import TrainingConfig

RATE_PLOT = Path("find-lr.png")


def command(
    config: Path = typer.Argument(help="TOML configuration, e.g. recipes/an4/config.toml."),
    overrides: list[str] = typer.Option([], "--set", metavar="SECTION.KEY=VALUE", help="Change one setting."),
    resume: bool = typer.Option(False, "--resume", help="Go on from the last checkpoint of the run."),
    overfit_batch: bool = typer.Option(
        False,
        "--overfit-batch",
        help="Train nothing, but prove the wiring: two utterances are learned by heart, in under a minute.",
    ),
    find_lr: bool = typer.Option(
        False, "--find-lr", help="Train nothing, but raise the learning rate step by step and propose one."
    ),
    plot: Path = typer.Option(RATE_PLOT, "--plot", help="Where --find-lr draws its losses, .png or .svg."),
) -> None:
    """Train an acoustic model.

    E.g. `ctcasr train recipes/an4/config.toml --set run.seed=1 --set run.folder=runs/seed1`. On several GPUs or
    processes: `torchrun --nproc-per-node 2 -m ctcasr.cli.main train CONFIG`. SIGTERM and Ctrl-C stop it once
    a checkpoint is written; the exit code is then 0 and 130.
    """
    with training_half("training"):
        from ctcasr.training.config_files import read_config
        from ctcasr.training.loop import Trainer
        from ctcasr.training.stopping import Stopped
    settings = read_config(config, overrides)
    if overfit_batch or find_lr:
        if resume or (overfit_batch and find_lr):
            raise ConfigError(
                "--overfit-batch, --find-lr and --resume are three different things; give one of them"
            )
        _prove_wiring(settings) if overfit_batch else _find_rate(settings, plot)
        return
    if plot != RATE_PLOT:
        raise ConfigError("--plot is for --find-lr; `ctcasr plot training RUN` draws a run")
    trainer = Trainer(settings, resume=resume)
    try:
        evaluation = trainer.run()
    except Stopped as stopped:
        if trainer.accelerator.is_main_process:
            typer.echo(f"{settings.run.folder}: {stopped}", err=True)
        raise typer.Exit(stopped.exit_code) from stopped
    if trainer.accelerator.is_main_process:
        count = int(evaluation.signs["averaged_epochs"])
        origin = f"average of the best {count} epochs" if count > 1 else "the best epoch"
        typer.echo(f"{settings.run.folder}: dev {evaluation} ({origin})")


def _prove_wiring(settings: TrainingConfig) -> None:
    from ctcasr.training.wiring import UPDATES, prove_wiring

    with bar("two utterances", UPDATES) as told:
        found = prove_wiring(settings, told)
    typer.echo(
        f"the wiring holds: {' and '.join(found.utterances)} are written without error after {found.updates} updates "
        f"({found.seconds:.0f} s)"
    )
    typer.echo(
        "audio, transcripts, network, loss, gradients and decoder fit together; whether the rest of the data is right, "
        "and whether what is learned holds for other recordings, this does not tell",
        err=True,
    )


def _find_rate(settings: TrainingConfig, plot: Path) -> None:
    from ctcasr.training.rate_finding import UPDATES, find_rate

    check_plot(plot)
    with bar("learning rates", UPDATES) as told:
        found = find_rate(settings, told)
    draw_rates(found, settings.optimizer.learning_rate, plot)
    typer.echo(f"--set optimizer.learning_rate={found.proposed:g}")
    typer.echo(
        f"the loss was lowest at {found.lowest:.2g}, a tenth of that is proposed; the configuration has "
        f"{settings.optimizer.learning_rate:g}; {plot} shows it",
        err=True,
    )
