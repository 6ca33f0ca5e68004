"""`ctcasr transcribe`: audio files to text."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

import typer

from ctcasr.cli.decoding import (
    BeamSize,
    DecoderChoice,
    Greedy,
    HotwordBoost,
    HotWordList,
    LanguageModel,
    LexiconFile,
    LmWeight,
    PriorScale,
    UnknownCost,
    WordBonus,
    decoding_options,
)
from ctcasr.cli.formats import Formats, LineCount, LineWidth, check_stdout, read_formats, read_layout
from ctcasr.cli.progress import bar
from ctcasr.errors import ConfigError, CtcAsrError
from ctcasr.runtime import DistinctNames, OutputFolder, Recognizer, Transcript
from ctcasr.runtime.outputs import as_file
from ctcasr.runtime.subtitles import SubtitleLayout

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
    form: Formats = None,
    output: Path = typer.Option(
        None, "-o", "--output", help="Folder for a file a recording and format; default: stdout."
    ),
    line_width: LineWidth = None,
    line_count: LineCount = None,
    precision: Precision = typer.Option(None, help="Network to run; default: int8 where there is one."),
    threads: int = typer.Option(
        None, min=1, max=1024, help="Recordings at a time; default: one a processor."
    ),
    greedy: Greedy = False,
    decoder: DecoderChoice = None,
    beam_size: BeamSize = None,
    lm: LanguageModel = None,
    lexicon: LexiconFile = None,
    hotword: HotWordList = None,
    lm_weight: LmWeight = None,
    word_bonus: WordBonus = None,
    unknown_cost: UnknownCost = None,
    hotword_boost: HotwordBoost = None,
    prior_scale: PriorScale = None,
    nbest: int = typer.Option(1, min=1, max=1000, help="Hypotheses of each recording, for json."),
    timings: bool = typer.Option(False, "--timings", help="Say on stderr where the time went."),
) -> None:
    """Transcribe audio files.

    E.g. `ctcasr transcribe talk.wav -f srt`, or `ctcasr transcribe calls/*.wav -f json,vtt -o transcripts`.

    With one recording, stdout is its text; with several, a line is `id text`, as Kaldi and `ctcasr score` have it.
    The id is the file's name without folder and suffix; the second of the same name is `name-2`.
    """
    imported = time.perf_counter()
    forms = read_formats(form)
    layout = read_layout(forms, line_width, line_count)
    if output is None:
        check_stdout(forms, len(audio))
    _check_alternatives(nbest, forms, greedy)
    options = decoding_options(
        greedy,
        lm,
        lexicon,
        hotword,
        decoder=decoder,
        nbest=nbest,
        beam_size=beam_size,
        lm_weight=lm_weight,
        word_bonus=word_bonus,
        unknown_cost=unknown_cost,
        hotword_boost=hotword_boost,
        prior_scale=prior_scale,
    )
    recognizer = Recognizer.load(
        model, precision.value if precision else None, decoding=options, alternatives=nbest
    )
    loaded = time.perf_counter()
    folder = OutputFolder(output, *forms, layout=layout) if output else None
    failures, transcripts, distinct = 0, [], DistinctNames()
    with bar("transcribing", len(audio)) as advance:
        for transcript in recognizer.transcribe(audio, threads=threads):
            advance()
            # Failed ones count: mending one changes no other's id.
            transcript = replace(transcript, id=distinct(transcript.id))
            error = transcript.error
            if not error:
                transcripts.append(transcript)
                if folder is None:
                    print(_shown(transcript, forms[0], layout, several=len(audio) > 1), end="", flush=True)
                else:
                    error = _put(transcript, folder)
            if error:
                failures += 1
                print(f"error: {error}", file=sys.stderr)
    if timings:
        _print_timings(transcripts, imported - clock.started, loaded - imported)
    if failures:
        if len(audio) > 1:
            print(f"{failures} of {len(audio)} recordings failed", file=sys.stderr)
        raise typer.Exit(1)


def _check_alternatives(nbest: int, forms: Sequence[str], greedy: bool) -> None:
    if nbest > 1 and ("json" not in forms or greedy):
        raise ConfigError(
            f"--nbest {nbest} needs a beam search and a format that holds several hypotheses; "
            "use -f json, and leave out --greedy"
        )


def _put(transcript: Transcript, folder: OutputFolder) -> str:
    """Write a transcript to the folder; return what went wrong."""
    try:
        folder.write(transcript)
    except CtcAsrError as error:
        return str(error)
    return ""


def _shown(transcript: Transcript, form: str, layout: SubtitleLayout, *, several: bool) -> str:
    if not several or form != "txt":
        return as_file(transcript, form, layout)
    # An id ends at the first white space: in a file's name it becomes an underscore.
    return f"{'_'.join(transcript.id.split())} {transcript.text}".rstrip() + "\n"


def _print_timings(transcripts: list[Transcript], imports: float, load: float) -> None:
    total = time.perf_counter() - clock.started
    rows = {"start": imports, "load model": load}
    for stage in ("read", "features", "network", "decode"):
        rows[stage] = sum(transcript.timings[stage] for transcript in transcripts)
    for name, seconds in rows.items():
        print(f"{name:<12}{seconds:8.3f} s", file=sys.stderr)
    spoken = sum(transcript.duration_seconds for transcript in transcripts)
    print(f"{'wall clock':<12}{total:8.3f} s for {spoken:.1f} s of audio", file=sys.stderr)
