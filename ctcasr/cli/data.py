"""`ctcasr data`: corpora of other layouts to manifests, and back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from enum import Enum
from functools import partial
from pathlib import Path

import typer

from ctcasr.cli.progress import bar
from ctcasr.data import INDEX, Utterance, read_manifest, write_manifest
from ctcasr.data.converting import converted
from ctcasr.data.exchange import EXPORTERS, IMPORTERS, ImportSettings
from ctcasr.data.exchange.lhotse import prepare_with_lhotse
from ctcasr.data.shards import ShardSettings, write_shards
from ctcasr.errors import AudioError, ConfigError, DataError

app = typer.Typer(no_args_is_help=True, help="Corpora of other layouts to manifests, and back.")

Importer = Enum("Importer", {name: name for name in IMPORTERS}, type=str)  # type: ignore[misc]
Exporter = Enum("Exporter", {name: name for name in EXPORTERS}, type=str)  # type: ignore[misc]


@app.command("import", no_args_is_help=True)
def import_(
    layout: Importer = typer.Argument(help="What SOURCE is."),
    source: Path = typer.Argument(help="Folder or file of the corpus."),
    output: Path = typer.Option(..., "-o", "--output", help="Manifest to write."),
    allow_pipes: bool = typer.Option(False, "--allow-pipes", help="Run the commands in Kaldi's wav.scp."),
) -> None:
    """Read a corpus of another layout and write a manifest.

    E.g. `ctcasr data import kaldi data/train -o train.jsonl`.
    """
    utterances = IMPORTERS[layout.value](source, ImportSettings(output.parent, allow_pipes))
    _write(output, lambda: write_manifest(output, utterances))
    typer.echo(f"{output}: {len(utterances)} utterances")


@app.command("export", no_args_is_help=True)
def export(
    layout: Exporter = typer.Argument(help="What to write."),
    manifest: Path = typer.Argument(help="Manifest to read."),
    output: Path = typer.Option(..., "-o", "--output", help="Folder (kaldi) or file to write."),
) -> None:
    """Write a manifest in another layout.

    E.g. `ctcasr data export kaldi train.jsonl -o data/train`.
    """
    utterances = read_manifest(manifest)
    if any(utterance.byte_span for utterance in utterances):
        raise ConfigError(f"{manifest}: its recordings are in shards, which other layouts cannot point into")
    _write(output, lambda: EXPORTERS[layout.value](output, utterances))
    typer.echo(f"{output}: {len(utterances)} utterances")


@app.command("shard", no_args_is_help=True)
def shard(
    manifest: Path = typer.Argument(help="Manifest to read."),
    output: Path = typer.Option(..., "-o", "--output", help="Folder to write."),
    megabytes: float = typer.Option(
        ShardSettings.megabytes,
        "--megabytes",
        min=0.001,
        help="About as large is each shard, in millions of bytes.",
    ),
    seed: int = typer.Option(ShardSettings.seed, "--seed", min=0, help="Of the order of the utterances."),
) -> None:
    """Pack the recordings of a manifest into tar files that a training reads a few at a time.

    E.g. `ctcasr data shard train.jsonl -o shards`, and `data.train = "shards"` in the configuration of a training.
    """
    settings = ShardSettings(megabytes, seed)
    utterances: list[Utterance] = []
    _write(output, lambda: utterances.extend(write_shards(read_manifest(manifest), output, settings)))
    count = len({utterance.audio_path for utterance in utterances})
    typer.echo(f"{output}: {len(utterances)} utterances in {count} shards")


@app.command("convert", no_args_is_help=True)
def convert(
    manifest: Path = typer.Argument(help="Manifest to read."),
    output: Path = typer.Option(
        ..., "-o", "--output", help="Manifest to write; recordings go into the folder of its name beside it."
    ),
    sample_rate: int = typer.Option(
        16000, "--sample-rate", min=4000, max=192_000, help="Of the WAV files, in Hz: that of the model."
    ),
    threads: int = typer.Option(
        None, min=1, max=1024, help="Recordings at a time; default: one a processor."
    ),
) -> None:
    """Decode the recordings of a manifest once, to 16-bit WAV: each epoch reads it faster than Opus or MP3.

    E.g. `ctcasr data convert train.jsonl -o wav/train.jsonl`. Stopped and called again, it goes on where it was.
    """
    from ctcasr.runtime.ordered import in_order

    taken = {os.path.realpath(path) for path in (manifest, manifest / INDEX)}
    if output.suffix != ".jsonl" or output.is_dir() or os.path.realpath(output) in taken:
        raise ConfigError(f"{output}: is no name for a new manifest; choose another --output, FILE.jsonl")
    utterances, folder = read_manifest(manifest), output.with_suffix("")
    if os.path.realpath(folder) in {os.path.realpath(found.audio_path.parent) for found in utterances}:
        raise ConfigError(f"{folder}: holds the recordings themselves; choose another --output")
    done: list[Utterance] = []

    def attempt(utterance: Utterance) -> Utterance | AudioError:
        try:
            return converted(utterance, folder, sample_rate)
        except AudioError as error:
            return error

    def write() -> None:
        with bar("converting", len(utterances)) as advance:
            for utterance, found in zip(utterances, in_order(attempt, utterances, threads), strict=True):
                advance()
                if isinstance(found, AudioError):
                    print(f"error: {utterance}: {found}", file=sys.stderr)
                else:
                    done.append(found)
        if not done:
            raise DataError(f"{output}: not written, none of the {len(utterances)} recordings can be read")
        write_manifest(output, done)

    _write(output, write)
    hours = sum(utterance.duration_seconds for utterance in done) / 3600
    typer.echo(f"{output}: {len(done)} utterances, {hours:.2f} hours")
    if len(done) < len(utterances):
        left = len(utterances) - len(done)
        print(f"{left} of {len(utterances)} utterances failed and are left out", file=sys.stderr)
        raise typer.Exit(1)


@app.command("prepare", no_args_is_help=True)
def prepare(
    corpus: str = typer.Argument(help="Name of Lhotse's preparer, e.g. `yesno`, `timit`, `ljspeech`."),
    source: Path = typer.Argument(help="The unpacked corpus."),
    output: Path = typer.Option(..., "-o", "--output", help="Folder for a manifest of each part."),
) -> None:
    """Make manifests of any corpus that Lhotse can prepare.

    E.g. `ctcasr data prepare yesno corpora/yesno -o data`. Needs `pip install 'ctcasr[corpora]'`.
    """
    for name, utterances in prepare_with_lhotse(corpus, source, output).items():
        path = output / f"{name}.jsonl"
        _write(path, partial(write_manifest, path, utterances))
        typer.echo(f"{path}: {len(utterances)} utterances")


def _write(path: Path, write: Callable[[], None]) -> None:
    """Write, or say in one sentence why that cannot be."""
    try:
        write()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); choose another --output") from error
