"""`ctcasr score`: two texts to error rates."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import get_args

import typer

from ctcasr.cli.scoring import AlignmentsFile, AsJson, check_writable, tell
from ctcasr.scoring import CorpusScore, Result, Unit, read_pair, read_speakers, score

UnitName = Enum("UnitName", {name: name for name in get_args(Unit)}, type=str)  # type: ignore[misc]


def command(
    reference: Path = typer.Argument(help="Kaldi text (`id words`), or .trn, .ctm, .stm, .jsonl."),
    hypothesis: Path = typer.Argument(help="The same, with the same ids; .ctm against .stm by their times."),
    unit: UnitName = typer.Option(UnitName.word, help="What counts as one error."),  # type: ignore[attr-defined]
    allow_missing: bool = typer.Option(False, "--allow-missing", help="Score missing hypotheses as empty."),
    against: Path = typer.Option(
        None, "--against", help="Transcripts of a second system: which of the two is better?"
    ),
    speakers: Path = typer.Option(
        None, "--speakers", help="Manifest or Kaldi's utt2spk; default: what a .jsonl or .stm reference says."
    ),
    alignments: AlignmentsFile = None,
    json: AsJson = False,
) -> None:
    """Score transcripts against references, matched by id.

    E.g. `ctcasr score ref.txt hyp.txt` prints `%WER 12.50 [ 1 / 8, 0 ins, 0 del, 1 sub ]`.

    Or `ctcasr score ref.jsonl ours.txt --against theirs.txt` to compare two systems.
    """
    check_writable(alignments, "--alignments")

    def scored(transcripts: Path) -> CorpusScore:
        return score(*read_pair(reference, transcripts), unit.value, allow_missing=allow_missing)

    if speakers is None and reference.suffix.lower() in (".jsonl", ".stm"):
        speakers = reference
    result = Result.of(
        [scored(hypothesis)],
        read_speakers(speakers) if speakers else None,
        other=scored(against) if against else None,
    )
    tell(result, as_object=json, alignments=alignments)
