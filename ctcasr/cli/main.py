"""The `ctcasr` command: one module a verb; each parses, calls the library, and prints."""

from __future__ import annotations

import io
import logging
import sys
import time

STARTED = time.perf_counter()
"""When the command began, for `transcribe --timings`."""

import typer  # noqa: E402  (the clock starts first)

import ctcasr  # noqa: E402
from ctcasr.cli import (  # noqa: E402
    align,
    calibrate,
    classify,
    data,
    doctor,
    evaluate,
    export,
    info,
    lm,
    plot,
    priors,
    pronounce,
    score,
    serve,
    tag,
    train,
    transcribe,
    tune,
)
from ctcasr.errors import BundleError, ConfigError, CtcAsrError  # noqa: E402

app = typer.Typer(
    help="CTC speech recognition with bidirectional LSTMs: train, transcribe, measure.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (
    transcribe,
    align,
    train,
    evaluate,
    score,
    export,
    info,
    calibrate,
    doctor,
    priors,
    pronounce,
    serve,
    tag,
    classify,
):
    app.command(name=verb.__name__.rpartition(".")[2], no_args_is_help=True)(verb.command)
lm.app.command(name="tune", no_args_is_help=True)(tune.command)
app.add_typer(lm.app, name="lm")
app.add_typer(data.app, name="data")
app.add_typer(plot.app, name="plot")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ctcasr {ctcasr.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with 0 (done), 1 (an input failed) or 2 (wrong usage)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    transcribe.clock.started = STARTED
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: file names may be no Unicode
    try:
        app(args=arguments)
    except CtcAsrError as error:
        if "--debug" in arguments:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, (ConfigError, BundleError)) else 1)
    except OSError as error:  # of our own output; click ends quietly where its reader went away
        if "--debug" in arguments:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.stdout = None  # what is left in it would fail once more at the end
        sys.exit(1)


if __name__ == "__main__":
    main()
