"""`ctcasr classify`: text or recordings to a label each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ctcasr.cli.inputs import opened
from ctcasr.cli.meanings import AsJson, UnderstandingModel, as_line, read_texts
from ctcasr.errors import BundleError, CtcAsrError

if TYPE_CHECKING:
    from ctcasr.runtime.understanding import Meaning


def command(
    inputs: list[str] = typer.Argument(
        metavar="INPUT...",
        help="Sentences, each in quotes, or - for lines of standard input; recordings, folders, patterns or manifests "
        "where the bundle hears.",
    ),
    model: UnderstandingModel = ...,  # type: ignore[assignment]
    json: AsJson = False,
) -> None:
    """Say what sentences or recordings are, as a whole: a sentiment, an intent, a spoken command.

    E.g. `ctcasr classify "a stirring , funny film" -m sst2-bundle`, or `ctcasr classify *.wav -m commands-bundle`. A
    line is the label, its probability and the input. A recording that cannot be read is named, and makes the exit
    code 1.
    """
    # Imported when needed: most commands are quicker without it.
    from ctcasr.runtime.understanding import Understander

    understander = Understander.load(model)
    if understander.bundle.labels is None:
        raise BundleError(
            f"{understander.bundle.folder}: is a bundle to tag, and has no labels; use `ctcasr tag -m {model}`"
        )
    if not understander.hears:
        for text in read_texts(inputs):
            _tell(text, understander.read(text.split()), json)
        return
    failed = 0
    with opened([Path(name) for name in inputs]) as recordings:
        for recording in recordings:
            try:
                _tell(recording.shown, understander.hear(recording.source), json)
            except CtcAsrError as error:
                failed += 1
                print(f"error: {error}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


def _tell(name: str, meaning: Meaning, json: bool) -> None:
    if json:
        fields = {"input": name, "label": meaning.label, "confidence": round(meaning.confidence, 4)}
        typer.echo(as_line(fields))
    else:
        typer.echo(f"{meaning.label}\t{meaning.confidence:.4f}\t{name}")
