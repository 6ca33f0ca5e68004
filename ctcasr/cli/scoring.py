"""What `score` and `evaluate` share: options, and how results are told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ctcasr.cli.progress import bar
from ctcasr.data import Utterance
from ctcasr.errors import ConfigError
from ctcasr.scoring import Result, Unit, as_sclite, read_texts
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
ReportFile = Annotated[
    Path | None, typer.Option("--report", help="Write a page for the browser: errors, slices, sounds.")
]
KnownWords = Annotated[
    Path | None,
    typer.Option("--known-words", help="Training texts, to tell out-of-vocabulary words in the report."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")]


NONE = NormalizerName.none  # type: ignore[attr-defined]


def units_of(normalizer: Normalizer) -> tuple[Unit, ...]:
    """Return what is counted in texts so normalised, the most important first: Chinese has no words to count."""
    return ("char",) if normalizer.name == "cjk" else ("word", "char")


def read_band(text: str) -> tuple[float, float]:
    """Return the ends of `LOW:HIGH`, in percent.

    Raises:
        ConfigError: the text is not of that form.
    """
    try:
        low, high = map(float, text.split(":"))
    except ValueError:
        low, high = 1.0, 0.0
    if not 0 <= low <= high:
        raise ConfigError(f"--expect is {text!r}, expected LOW:HIGH in percent, 0 <= LOW <= HIGH, e.g. 6.5:9")
    return low, high


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


def write_report(
    path: Path,
    result: Result,
    utterances: Sequence[Utterance],
    systems: tuple[str, ...],
    known_words: Path | None,
) -> None:
    """Write the page of a result; its recordings are listened to once more.

    Raises:
        ConfigError: the file cannot be written.
        DataError: the file of known words cannot be read.
    """
    from ctcasr.report import ReportSettings, report_html

    known = None
    if known_words is not None:
        texts = result.normalizer.each(read_texts(known_words))
        known = frozenset(word for text in texts.values() for word in text.split())
    first, second = (*systems, "")[:2]
    settings = ReportSettings(" against ".join(systems), (first, second), known_words=known)
    with bar("writing the report", len(utterances)) as advance:
        page = report_html(result, utterances, settings, advance)
    write_lines(path, [page.rstrip("\n")], "--report")


def tell(result: Result, *, as_object: bool, alignments: Path | None) -> None:
    """Print a result, and write the alignments of its first score."""
    typer.echo(result.json() if as_object else "\n".join(result.lines()))
    if alignments is not None:
        write_lines(alignments, as_sclite(result.scores[0].utterances), "--alignments")
