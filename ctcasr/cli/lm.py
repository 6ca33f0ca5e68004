"""`ctcasr lm`: train, prune and measure n-gram language models."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ctcasr.cli import tune
from ctcasr.data import read_manifest
from ctcasr.errors import ConfigError, DataError

if TYPE_CHECKING:
    from ctcasr.lm import NGramCounts, NGramTables

# The functions import ctcasr.lm themselves: with it comes numba, for which the other verbs should not wait.

UnitName = Enum("UnitName", {"word": "word", "char": "char"}, type=str)
SmoothingName = Enum("SmoothingName", {"kneser_ney": "kneser-ney", "witten_bell": "witten-bell"}, type=str)

SUFFIXES = (".arpa", ".arpa.gz", ".npz")
_OUTPUT_HELP = "Model to write; its suffix (.arpa, .arpa.gz or .npz) says in which form."
_UNIT_HELP = "What counts as a word; with char each character, with <space> between words."

app = typer.Typer(help="Train, prune and measure n-gram language models.", no_args_is_help=True)


@app.command(no_args_is_help=True)
def train(
    text: list[Path] = typer.Argument(
        help="Texts, a sentence a line; may be compressed (gzip, xz, bzip2). Manifests (.jsonl) give their transcripts."
    ),
    output: Path = typer.Option(..., "-o", "--output", help=_OUTPUT_HELP),
    order: int = typer.Option(3, min=1, max=10, help="Length of the longest n-grams."),
    unit: UnitName = typer.Option(UnitName.word, help=_UNIT_HELP),
    min_count: int = typer.Option(1, min=1, help="Words that come less often are <unk>."),
    vocabulary: Path = typer.Option(
        None, help="Words to keep, the first of each line (a lexicon will do); others are <unk>."
    ),
    smoothing: SmoothingName = typer.Option(SmoothingName.kneser_ney, help="Method of estimation."),
    threshold: float = typer.Option(
        None,
        "--prune",
        min=0.0,
        help="Leave out n-grams whose loss raises the perplexity by a smaller share.",
    ),
) -> None:
    """Train a language model: interpolated modified Kneser-Ney, as KenLM's lmplz.

    E.g. `ctcasr lm train books.txt.xz -o books.npz --min-count 2 --prune 1e-8`.

    Lines without words are skipped; nothing is normalised.
    """
    from ctcasr import lm

    _check_output(output)
    if threshold is not None:
        lm.check_threshold(threshold)
    settings = lm.CountSettings(
        order, unit.value, min_count, None if vocabulary is None else _read_vocabulary(vocabulary, unit.value)
    )
    with _as_texts(text) as texts:
        counts = lm.count_ngrams(texts, settings)
    size = f"{counts.sentences:,} sentences, {counts.tokens:,} tokens"
    tables = lm.witten_bell(counts) if smoothing is SmoothingName.witten_bell else _kneser_ney(counts)
    del counts  # which take as much memory as the model
    if threshold is not None:
        tables = lm.prune(tables, threshold)
    _write(tables, output)
    typer.echo(f"{_summary(tables, output)}, from {size}")


@app.command(no_args_is_help=True)
def prune(
    model: Path = typer.Argument(help="ARPA model, compressed or not, or lm.npz."),
    output: Path = typer.Option(..., "-o", "--output", help=_OUTPUT_HELP),
    threshold: float = typer.Option(
        ..., min=0.0, help="Leave out n-grams whose loss raises the perplexity by a smaller share."
    ),
) -> None:
    """Make a language model smaller: relative-entropy pruning.

    E.g. `ctcasr lm prune large.arpa.gz -o small.npz --threshold 1e-8`.
    """
    from ctcasr import lm

    _check_output(output)
    tables = lm.prune(lm.load_model(model).tables(), threshold)
    _write(tables, output)
    typer.echo(_summary(tables, output))


@app.command(no_args_is_help=True)
def perplexity(
    model: Path = typer.Argument(help="ARPA model, compressed or not, or lm.npz."),
    text: list[Path] = typer.Argument(
        help="Texts, a sentence a line; may be compressed. Manifests (.jsonl) give their transcripts."
    ),
    unit: UnitName = typer.Option(UnitName.word, help=_UNIT_HELP),
) -> None:
    """Measure how well a language model predicts texts; prints what KenLM's `query` prints.

    E.g. `ctcasr lm perplexity books.npz held-out.txt`.

    Tokens are words and the end of each sentence; OOVs are unknown words.
    """
    from ctcasr import lm

    with _as_texts(text) as texts:
        found = lm.perplexity(lm.load_model(model), texts, unit.value)
    if not found.tokens:
        raise DataError(f"{text[0]}: the texts hold no word; expected a sentence a line")
    typer.echo(
        f"Perplexity including OOVs:\t{found.including_unknown:.6g}\n"
        f"Perplexity excluding OOVs:\t{found.excluding_unknown:.6g}\n"
        f"OOVs:\t{found.unknown}\n"
        f"Tokens:\t{found.tokens}"
    )


@app.command(no_args_is_help=True)
def convert(
    model: Path = typer.Argument(help="ARPA model, compressed or not, or lm.npz."),
    output: Path = typer.Option(..., "-o", "--output", help=_OUTPUT_HELP),
) -> None:
    """Write a language model in another form; .npz loads in a fraction of the time.

    E.g. `ctcasr lm convert large.arpa.gz -o large.npz`.
    """
    from ctcasr import lm

    _check_output(output)
    tables = lm.load_model(model).tables()
    _write(tables, output)
    typer.echo(_summary(tables, output))


@contextmanager
def _as_texts(paths: list[Path]) -> Iterator[list[Path]]:
    """Give texts in the place of manifests, whose transcripts are written to a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="ctcasr-lm") as folder:
        texts = []
        for number, path in enumerate(paths):
            if path.suffix == ".jsonl":
                lines = [utterance.text for utterance in read_manifest(path)]
                path = Path(folder) / f"{number}.txt"
                path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            texts.append(path)
        yield texts


def _kneser_ney(counts: NGramCounts) -> NGramTables:
    from ctcasr import lm

    discounts = lm.kneser_ney_discounts(counts)
    for order, found in enumerate(discounts, 1):
        if found.problem:
            amounts = ", ".join(f"{amount:g}" for amount in found.amounts)
            print(
                f"warning: the text gives no Kneser-Ney discounts for {order}-grams ({found.problem}); "
                f"used {amounts}: is the text small or artificial?",
                file=sys.stderr,
            )
    return lm.kneser_ney(counts, discounts)


def _read_vocabulary(path: Path, unit: str) -> tuple[str, ...]:
    from ctcasr.text import BLANK

    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text ({error}); expected a word a line") from error
    words = [line.split()[0] for line in lines if line.strip()]
    if not words:
        raise DataError(f"{path}: lists no word; expected a word a line")
    return tuple(word for word in words if unit != "char" or word != BLANK)


def _check_output(path: Path) -> None:
    """Raise ConfigError now rather than after the work."""
    if not path.name.endswith(SUFFIXES):
        raise ConfigError(
            f"{path}: the suffix says no form of a model; expected one of {', '.join(SUFFIXES)}"
        )
    if path.is_dir() or not path.parent.is_dir():
        problem = "is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise ConfigError(f"{path}: {problem}; choose another --output")


def _write(tables: NGramTables, path: Path) -> None:
    from ctcasr import lm

    if path.suffix == ".npz":
        lm.save(lm.NGramModel.from_tables(tables), path)
    else:
        lm.write_arpa(tables, path)


def _summary(tables: NGramTables, path: Path) -> str:
    counts = ", ".join(f"{count:,} {order}-grams" for order, count in enumerate(tables.counts, 1))
    return f"{path}: {counts}, {path.stat().st_size / 1e6:.1f} MB"


app.command(name="tune", no_args_is_help=True)(tune.command)
