"""`ctcasr tag`: text to slots or key terms."""

from __future__ import annotations

import typer

from ctcasr.cli.meanings import AsJson, UnderstandingModel, as_line, bracketed, meaning_fields, read_texts
from ctcasr.errors import BundleError


def command(
    texts: list[str] = typer.Argument(
        metavar="TEXT...", help="Sentences, each in quotes, or - for standard input, a sentence a line."
    ),
    model: UnderstandingModel = ...,  # type: ignore[assignment]
    json: AsJson = False,
) -> None:
    """Tag the words of sentences: slots, key terms, whatever the bundle was trained for.

    E.g. `ctcasr tag "flights from boston to denver on monday" -m atis-bundle` prints
    `flights from [fromloc.city_name boston] to [toloc.city_name denver] on [depart_date.day_name monday]`. Words are
    what stands between spaces, as in the text that the bundle was trained on.
    """
    # Imported when needed: most commands are quicker without it.
    from ctcasr.runtime.understanding import Understander

    understander = Understander.load(model)
    if understander.bundle.tags is None:
        raise BundleError(
            f"{understander.bundle.folder}: is a bundle to classify, and has no tags; use `ctcasr classify -m {model}`"
        )
    for text in read_texts(texts):
        meaning = understander.read(text.split())
        typer.echo(as_line({"text": text} | meaning_fields(meaning)) if json else bracketed(meaning))
