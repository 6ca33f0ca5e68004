"""`ctcasr transcribe`: audio files to text."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

import typer

from ctcasr.cli.decoding import (
    BeamSize,
    Greedy,
    HotwordBoost,
    HotWordList,
    LanguageModel,
    LexiconFile,
    LmWeight,
    UnknownCost,
    WordBonus,
    decoding_options,
)
from ctcasr.cli.progress import bar
from ctcasr.errors import ConfigError, CtcAsrError
from ctcasr.runtime import FORMATS, DistinctNames, OutputFolder, Recognizer, Transcript

Format = Enum("Format", {name: name for name in FORMATS}, type=str)  # type: ignore[misc]
Precision = Enum("Precision", {"int8": "int8", "fp32": "fp32"}, type=str)


@dataclass
class Clock:
    """When the process began to work, and what its stages took."""

    started: float = field(default_factory=time.perf_counter)


clock = Clock()


def command(
    audio: list[Path] = typer.Argument(
        help="Audio files: wav, flac, ogg, opus, mp3; m4a, mp4, webm with ctcasr[media]."
    ),
    model: str = typer.Option(None, "-m", "--model", help="Bundle: a folder, or a name inside the package."),
    form: Format = typer.Option(Format.txt, "-f", "--format", help="What to write."),  # type: ignore[attr-defined]
    output: Path = typer.Option(
        None, "-o", "--output", help="Folder for one file a recording; default: stdout."
    ),
    precision: Precision = typer.Option(None, help="Network to run; default: int8 where there is one."),
    threads: int = typer.Option(
        None, min=1, max=1024, help="Recordings at a time; default: one a processor."
    ),
    greedy: Greedy = False,
    beam_size: BeamSize = None,
    lm: LanguageModel = None,
    lexicon: LexiconFile = None,
    hotword: HotWordList = None,
    lm_weight: LmWeight = None,
    word_bonus: WordBonus = None,
    unknown_cost: UnknownCost = None,
    hotword_boost: HotwordBoost = None,
    nbest: int = typer.Option(1, min=1, max=1000, help="Hypotheses of each recording, for json."),
    timings: bool = typer.Option(False, "--timings", help="Say on stderr where the time went."),
) -> None:
    """Transcribe audio files.

    E.g. `ctcasr transcribe talk.wav`, or `ctcasr transcribe calls/*.wav -f json -o transcripts`.

    With one recording, stdout is its text; with several, a line is `id text`, as Kaldi and `ctcasr score` have it.
    The id is the file's name without folder and suffix; the second of the same name is `name-2`.
    """
    imported = time.perf_counter()
    _check_alternatives(nbest, form.value, greedy)
    options = decoding_options(
        greedy,
        lm,
        lexicon,
        hotword,
        nbest=nbest,
        beam_size=beam_size,
        lm_weight=lm_weight,
        word_bonus=word_bonus,
        unknown_cost=unknown_cost,
        hotword_boost=hotword_boost,
    )
    recognizer = Recognizer.load(
        model, precision.value if precision else None, decoding=options, alternatives=nbest
    )
    loaded = time.perf_counter()
    folder = OutputFolder(output, form.value) if output else None
    failures, transcripts, distinct = 0, [], DistinctNames()
    with bar("transcribing", len(audio)) as advance:
        for transcript in recognizer.transcribe(audio, threads=threads):
            advance()
            # Failed ones count: mending one changes no other's id.
            transcript = replace(transcript, id=distinct(transcript.id))
            error = transcript.error
            if not error:
                transcripts.append(transcript)
                error = _put(transcript, form.value, folder, several=len(audio) > 1)
            if error:
                failures += 1
                print(f"error: {error}", file=sys.stderr)
    if timings:
        _print_timings(transcripts, imported - clock.started, loaded - imported)
    if failures:
        if len(audio) > 1:
            print(f"{failures} of {len(audio)} recordings failed", file=sys.stderr)
        raise typer.Exit(1)


def _check_alternatives(nbest: int, form: str, greedy: bool) -> None:
    if nbest > 1 and (form != "json" or greedy):
        raise ConfigError(
            f"--nbest {nbest} needs a beam search and a format that holds several hypotheses; "
            "use -f json, and leave out --greedy"
        )


def _put(transcript: Transcript, form: str, folder: OutputFolder | None, *, several: bool) -> str:
    """Write a transcript to the folder, or print it; return what went wrong."""
    if folder is None:
        print(_line(transcript, form, several), flush=True)
        return ""
    try:
        folder.write(transcript)
    except CtcAsrError as error:
        return str(error)
    return ""


def _line(transcript: Transcript, form: str, several: bool) -> str:
    line = FORMATS[form](transcript)
    # An id ends at the first white space: in a file's name it becomes an underscore.
    return f"{'_'.join(transcript.id.split())} {line}".rstrip() if several and form == "txt" else line


def _print_timings(transcripts: list[Transcript], imports: float, load: float) -> None:
    total = time.perf_counter() - clock.started
    rows = {"start": imports, "load model": load}
    for stage in ("read", "features", "network", "decode"):
        rows[stage] = sum(transcript.timings[stage] for transcript in transcripts)
    for name, seconds in rows.items():
        print(f"{name:<12}{seconds:8.3f} s", file=sys.stderr)
    spoken = sum(transcript.duration_seconds for transcript in transcripts)
    print(f"{'wall clock':<12}{total:8.3f} s for {spoken:.1f} s of audio", file=sys.stderr)
