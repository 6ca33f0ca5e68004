"""`ctcasr lm tune`: weigh a language model on held-out speech."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ctcasr.cli.decoding import (
    DecoderChoice,
    DecoderName,
    LanguageModel,
    LexiconFile,
    UnknownCost,
    decoding_options,
)
from ctcasr.data import read_manifest
from ctcasr.errors import ConfigError
from ctcasr.runtime import Recognizer
from ctcasr.runtime.decoding_parts import DecodingOptions, decoding_parts, hmm_parts

if TYPE_CHECKING:
    from ctcasr.data import Utterance
    from ctcasr.decoding import BeamSettings
    from ctcasr.runtime.hmm_tuning import Trial
    from ctcasr.runtime.tuning import Choice

TUNING_BEAM = 128
"""Prefixes of the beam search, where no other number is wanted."""


def command(
    manifest: Path = typer.Argument(help="Held-out speech with transcripts; not the test set."),
    model: str = typer.Option(..., "-m", "--model", help="Bundle: a folder, which gets the result."),
    lm: LanguageModel = None,
    lexicon: LexiconFile = None,
    decoder: DecoderChoice = None,
    beam_size: Annotated[
        int | None,
        typer.Option(
            help=f"Beam search with so many prefixes (default: {TUNING_BEAM}), or HMM states (2000)."
        ),
    ] = None,
    unknown_cost: UnknownCost = None,
    write: bool = typer.Option(True, help="Write language model, lexicon and weights into the bundle."),
) -> None:
    """Find the weight of a language model and the bonus of a word, and write them into the bundle.

    E.g. `ctcasr lm tune recipes/an4/data/dev.jsonl -m bundle --lm an4.npz`. From then on the bundle is decoded with
    them by default.

    Where the bundle has priors (`ctcasr priors`) their power is tuned as well, which is worth a lot for models of
    phones.
    """
    from ctcasr.runtime.tuning import tune, write_decoding  # with it comes numba

    if decoder in (DecoderName.greedy, DecoderName.trim):
        raise ConfigError(f"--decoder {decoder.value} has nothing to tune; choose beam or hmm")
    utterances = read_manifest(manifest)
    recognizer = Recognizer.load(model, decoding=DecodingOptions(is_greedy=True))
    if decoder is DecoderName.hmm or (decoder is None and recognizer.bundle.topology.kind == "hmm"):
        options = decoding_options(
            False,
            lm,
            lexicon,
            None,
            decoder=DecoderName.hmm,
            beam_size=beam_size,
            unknown_cost=unknown_cost,
        )
        _tune_hmm(recognizer, utterances, options, manifest, write)
        return
    beam_size = TUNING_BEAM if beam_size is None else beam_size
    options = decoding_options(False, lm, lexicon, None, beam_size=beam_size, unknown_cost=unknown_cost)
    parts = decoding_parts(recognizer.bundle, options)
    if parts.model is None:
        raise ConfigError(f"{model}: carries no language model; name one with --lm")
    has_priors = parts.priors is not None

    def report_step(settings: BeamSettings, rate: float) -> None:
        print(f"searched with {_weights(settings, has_priors)}: WER {100 * rate:.2f} %", file=sys.stderr)

    settings, rate = tune(recognizer, utterances, parts, _report, report_step)
    parts = replace(parts, settings=settings)
    typer.echo(f"{_weights(settings, has_priors)}: WER {100 * rate:.2f} % on {manifest}")
    if write:
        write_decoding(recognizer.bundle, parts)
        print(f"{recognizer.bundle.folder}: decodes with them from now on", file=sys.stderr)


def _weights(settings: BeamSettings, has_priors: bool) -> str:
    scale = f"prior_scale {settings.prior_scale:g}, " if has_priors else ""
    return f"{scale}lm_weight {settings.lm_weight:g}, word_bonus {settings.word_bonus:g}"


def _tune_hmm(
    recognizer: Recognizer, utterances: list[Utterance], options: DecodingOptions, manifest: Path, write: bool
) -> None:
    from ctcasr.runtime.hmm_tuning import tune_hmm
    from ctcasr.runtime.tuning import write_decoding

    parts = hmm_parts(recognizer.bundle, options)
    trial = tune_hmm(recognizer, utterances, parts, _report_trial)
    typer.echo(f"{_named(trial)}: WER {100 * trial.rate:.2f} % on {manifest}")
    if write:
        write_decoding(recognizer.bundle, replace(parts, settings=trial.settings))
        print(f"{recognizer.bundle.folder}: --decoder hmm uses them from now on", file=sys.stderr)


def _named(trial: Trial) -> str:
    chosen = trial.settings
    return f"lm_weight {chosen.lm_weight:g}, prior_scale {chosen.prior_scale:g}, word_bonus {chosen.word_bonus:g}"


def _report_trial(number: int, trial: Trial) -> None:
    print(f"round {number}: {_named(trial)}: WER {100 * trial.rate:.2f} %", file=sys.stderr)


def _report(number: int, choice: Choice) -> None:
    print(
        f"round {number}: lm_weight {choice.lm_weight:g}, word_bonus {choice.word_bonus:g}: "
        f"WER {100 * choice.rate:.2f} % of the hypotheses so far",
        file=sys.stderr,
    )
