"""What `score` and `evaluate` share: options, and how results are told."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ctcasr.errors import ConfigError
from ctcasr.scoring import Result, Unit, as_sclite
from ctcasr.text import NORMALIZERS, Normalizer

AlignmentsFile = Annotated[
    Path | None,
    typer.Option("--alignments", help="Write every utterance's alignment, in sclite's layout, to this file."),
]
NormalizerName = Enum("NormalizerName", {name: name for name in NORMALIZERS}, type=str)  # type: ignore[misc]
Normalize = Annotated[
    NormalizerName,
    typer.Option("--normalize", help="Differences of spelling to take away from both texts first."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")]


NONE = NormalizerName.none  # type: ignore[attr-defined]


def units_of(normalizer: Normalizer) -> tuple[Unit, ...]:
    """Return what is counted in texts so normalised, the most important first: Chinese has no words to count."""
    return ("char",) if normalizer.name == "cjk" else ("word", "char")


def check_writable(path: Path | None, option: str) -> None:
    """Raise ConfigError now, if a file cannot be written, rather than after an hour of work."""
    if path is None:
        return
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}; make it, or choose another {option}")
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; name a file for {option}")


def write_lines(path: Path, lines: Iterable[str], option: str) -> None:
    """Write a file of lines.

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); choose another {option}") from error


def tell(result: Result, *, as_object: bool, alignments: Path | None) -> None:
    """Print a result, and write the alignments of its first score."""
    typer.echo(result.json() if as_object else "\n".join(result.lines()))
    if alignments is not None:
        write_lines(alignments, as_sclite(result.scores[0].utterances), "--alignments")
