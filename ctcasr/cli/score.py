"""`ctcasr score`: two texts to error rates."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import get_args

import typer

from ctcasr.scoring import Unit, read_texts, score

UnitName = Enum("UnitName", {name: name for name in get_args(Unit)}, type=str)  # type: ignore[misc]


def command(
    reference: Path = typer.Argument(help="Kaldi text (`id words`), or .trn, or .jsonl."),
    hypothesis: Path = typer.Argument(help="The same, with the same ids."),
    unit: UnitName = typer.Option(UnitName.word, help="What counts as one error."),  # type: ignore[attr-defined]
    allow_missing: bool = typer.Option(False, "--allow-missing", help="Score missing hypotheses as empty."),
) -> None:
    """Score transcripts against references, matched by id.

    E.g. `ctcasr score ref.txt hyp.txt` prints `%WER 12.50 [ 1 / 8, 0 ins, 0 del, 1 sub ]`.
    """
    result = score(read_texts(reference), read_texts(hypothesis), unit.value, allow_missing=allow_missing)
    typer.echo("\n".join(result.kaldi_lines()))
