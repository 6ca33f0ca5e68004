"""`ctcasr transcribe`: audio files to text."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ctcasr.cli.batch import Output, report, transcribe_all
from ctcasr.cli.clock import STARTED
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
from ctcasr.cli.inputs import opened
from ctcasr.cli.live import transcribe_live
from ctcasr.errors import ConfigError
from ctcasr.runtime import Recognizer, Transcript

if TYPE_CHECKING:
    from ctcasr.runtime.understanding import Understander

Precision = Enum("Precision", {"int8": "int8", "fp32": "fp32"}, type=str)


def command(
    audio: list[Path] = typer.Argument(
        None,
        help="Audio files (wav, flac, ogg, opus, mp3; m4a, mp4, webm, video with ctcasr[media]), folders, "
        "patterns, manifests (.jsonl), or - for standard input.",
    ),
    model: str = typer.Option(None, "-m", "--model", help="Bundle: a folder, or a name inside the package."),
    form: Formats = None,
    output: Path = typer.Option(
        None, "-o", "--output", help="Folder for a file a recording and format; default: stdout."
    ),
    line_width: LineWidth = None,
    line_count: LineCount = None,
    precision: Precision = typer.Option(None, help="Network to run; default: int8 where there is one."),
    jobs: int = typer.Option(
        None,
        "-j",
        "--jobs",
        "--threads",
        min=1,
        max=1024,
        help="Recordings, or windows of a long one, at a time; default: one a processor.",
    ),
    skip_existing: bool = typer.Option(
        False, "--skip-existing", help="Go on with an interrupted run: leave out what is in the folder."
    ),
    live: bool = typer.Option(
        False, "--live", help="Transcribe the microphone until Ctrl-C; needs ctcasr[live]."
    ),
    numbers: bool = typer.Option(
        False, "--numbers", help="Write English numbers and dates: `nineteen ninety` as 1990."
    ),
    understand: str = typer.Option(
        None,
        "--understand",
        metavar="BUNDLE",
        help="Also say what is meant: slots with their times, by a bundle that tags words.",
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
    target = Output(forms, layout, output, skip_existing, numbers, _understander(understand))
    _check_live(live, audio, target)
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
    if live:
        transcribe_live(recognizer)
        return
    with opened(audio) as inputs:
        if output is None:
            check_stdout(forms, len(inputs))
        account = transcribe_all(recognizer, inputs, target, jobs)
    if timings:
        _print_timings(account.transcripts, imported - STARTED, loaded - imported)
    report(account, len(inputs))
    if account.failed:
        raise typer.Exit(1)


def _understander(bundle: str | None) -> Understander | None:
    if bundle is None:
        return None
    # Imported when needed: most commands are quicker without it.
    from ctcasr.runtime.understanding import Understander

    return Understander.load(bundle)


def _check_live(live: bool, audio: Sequence[Path] | None, target: Output) -> None:
    if live and (audio or target.folder or target.numbers or target.understander or target.forms != ("txt",)):
        raise ConfigError(
            "--live prints what the microphone hears as text; leave out files, --format, --numbers, --understand "
            "and --output"
        )
    if not live and not audio:
        raise ConfigError("nothing to transcribe; name a file, a folder, - for standard input, or --live")


def _check_alternatives(nbest: int, forms: Sequence[str], greedy: bool) -> None:
    if nbest > 1 and ("json" not in forms or greedy):
        raise ConfigError(
            f"--nbest {nbest} needs a beam search and a format that holds several hypotheses; "
            "use -f json, and leave out --greedy"
        )


def _print_timings(transcripts: list[Transcript], imports: float, load: float) -> None:
    total = time.perf_counter() - STARTED
    rows = {"start": imports, "load model": load}
    for stage in ("read", "features", "network", "decode"):
        rows[stage] = sum(transcript.timings[stage] for transcript in transcripts)
    for name, seconds in rows.items():
        print(f"{name:<12}{seconds:8.3f} s", file=sys.stderr)
    spoken = sum(transcript.duration_seconds for transcript in transcripts)
    print(f"{'wall clock':<12}{total:8.3f} s for {spoken:.1f} s of audio", file=sys.stderr)
