"""`ctcasr score`: two texts to error rates."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import get_args

import typer

from ctcasr.cli.scoring import (
    NONE,
    AlignmentsFile,
    AsJson,
    KnownWords,
    Normalize,
    ReportFile,
    check_writable,
    tell,
    units_of,
    write_report,
)
from ctcasr.data import Utterance, read_manifest
from ctcasr.errors import DataError
from ctcasr.scoring import CorpusScore, Result, Unit, read_pair, read_speakers, score
from ctcasr.text import find_normalizer

UnitName = Enum("UnitName", {name: name for name in get_args(Unit)}, type=str)  # type: ignore[misc]


def command(
    reference: Path = typer.Argument(help="Kaldi text (`id words`), or .trn, .ctm, .stm, .jsonl."),
    hypothesis: Path = typer.Argument(help="The same, with the same ids; .ctm against .stm by their times."),
    unit: UnitName = typer.Option(None, help="What is counted; default: word, or char of --normalize cjk."),
    normalize: Normalize = NONE,
    allow_missing: bool = typer.Option(False, "--allow-missing", help="Score missing hypotheses as empty."),
    against: Path = typer.Option(
        None, "--against", help="Transcripts of a second system: which of the two is better?"
    ),
    speakers: Path = typer.Option(
        None, "--speakers", help="Manifest or Kaldi's utt2spk; default: what a .jsonl or .stm reference says."
    ),
    alignments: AlignmentsFile = None,
    report: ReportFile = None,
    known_words: KnownWords = None,
    json: AsJson = False,
) -> None:
    """Score transcripts against references, matched by id.

    E.g. `ctcasr score ref.txt hyp.txt` prints `%WER 12.50 [ 1 / 8, 0 ins, 0 del, 1 sub ]`.

    Or `ctcasr score ref.jsonl ours.txt --against theirs.txt` to compare two systems.
    """
    check_writable(alignments, "--alignments")
    check_writable(report, "--report")

    normalizer = find_normalizer(normalize.value)
    counted = unit.value if unit else units_of(normalizer)[0]

    def scored(transcripts: Path) -> CorpusScore:
        references, hypotheses = map(normalizer.each, read_pair(reference, transcripts))
        return score(references, hypotheses, counted, allow_missing=allow_missing)

    if speakers is None and reference.suffix.lower() in (".jsonl", ".stm"):
        speakers = reference
    result = Result.of(
        [scored(hypothesis)],
        read_speakers(speakers) if speakers else None,
        other=scored(against) if against else None,
        normalizer=normalizer,
    )
    tell(result, as_object=json, alignments=alignments)
    if report is not None:
        utterances = _with_audio(reference)
        systems = [path.name for path in (hypothesis, against) if path]
        write_report(report, result, utterances, tuple(systems), known_words)


def _with_audio(reference: Path) -> list[Utterance]:
    """Return the utterances of a reference that is a manifest, and none of another or without audio."""
    if reference.suffix.lower() != ".jsonl":
        return []
    try:
        return read_manifest(reference)
    except DataError:
        return []
