"""The options of decoding, which `transcribe`, `evaluate` and `lm tune` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ctcasr.runtime.decoder import DecodingOptions, read_settings

Greedy = Annotated[
    bool, typer.Option("--greedy", help="Decode along the best path, whatever the bundle carries.")
]
BeamSize = Annotated[
    int | None,
    typer.Option(help="Beam search with so many prefixes; default: 32 if a beam is wanted at all."),
]
LanguageModel = Annotated[
    Path | None, typer.Option("--lm", help="N-gram model: .arpa, .arpa.gz or .npz; default: the bundle's.")
]
LexiconFile = Annotated[
    Path | None,
    typer.Option(
        "--lexicon", help="Words that may be written, one a line, spellings behind them if need be."
    ),
]
HotWordList = Annotated[
    list[str] | None, typer.Option("--hotword", help="Word or phrase to favour; may be given several times.")
]
LmWeight = Annotated[float | None, typer.Option(help="Weight of the language model.")]
WordBonus = Annotated[float | None, typer.Option(help="Added to the score for each word.")]
UnknownCost = Annotated[
    float | None,
    typer.Option(help="Added for a word outside the lexicon, below 0; none are written by default."),
]
HotwordBoost = Annotated[float | None, typer.Option(help="Added for each symbol of a hot word.")]


def decoding_options(
    greedy: bool,
    lm: Path | None,
    lexicon: Path | None,
    hotwords: list[str] | None,
    *,
    nbest: int = 1,
    **settings: float | None,
) -> DecodingOptions:
    """Return what was asked for, checked; `settings` are those of the beam search that have an option.

    More than one hypothesis needs a beam search.

    Raises:
        ConfigError: a setting is out of its range.
    """
    return DecodingOptions(greedy, lm, lexicon, tuple(hotwords or ()), read_settings(settings), nbest > 1)
