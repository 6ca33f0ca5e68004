"""What every importer is told, and what each needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ctcasr import audio
from ctcasr.audio import AUDIO_SUFFIXES
from ctcasr.data.manifest import Utterance
from ctcasr.errors import AudioError, DataError


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """Say where sounds go that lie in no file of their own, and what may be run.

    Attributes:
        output: folder of the manifest; extracted audio goes to `audio` in it.
        allow_pipes: run the commands of Kaldi's wav.scp, which are shell commands of whoever wrote it.
    """

    output: Path
    allow_pipes: bool = False


def utterance(identity: str, path: Path, text: str, where: str, speaker: str | None = None) -> Utterance:
    """Return an utterance that is a whole file.

    Raises:
        DataError: the file cannot be read; names the line that listed it.
    """
    return Utterance(
        id=identity,
        audio_path=path,
        duration_seconds=seconds_of(path, where),
        text=text,
        speaker=speaker,
        where=where,
    )


def seconds_of(path: Path, where: str) -> float:
    """Return how long a file is.

    Raises:
        DataError: the file cannot be read; names the line that listed it.
    """
    try:
        return audio.probe(path).duration_seconds
    except AudioError as error:
        raise DataError(f"{where}: {error}") from error


def find_audio(stem: Path) -> Path | None:
    """Return the audio file of a name without suffix, whatever its format."""
    for suffix in sorted(AUDIO_SUFFIXES):
        path = stem.with_name(stem.name + suffix)
        if path.is_file():
            return path
    return None


def add(found: dict[str, Utterance], new: Utterance) -> None:
    """Add an utterance; one whose id is taken is an error that names both places."""
    if new.id in found:
        raise DataError(
            f"{new.where}: the id {new.id!r} stands already in {found[new.id].where}; give each its own"
        )
    found[new.id] = new
