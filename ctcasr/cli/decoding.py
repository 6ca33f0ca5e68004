"""The options of decoding, which `transcribe`, `evaluate` and `lm tune` share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import typer

from ctcasr.decoding import BeamSettings, HmmSettings
from ctcasr.runtime.decoding_parts import DecodingOptions, read_settings

DecoderName = Enum(
    "DecoderName", {"greedy": "greedy", "beam": "beam", "trim": "trim", "hmm": "hmm"}, type=str
)
METHODS: dict[str, Literal["trim", "hmm"]] = {"trim": "trim", "hmm": "hmm"}

Greedy = Annotated[
    bool, typer.Option("--greedy", help="Decode along the best path, whatever the bundle carries.")
]
DecoderChoice = Annotated[
    DecoderName | None,
    typer.Option(
        "--decoder",
        help="greedy; beam; trim: greedy without a blank; hmm: Viterbi over words, states scored by the network and "
        "their priors. Default: what the bundle carries, or else greedy.",
    ),
]
BeamSize = Annotated[
    int | None,
    typer.Option(help="Beam search with so many prefixes (default: 32), or HMM states (2000)."),
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
PriorScale = Annotated[
    float | None,
    typer.Option(help="Power of the symbols' priors by which scores are divided; default: the bundle's."),
]


def decoding_options(
    greedy: bool,
    lm: Path | None,
    lexicon: Path | None,
    hotwords: list[str] | None,
    *,
    decoder: DecoderName | None = None,
    nbest: int = 1,
    **settings: float | None,
) -> DecodingOptions:
    """Return what was asked for, checked; `settings` are those of the searches that have an option.

    More than one hypothesis needs a beam search.

    Raises:
        ConfigError: a setting is out of its range, or is another decoder's.
    """
    name = decoder.value if decoder is not None else ""
    return DecodingOptions(
        greedy or name == "greedy",
        lm,
        lexicon,
        tuple(hotwords or ()),
        read_settings(settings, HmmSettings if name == "hmm" else BeamSettings),
        nbest > 1 or name == "beam",
        METHODS.get(name),
    )
