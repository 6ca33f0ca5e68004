"""`ctcasr lm tune`: weigh a language model on held-out speech."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ctcasr.cli.decoding import BeamSize, LanguageModel, LexiconFile, UnknownCost, decoding_options
from ctcasr.data import read_manifest
from ctcasr.errors import ConfigError
from ctcasr.runtime import Recognizer
from ctcasr.runtime.decoder import DecodingOptions, decoding_parts

if TYPE_CHECKING:
    from ctcasr.runtime.tuning import Choice


def command(
    manifest: Path = typer.Argument(help="Held-out speech with transcripts; not the test set."),
    model: str = typer.Option(..., "-m", "--model", help="Bundle: a folder, which gets the result."),
    lm: LanguageModel = None,
    lexicon: LexiconFile = None,
    beam_size: BeamSize = 128,
    unknown_cost: UnknownCost = None,
    write: bool = typer.Option(True, help="Write language model, lexicon and weights into the bundle."),
) -> None:
    """Find the weight of a language model and the bonus of a word, and write them into the bundle.

    E.g. `ctcasr lm tune recipes/an4/data/dev.jsonl -m bundle --lm an4.npz`. From then on the bundle is decoded with
    them by default.
    """
    from ctcasr.runtime.tuning import tune, write_decoding  # with it comes numba

    options = decoding_options(False, lm, lexicon, None, beam_size=beam_size, unknown_cost=unknown_cost)
    utterances = read_manifest(manifest)
    recognizer = Recognizer.load(model, decoding=DecodingOptions(is_greedy=True))
    parts = decoding_parts(recognizer.bundle, options)
    if parts.model is None:
        raise ConfigError(f"{model}: carries no language model; name one with --lm")
    settings, rate = tune(recognizer, utterances, parts, _report)
    parts = type(parts)(settings, parts.model, parts.lexicon)
    typer.echo(
        f"lm_weight {settings.lm_weight:g}, word_bonus {settings.word_bonus:g}: "
        f"WER {100 * rate:.2f} % on {manifest}"
    )
    if write:
        write_decoding(recognizer.bundle, parts)
        print(f"{recognizer.bundle.folder}: decodes with them from now on", file=sys.stderr)


def _report(number: int, choice: Choice) -> None:
    print(
        f"round {number}: lm_weight {choice.lm_weight:g}, word_bonus {choice.word_bonus:g}: "
        f"WER {100 * choice.rate:.2f} % of the hypotheses so far",
        file=sys.stderr,
    )
