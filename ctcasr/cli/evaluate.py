"""`ctcasr evaluate`: a manifest and a bundle to error rates."""

from __future__ import annotations

import sys
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
from ctcasr.cli.transcribe import Precision
from ctcasr.data import read_manifest
from ctcasr.errors import ConfigError
from ctcasr.runtime import Recognizer
from ctcasr.scoring import score


def command(
    manifest: Path = typer.Argument(help="JSON lines with audio_filepath, duration, text."),
    model: str = typer.Option(None, "-m", "--model", help="Bundle: a folder, or a name inside the package."),
    hypotheses: Path = typer.Option(None, "--hypotheses", help="Also write `id words` lines to this file."),
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
) -> None:
    """Transcribe a manifest and print word, character and sentence error rates.

    E.g. `ctcasr evaluate recipes/an4/data/test.jsonl -m bundle`. A recording that cannot be read counts as
    unrecognised, is named, and makes the exit code 1.
    """
    if hypotheses is not None:
        _check_writable(hypotheses)
    utterances = read_manifest(manifest)
    options = decoding_options(
        greedy,
        lm,
        lexicon,
        hotword,
        beam_size=beam_size,
        lm_weight=lm_weight,
        word_bonus=word_bonus,
        unknown_cost=unknown_cost,
        hotword_boost=hotword_boost,
    )
    recognizer = Recognizer.load(model, precision.value if precision else None, decoding=options)
    texts: dict[str, str] = {}
    failures = 0
    with bar("evaluating", len(utterances)) as advance:
        for transcript in recognizer.transcribe(utterances, threads=threads):
            advance()
            texts[transcript.id] = transcript.text
            if transcript.error:
                failures += 1
                print(f"error: {transcript.error}", file=sys.stderr)
    references = {utterance.id: utterance.text for utterance in utterances}
    words, characters = score(references, texts, "word"), score(references, texts, "char")
    typer.echo("\n".join([*words.kaldi_lines(), characters.counts.kaldi_line("char")]))
    if hypotheses is not None:
        _write(hypotheses, texts)
    if failures:
        print(f"{failures} of {len(utterances)} recordings failed and count as unrecognised", file=sys.stderr)
        raise typer.Exit(1)


def _check_writable(path: Path) -> None:
    """Raise ConfigError now rather than after an hour of work."""
    if not path.parent.is_dir():
        raise ConfigError(
            f"{path}: there is no folder {path.parent}; make it, or choose another --hypotheses"
        )
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; name a file for --hypotheses")


def _write(path: Path, texts: dict[str, str]) -> None:
    try:
        lines = "".join(f"{identity} {text}".rstrip() + "\n" for identity, text in texts.items())
        path.write_text(lines, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror}); choose another --hypotheses"
        ) from error
