"""The `ctcasr` command: one module a verb; each parses, calls the library, and prints."""

from __future__ import annotations

import ctcasr.cli.clock  # isort: split

import io
import logging
import sys
from collections.abc import Sequence
from importlib import import_module

import typer

import ctcasr
from ctcasr.errors import BundleError, ConfigError, CtcAsrError

VERBS = (
    "transcribe",
    "align",
    "train",
    "evaluate",
    "score",
    "export",
    "info",
    "calibrate",
    "doctor",
    "priors",
    "pronounce",
    "serve",
    "tag",
    "classify",
)
GROUPS = ("lm", "data", "plot")
"""Modules in this package: of a command, and of several."""


def make_app(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the command line with the verb that the arguments begin with alone; with all of them where none is named.

    Importing what the others need would take a fifth of a second.
    """
    app = typer.Typer(
        help="CTC speech recognition with bidirectional LSTMs: train, transcribe, measure.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    named = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name in (named,) if named in VERBS + GROUPS else VERBS + GROUPS:
        module = import_module(f"ctcasr.cli.{name}")
        if name in GROUPS:
            app.add_typer(module.app, name=name)
        else:
            app.command(name=name, no_args_is_help=True)(module.command)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ctcasr {ctcasr.__version__}")
        raise typer.Exit


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
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: file names may be no Unicode
    try:
        make_app(arguments)(args=arguments)
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
