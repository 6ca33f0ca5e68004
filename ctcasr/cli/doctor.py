"""`ctcasr doctor`: what is wrong with a manifest, its audio and its texts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import typer

from ctcasr.cli.extras import training_half
from ctcasr.cli.progress import bar
from ctcasr.cli.scoring import check_writable, write_lines
from ctcasr.data import write_manifest
from ctcasr.doctor import KINDS, Diagnosis, DoctorSettings, Finding, ModelFrames, examine
from ctcasr.errors import ConfigError
from ctcasr.runtime import Recognizer

KindName = Enum("KindName", {name: name for name in KINDS}, type=str)  # type: ignore[misc]
_SHOWN = 5


def command(
    manifest: Path = typer.Argument(help="JSON lines with audio_filepath, duration, text."),
    against: Path = typer.Option(
        None, "--against", help="Manifest that may share no audio, speaker or long text."
    ),
    config: Path = typer.Option(None, "--config", help="Training configuration: vocabulary and feasibility."),
    model: str = typer.Option(
        None, "-m", "--model", help="Bundle: vocabulary, feasibility, and audio that contradicts its text."
    ),
    min_seconds: float = typer.Option(DoctorSettings().min_seconds, min=0.0, help="Shorter audio is named."),
    max_seconds: float = typer.Option(DoctorSettings().max_seconds, min=0.0, help="Longer audio is named."),
    ignore: list[KindName] = typer.Option(
        [], "--ignore", help="Kind of finding to leave out; may be repeated."
    ),
    fix: Path = typer.Option(
        None, "--fix", help="Write a cleaned manifest, and what it left out to NAME.left-out.jsonl."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON object a finding instead of a summary."),
) -> None:
    """Examine a manifest before it costs a training: exit code 1 if anything is wrong.

    E.g. `ctcasr doctor train.jsonl --against test.jsonl --config config.toml --fix clean.jsonl`.
    """
    check_writable(fix, "--fix")
    if config is not None and model is not None:
        raise ConfigError(
            "--config and --model are both given, expected one; a bundle has its configuration inside"
        )
    recognizer = Recognizer.load(model) if model is not None else None
    frames = _frames_of(recognizer) if recognizer else _frames_of_config(config) if config else None
    settings = DoctorSettings(min_seconds, max_seconds, frames, frozenset(kind.value for kind in ignore))
    listed = sum(path.read_bytes().count(b"\n") for path in (manifest, against) if path and path.is_file())
    with bar("listening", listed) as advance:
        diagnosis = examine(manifest, settings, against, advance)
    if recognizer is not None and "contradiction" not in settings.ignored:
        # Only what else is sound: silence contradicts every text, and has been named already.
        from ctcasr.doctor.contradicting import contradictions

        suspects = diagnosis.cleaned()
        with bar("recognising", len(suspects)) as advance:
            diagnosis = diagnosis.with_findings(list(contradictions(suspects, recognizer, advance)))
    for line in _as_json(diagnosis) if as_json else _summary(manifest, diagnosis):
        typer.echo(line)
    if fix is not None:
        kept = diagnosis.cleaned()
        if kept:
            write_manifest(fix, kept)
        left = fix.with_name(f"{fix.stem}.left-out.jsonl")
        write_lines(left, (_json_line(finding) for finding in diagnosis.left_out()), "--fix")
        written = f"{fix}: {len(kept)} utterances" if kept else f"{fix}: not written, for nothing is left"
        print(f"{written}; {left}: what was left out and why", file=sys.stderr)
    if diagnosis.findings:
        raise typer.Exit(1)


def _frames_of(recognizer: Recognizer) -> ModelFrames:
    description = recognizer.bundle.description
    return ModelFrames(description.features, description.subsampling, recognizer.bundle.vocabulary)


def _frames_of_config(path: Path) -> ModelFrames:
    """Return what a training configuration makes of lengths; its vocabulary is that of its training texts."""
    with training_half("--config"):
        from ctcasr.training.config_files import read_config
    from ctcasr.data import read_manifest
    from ctcasr.training.vocabularies import make_vocabulary

    config = read_config(path)
    texts = [utterance.text for utterance in read_manifest(config.data.train)]
    vocabulary = make_vocabulary(config.text, texts, config.data.train)
    return ModelFrames(config.features, config.model.subsampling, vocabulary)


def _json_line(finding: Finding) -> str:
    fields = {"kind": finding.kind, "id": finding.id, "where": finding.where, "message": finding.message}
    return json.dumps(fields, ensure_ascii=False)


def _as_json(diagnosis: Diagnosis) -> Iterator[str]:
    return (_json_line(finding) for finding in diagnosis.findings)


def _summary(manifest: Path, diagnosis: Diagnosis) -> Iterator[str]:
    """Yield a line for each kind of finding and the first few of each, or that all is well."""
    hours = sum(utterance.duration_seconds for utterance in diagnosis.utterances) / 3600
    yield f"{manifest}: {len(diagnosis.utterances)} utterances, {hours:.2f} hours"
    for kind, count in diagnosis.counts.items():
        yield f"\n{count} x {KINDS[kind].title} ({kind})"
        found = [finding for finding in diagnosis.findings if finding.kind == kind]
        for finding in found[:_SHOWN]:
            yield f"  {finding.id or '-'} ({finding.where}): {finding.message}"
        if count > _SHOWN:
            yield f"  and {count - _SHOWN} more"
    if not diagnosis.findings:
        yield "nothing is wrong with it"
