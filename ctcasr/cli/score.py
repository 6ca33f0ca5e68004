"""`ctcasr score`: two texts to error rates."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import get_args

import typer

from ctcasr.cli.scoring import AlignmentsFile, AsJson, check_writable, tell
from ctcasr.scoring import Unit, read_pair, score

UnitName = Enum("UnitName", {name: name for name in get_args(Unit)}, type=str)  # type: ignore[misc]


def command(
    reference: Path = typer.Argument(help="Kaldi text (`id words`), or .trn, .ctm, .stm, .jsonl."),
    hypothesis: Path = typer.Argument(help="The same, with the same ids; .ctm against .stm by their times."),
    unit: UnitName = typer.Option(UnitName.word, help="What counts as one error."),  # type: ignore[attr-defined]
    allow_missing: bool = typer.Option(False, "--allow-missing", help="Score missing hypotheses as empty."),
    alignments: AlignmentsFile = None,
    json: AsJson = False,
) -> None:
    """Score transcripts against references, matched by id.

    E.g. `ctcasr score ref.txt hyp.txt` prints `%WER 12.50 [ 1 / 8, 0 ins, 0 del, 1 sub ]`.
    """
    check_writable(alignments, "--alignments")
    texts = read_pair(reference, hypothesis)
    tell([score(*texts, unit.value, allow_missing=allow_missing)], as_object=json, alignments=alignments)
