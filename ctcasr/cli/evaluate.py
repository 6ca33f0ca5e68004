"""`ctcasr evaluate`: a manifest and a bundle to error rates."""

from __future__ import annotations

import sys
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
from ctcasr.cli.guesses import with_told_guesses
from ctcasr.cli.progress import bar
from ctcasr.cli.scoring import (
    NONE,
    AlignmentsFile,
    AsJson,
    KnownWords,
    Normalize,
    ReportFile,
    check_writable,
    read_band,
    tell,
    units_of,
    write_lines,
    write_report,
)
from ctcasr.cli.transcribe import Precision
from ctcasr.data import Utterance, read_manifest
from ctcasr.errors import ConfigError, DataError
from ctcasr.runtime import Recognizer, find_bundle
from ctcasr.runtime.bundle import read_task
from ctcasr.scoring import Result, Unit, score
from ctcasr.text import find_normalizer


def command(
    context: typer.Context,
    manifest: Path = typer.Argument(help="JSON lines with audio_filepath, duration, text."),
    model: str = typer.Option(None, "-m", "--model", help="Bundle: a folder, or a name inside the package."),
    hypotheses: Path = typer.Option(None, "--hypotheses", help="Also write `id words` lines to this file."),
    precision: Precision = typer.Option(None, help="Network to run; default: int8 where there is one."),
    threads: int = typer.Option(
        None, min=1, max=1024, help="Recordings at a time; default: one a processor."
    ),
    normalize: Normalize = NONE,
    alignments: AlignmentsFile = None,
    report: ReportFile = None,
    known_words: KnownWords = None,
    expect: str = typer.Option(
        None, metavar="LOW:HIGH", help="Fail unless the first error rate, in percent, lies in this band."
    ),
    json: AsJson = False,
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
) -> None:
    """Transcribe a manifest and print word, character and sentence error rates.

    E.g. `ctcasr evaluate recipes/an4/data/test.jsonl -m bundle`. A recording that cannot be read counts as
    unrecognised, is named, and makes the exit code 1. Where a model of phones is decoded without a lexicon, phones are
    scored. A bundle that tags or classifies is scored by F1 and accuracy; of the options it has `--precision`,
    `--expect` and `--json`.
    """
    if model is not None and read_task(find_bundle(model)) != "transcribe":
        # Imported when needed: most commands are quicker without it.
        from ctcasr.cli.evaluating_meanings import evaluate_meanings
        from ctcasr.runtime.understanding import Understander

        _refuse_transcription_options(context)
        understander = Understander.load(model, precision.value if precision else None)
        evaluate_meanings(manifest, understander, expect, json)
        return
    check_writable(hypotheses, "--hypotheses")
    check_writable(alignments, "--alignments")
    check_writable(report, "--report")
    band = read_band(expect) if expect is not None else None
    utterances = read_manifest(manifest)
    options = decoding_options(
        greedy,
        lm,
        lexicon,
        hotword,
        decoder=decoder,
        beam_size=beam_size,
        lm_weight=lm_weight,
        word_bonus=word_bonus,
        unknown_cost=unknown_cost,
        hotword_boost=hotword_boost,
        prior_scale=prior_scale,
    )
    recognizer = Recognizer.load(model, precision.value if precision else None, decoding=options)
    if recognizer.writes_phones:
        bundle = with_told_guesses(recognizer.bundle, (utterance.text for utterance in utterances))
        recognizer = Recognizer(bundle, precision.value if precision else None, decoding=options)
    written = {utterance.id: _reference(recognizer, utterance) for utterance in utterances}
    texts: dict[str, str] = {}
    failures = 0
    with bar("evaluating", len(utterances)) as advance:
        for transcript in recognizer.transcribe(utterances, threads=threads):
            advance()
            texts[transcript.id] = transcript.text
            if transcript.error:
                failures += 1
                print(f"error: {transcript.error}", file=sys.stderr)
    normalizer = find_normalizer(normalize.value)
    references = normalizer.each(written)
    recognised = normalizer.each(texts)
    units: tuple[Unit, ...] = ("phone",) if recognizer.writes_phones else units_of(normalizer)
    scores = [score(references, recognised, unit) for unit in units]
    speakers = {utterance.id: utterance.speaker for utterance in utterances if utterance.speaker}
    result = Result.of(scores, speakers, normalizer=normalizer)
    tell(result, as_object=json, alignments=alignments)
    if report is not None:
        systems = (f"{recognizer.bundle.description.name} on {manifest.name}",)
        write_report(report, result, utterances, systems, known_words)
    if hypotheses is not None:
        lines = (f"{identity} {text}".rstrip() for identity, text in texts.items())
        write_lines(hypotheses, lines, "--hypotheses")
    missed = band is not None and not band[0] <= 100 * scores[0].rate <= band[1]
    if missed:
        print(f"error: the rate is {100 * scores[0].rate:.2f} %, expected {expect}", file=sys.stderr)
    if failures:
        print(f"{failures} of {len(utterances)} recordings failed and count as unrecognised", file=sys.stderr)
    if failures or missed:
        raise typer.Exit(1)


def _refuse_transcription_options(context: typer.Context) -> None:
    """Raise ConfigError if an option was given that only bundles that transcribe have."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    ours = ("manifest", "model", "precision", "expect", "json")
    given = [
        name
        for name, source in sources.items()
        if source is not None and source.name == "COMMANDLINE" and name not in ours
    ]
    if given:
        raise ConfigError(
            f"--{given[0].replace('_', '-')} is for bundles that transcribe; leave it out, or name such a bundle"
        )


def _reference(recognizer: Recognizer, utterance: Utterance) -> str:
    try:
        return recognizer.reference(utterance.text)
    except DataError as error:
        raise DataError(f"{utterance}: {error}") from error
