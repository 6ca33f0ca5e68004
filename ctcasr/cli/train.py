"""`ctcasr train`: a configuration to a trained model."""

from __future__ import annotations

from pathlib import Path

import typer

from ctcasr.errors import ConfigError


def command(
    config: Path = typer.Argument(help="TOML configuration, e.g. recipes/an4/config.toml."),
    overrides: list[str] = typer.Option([], "--set", metavar="SECTION.KEY=VALUE", help="Change one setting."),
    resume: bool = typer.Option(False, "--resume", help="Go on from the last checkpoint of the run."),
) -> None:
    """Train an acoustic model.

    E.g. `ctcasr train recipes/an4/config.toml --set run.seed=1 --set run.folder=runs/seed1`. On several GPUs or
    processes: `torchrun --nproc-per-node 2 -m ctcasr.cli.main train CONFIG`. SIGTERM and Ctrl-C stop it once
    a checkpoint is written; the exit code is then 0 and 130.
    """
    try:
        # Here rather than above: the other verbs work, and start fast, without torch.
        from ctcasr.training.config import read_config
        from ctcasr.training.loop import Trainer
        from ctcasr.training.stopping import Stopped
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"training needs {error.name}; install it with `pip install 'ctcasr[train]'`"
        ) from error
    settings = read_config(config, overrides)
    trainer = Trainer(settings, resume=resume)
    try:
        evaluation = trainer.run()
    except Stopped as stopped:
        if trainer.accelerator.is_main_process:
            typer.echo(f"{settings.run.folder}: {stopped}", err=True)
        raise typer.Exit(stopped.exit_code) from stopped
    if trainer.accelerator.is_main_process:
        typer.echo(f"{settings.run.folder}: dev {evaluation} (average of the best epochs)")
