"""What the arguments of `ctcasr transcribe` stand for: files, folders, patterns, manifests, standard input."""

from __future__ import annotations

import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ctcasr.audio import AUDIO_SUFFIXES
from ctcasr.audio.formats import RAW_SUFFIXES
from ctcasr.data import Utterance, read_manifest
from ctcasr.errors import ConfigError, CtcAsrError

STDIN = "-"
SUFFIXES = AUDIO_SUFFIXES - RAW_SUFFIXES
"""Of the files that are found in folders; headerless ones would need a description."""

MANIFEST_SUFFIX = ".jsonl"
BYTES_OF_A_SECOND = 32_000
"""Of 16-bit sound at 16 kHz: what a second of an utterance weighs beside files, whose length is not known yet."""


@dataclass(frozen=True)
class Input:
    """A recording, and how it is called.

    Attributes:
        source: the file, or the utterance of a manifest.
        id: for names and lines of output.
        shown: in messages and JSON, instead of the path.
    """

    source: Path | Utterance
    id: str
    shown: str

    @property
    def weight(self) -> float:
        """How much work it is, roughly, in bytes; at least 1."""
        if isinstance(self.source, Utterance):
            return max(1.0, self.source.duration_seconds * BYTES_OF_A_SECOND)
        try:
            return max(1.0, float(self.source.stat().st_size))
        except (OSError, ValueError):
            return 1.0


@contextmanager
def opened(arguments: Sequence[Path]) -> Iterator[list[Input]]:
    """Give the recordings that the arguments stand for, in their order; those of folders and patterns sorted.

    What does not exist is given as it is: reading it will say so. Standard input is copied to a temporary file,
    as most formats cannot be read without going back; it is gone afterwards.

    Raises:
        ConfigError: standard input is named twice.
        DataError: a manifest is damaged.
        CtcAsrError: standard input cannot be copied.
    """
    if sum(str(argument) == STDIN for argument in arguments) > 1:
        raise ConfigError("standard input (-) is named twice, and can be read once; leave one out")
    with tempfile.TemporaryDirectory(prefix="ctcasr-") as folder:
        yield [found for argument in arguments for found in _found(argument, Path(folder))]


def _found(argument: Path, folder: Path) -> Iterator[Input]:
    if str(argument) == STDIN:
        yield Input(_copy_stdin(folder), "stdin", "standard input")
        return
    for path in _matching(argument):
        if _is_folder(path):
            yield from map(_file, _inside(path) or [path])
        elif path.suffix.lower() == MANIFEST_SUFFIX:
            for utterance in read_manifest(path):
                yield Input(utterance, utterance.id, str(utterance.audio_path))
        else:
            yield _file(path)


def _file(path: Path) -> Input:
    return Input(path, path.stem, str(path))


def _matching(argument: Path) -> list[Path]:
    """Return what a pattern matches; a file of that very name comes first, and nothing matches itself."""
    text = str(argument)
    if not glob.has_magic(text) or os.path.lexists(text):
        return [argument]
    return [Path(name) for name in sorted(glob.glob(text, recursive=True))] or [argument]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _inside(folder: Path) -> list[Path]:
    """Return the audio files of a folder and the folders in it, by path; hidden ones are left out."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(place, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return sorted(found)


def _copy_stdin(folder: Path) -> Path:
    path = folder / "stdin"
    try:
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
    except OSError as error:
        raise CtcAsrError(f"standard input cannot be copied to {folder} ({error.strerror})") from error
    return path


__all__ = ["Input", "opened"]
