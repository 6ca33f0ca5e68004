"""`ctcasr priors`: how often a network's outputs are occupied, for the HMM decoder."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from ctcasr.cli.progress import bar
from ctcasr.cli.transcribe import Precision
from ctcasr.data import read_manifest
from ctcasr.runtime import Recognizer
from ctcasr.runtime.decoding_parts import DecodingOptions

# The function imports ctcasr.runtime.priors itself: with it comes numba, for which others should not wait.


def command(
    manifest: Path = typer.Argument(help="Transcribed speech, e.g. what the model was trained on."),
    model: str = typer.Option(..., "-m", "--model", help="Bundle: a folder, which gets the result."),
    precision: Precision = typer.Option(None, help="Network to run; default: int8 where there is one."),
    threads: int = typer.Option(
        None, min=1, max=1024, help="Utterances at a time; default: one a processor."
    ),
) -> None:
    """Estimate the priors of a network's outputs, by which the HMM decoder divides, and write them into the bundle.

    E.g. `ctcasr priors recipes/an4/data/train.jsonl -m bundle`, and then `ctcasr evaluate ... --decoder hmm`.

    The frames of the transcripts are shared out to the outputs by a soft alignment; those of a network that was trained
    on frames, by the best path.
    """
    from ctcasr.runtime.priors import estimate_priors, write_priors

    utterances = read_manifest(manifest)
    recognizer = Recognizer.load(
        model, precision.value if precision else None, decoding=DecodingOptions(is_greedy=True)
    )
    with bar("estimating", len(utterances)) as advance:
        priors = estimate_priors(recognizer, utterances, advance, threads=threads)
    for problem in priors.problems:
        print(f"error: {problem}", file=sys.stderr)
    write_priors(recognizer.bundle, priors)
    vocabulary, topology = recognizer.bundle.vocabulary, recognizer.bundle.topology
    shares = [
        (float(priors.values[list(topology.outputs(number))].sum()), symbol)
        for number, symbol in enumerate(vocabulary.symbols)
    ]
    most = ", ".join(f"{symbol} {100 * share:.1f} %" for share, symbol in sorted(shares, reverse=True)[:5])
    typer.echo(
        f"{recognizer.bundle.folder}: priors of {len(priors.values)} outputs, {priors.frames} frames; {most}"
    )
    if priors.problems:
        print(
            f"{len(priors.problems)} of {len(utterances)} utterances failed and do not count", file=sys.stderr
        )
        raise typer.Exit(1)
