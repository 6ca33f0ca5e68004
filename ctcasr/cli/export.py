"""`ctcasr export`: a finished run to a bundle."""

from __future__ import annotations

from pathlib import Path

import typer

from ctcasr.cli.extras import training_half


def command(
    run: Path = typer.Argument(help="Folder of a finished training run."),
    output: Path = typer.Option(..., "-o", "--output", help="Folder of the bundle."),
    name: str = typer.Option("", help="Name of the bundle; default: the folder's."),
    licence: str = typer.Option("", help="Licence of the weights, e.g. CC-BY-4.0."),
    int8_only: bool = typer.Option(False, "--int8-only", help="Leave the float32 networks out."),
) -> None:
    """Write a trained model as a bundle: float32 and int8 networks that describe themselves.

    E.g. `ctcasr export recipes/an4/runs/base -o bundle`.
    """
    with training_half("export"):
        from ctcasr.training.export import export_bundle
    description = export_bundle(run, output, name=name, licence=licence, int8_only=int8_only)
    sizes = ", ".join(
        f"{path.name} {path.stat().st_size / 1e6:.1f} MB" for path in sorted(output.glob("*.onnx"))
    )
    typer.echo(f"{output}: {description.name}: {sizes}")
