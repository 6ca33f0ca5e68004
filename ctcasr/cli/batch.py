"""Transcribe recordings one after the other, write what comes, and keep account of what does not."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ctcasr.cli.inputs import Input
from ctcasr.cli.progress import audio_bar
from ctcasr.errors import ConfigError, CtcAsrError
from ctcasr.runtime import DistinctNames, OutputFolder, Recognizer, Transcript
from ctcasr.runtime.outputs import as_file
from ctcasr.runtime.subtitles import SubtitleLayout
from ctcasr.runtime.written import with_written_numbers

if TYPE_CHECKING:
    from ctcasr.runtime.understanding import Understander


@dataclass(frozen=True)
class Output:
    """Where transcripts go.

    Attributes:
        forms: names of formats; one where there is no folder.
        layout: of subtitles.
        folder: for files; stdout without one.
        skip_existing: leave out recordings all of whose files are there.
        numbers: write English numbers and dates as one writes them.
        understander: says what transcripts mean.
    """

    forms: tuple[str, ...]
    layout: SubtitleLayout
    folder: Path | None = None
    skip_existing: bool = False
    numbers: bool = False
    understander: Understander | None = None

    def __post_init__(self) -> None:
        if self.skip_existing and self.folder is None:
            raise ConfigError(
                "--skip-existing looks for files of an earlier run; add -o DIR, or leave it out"
            )
        if self.understander is not None and not set(self.forms) <= {"txt", "json"}:
            raise ConfigError("--understand is told in txt and json; use -f txt or -f json")
        if self.understander is not None and self.understander.bundle.tags is None:
            raise ConfigError(
                f"--understand {self.understander.bundle.folder}: is a bundle to classify; name one that tags words"
            )


@dataclass
class Account:
    """What became of the recordings: transcripts, without their words, those that failed, and how many were skipped."""

    transcripts: list[Transcript] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: int = 0


def transcribe_all(
    recognizer: Recognizer, inputs: Sequence[Input], output: Output, jobs: int | None
) -> Account:
    """Transcribe and write; errors are printed as they come, and the others go on.

    Raises:
        ConfigError: the folder cannot be made.
    """
    account, distinct = Account(), DistinctNames()
    folder = OutputFolder(output.folder, *output.forms, layout=output.layout) if output.folder else None
    # All are named, whatever becomes of them: mending or skipping one changes no other's name.
    wanted: list[tuple[Input, list[Path]]] = []
    for found in inputs:
        named = replace(found, id=distinct(found.id))
        paths = folder.paths(named.id) if folder else []
        if output.skip_existing and all(path.exists() for path in paths):
            account.skipped += 1
        else:
            wanted.append((named, paths))
    with audio_bar([named.weight for named, _ in wanted]) as tally:
        transcripts = recognizer.transcribe(
            (named.source for named, _ in wanted), threads=jobs, watch=tally.told if tally else None
        )
        for number, ((named, paths), transcript) in enumerate(zip(wanted, transcripts, strict=True)):
            error = transcript.error.replace(str(transcript.audio_path), named.shown)
            transcript = replace(transcript, id=named.id, audio_path=named.shown)
            if output.understander is not None:  # before numbers are written: it was trained on words
                from ctcasr.runtime.understood import with_meaning  # only here: it costs every command time

                transcript = with_meaning(transcript, output.understander)
            if output.numbers:
                transcript = with_written_numbers(transcript)
            if not error:
                if folder is None:
                    print(_shown(transcript, output, len(inputs)), end="", flush=True)
                else:
                    error = _put(transcript, folder, paths)
                account.transcripts.append(replace(transcript, words=(), segments=(), alternatives=()))
            elif tally is not None:
                tally.failed(number)
            if error:
                account.failed.append(named.shown)
                print(f"error: {error}", file=sys.stderr)
    return account


def _put(transcript: Transcript, folder: OutputFolder, paths: Sequence[Path]) -> str:
    """Write a transcript to the folder; return what went wrong."""
    try:
        folder.write(transcript, paths)
    except CtcAsrError as error:
        return str(error)
    return ""


def _shown(transcript: Transcript, output: Output, recordings: int) -> str:
    form = output.forms[0]
    if recordings == 1 or form != "txt":
        return as_file(transcript, form, output.layout)
    # An id ends at the first white space: in a file's name it becomes an underscore.
    return f"{'_'.join(transcript.id.split())} {as_file(transcript, form)}".rstrip() + "\n"


def report(account: Account, recordings: int) -> None:
    """Say on stderr what was skipped and what failed, if there were several."""
    if account.skipped:
        print(f"{account.skipped} of {recordings} recordings were there already", file=sys.stderr)
    if account.failed and recordings > 1:
        print(f"{len(account.failed)} of {recordings} recordings failed:", file=sys.stderr)
        for name in account.failed:
            print(f"  {name}", file=sys.stderr)


__all__ = ["Account", "Output", "report", "transcribe_all"]
