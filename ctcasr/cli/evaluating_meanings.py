"""How `evaluate` scores bundles that tag or classify."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from ctcasr.cli.progress import bar
from ctcasr.cli.scoring import read_band
from ctcasr.data import Utterance, read_manifest
from ctcasr.data.sentences import Sentence, read_sentences
from ctcasr.errors import AudioError, DataError
from ctcasr.runtime.understanding import Meaning, Understander
from ctcasr.scoring.spans import SpanCounts, count_spans


@dataclass
class Tally:
    """What was right: spans, labels, and examples that could not be used, which count as wrong."""

    spans: SpanCounts = field(default_factory=SpanCounts)
    right: int = 0
    examples: int = 0
    failures: int = 0


def evaluate_meanings(manifest: Path, understander: Understander, expect: str | None, as_json: bool) -> None:
    """Score a manifest and print F1 of spans, as `conlleval` counts them, and accuracy of labels.

    Raises:
        DataError: the manifest is wrong, or lacks what is to be scored.
    """
    band = read_band(expect) if expect is not None else None
    bundle = understander.bundle
    examples: Sequence[Sentence | Utterance] = (
        read_manifest(manifest) if understander.hears else read_sentences(manifest)
    )
    tally = Tally()
    with bar("evaluating", len(examples)) as advance:
        for example in examples:
            _count(tally, example, understander)
            advance()
    rates: dict[str, float] = {}
    if bundle.tags is not None:
        rates |= {
            "f1": tally.spans.f1,
            "precision": tally.spans.precision,
            "recall": tally.spans.recall,
        }
    if bundle.labels is not None:
        rates["accuracy"] = tally.right / tally.examples
    typer.echo(json.dumps(_fields(rates, tally)) if as_json else "\n".join(_lines(rates, tally)))
    first = 100 * next(iter(rates.values()))
    missed = band is not None and not band[0] <= first <= band[1]
    if missed:
        print(f"error: the first score is {first:.2f} %, expected {expect}", file=sys.stderr)
    if tally.failures or missed:
        raise typer.Exit(1)


def _count(tally: Tally, example: Sentence | Utterance, understander: Understander) -> None:
    bundle = understander.bundle
    if bundle.labels is not None and not example.label:
        raise DataError(f"{example}: has no `label` to compare with")
    meaning = Meaning()
    tally.examples += 1
    if isinstance(example, Utterance):
        try:
            meaning = understander.hear(example)
        except AudioError as error:
            tally.failures += 1
            print(f"error: {error}", file=sys.stderr)
    else:
        meaning = understander.read(example.words)
        if bundle.tags is not None:
            if example.tags is None:
                raise DataError(f"{example}: has no `tags` to compare with")
            tally.spans += count_spans([(example.tags, meaning.tags)])
    tally.right += meaning.label == example.label


def _fields(rates: dict[str, float], tally: Tally) -> dict[str, Any]:
    counts = {"correct": tally.spans.correct, "found": tally.spans.found, "expected": tally.spans.expected}
    return {
        **{name: round(rate, 6) for name, rate in rates.items()},
        "examples": tally.examples,
        "failed": tally.failures,
        **(counts if "f1" in rates else {}),
        **({"right": tally.right} if "accuracy" in rates else {}),
    }


def _lines(rates: dict[str, float], tally: Tally) -> list[str]:
    lines, percent = [], {name: f"{100 * rate:.2f} %" for name, rate in rates.items()}
    if "f1" in rates:
        spans = tally.spans
        lines.append(
            f"F1 {percent['f1']} [ precision {percent['precision']}, recall {percent['recall']}; "
            f"{spans.correct} right of {spans.found} found, {spans.expected} to find ]"
        )
    if "accuracy" in rates:
        lines.append(f"accuracy {percent['accuracy']} [ {tally.right} / {tally.examples} ]")
    return lines
