"""Recordings decoded once, so that no epoch has to decode them again."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path

from ctcasr import audio
from ctcasr.audio.encoding import encoded
from ctcasr.data.manifest import Utterance
from ctcasr.data.recordings import load_utterance
from ctcasr.errors import AudioError

_NAME_LENGTH = 80  # of an id in a file name, of which file systems take 255 bytes


def stored_as_wav(utterance: Utterance, path: Path, sample_rate: int) -> Utterance:
    """Return an utterance whose recording is `path`, written as 16-bit WAV unless it is there already, and whole.

    Every epoch reads it again, faster than Opus or MP3. Samples beyond full scale, which those and float WAV may have,
    are clipped.

    Raises:
        AudioError: the recording cannot be read whole.
        OSError: the disk is full, or the folder cannot be written.
    """
    seconds = _seconds(path)
    if seconds is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, encoded(load_utterance(utterance, sample_rate), sample_rate, "WAV", 16))
        seconds = audio.probe(path).duration_seconds
    words = utterance.words and tuple(
        (min(start, seconds), min(end, seconds)) for start, end in utterance.words
    )
    return replace(
        utterance, audio_path=path, offset_seconds=0.0, duration_seconds=seconds, words=words, byte_span=None
    )


def converted(utterance: Utterance, folder: Path, sample_rate: int) -> Utterance:
    """Return an utterance whose recording is 16-bit WAV in a folder, written there unless an earlier call has done so.

    The name of the file is the id, and a digest of the rate and of which stretch of which file it was, how large that
    file is and when it was written: it stands for no other recording.

    Raises:
        AudioError: the recording cannot be read whole.
        OSError: the disk is full, or the folder cannot be written.
    """
    source = Path(os.path.realpath(utterance.audio_path))  # resolve() would raise where links go in a circle
    stretch = (utterance.offset_seconds, utterance.duration_seconds, utterance.byte_span, sample_rate)
    key = f"{utterance.id} {source} {_version(source)} {stretch}"
    digest = hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:16]
    name = re.sub(r"[^\w.-]", "_", utterance.id, flags=re.ASCII)[:_NAME_LENGTH]
    return stored_as_wav(utterance, folder / f"{name}-{digest}.wav", sample_rate)


def _version(path: Path) -> tuple[int, int] | None:
    """Return size and time of a file; None where reading it will say what is wrong."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _seconds(path: Path) -> float | None:
    """Return how long a recording is; None where there is none, or a damaged one."""
    try:
        return audio.probe(path).duration_seconds
    except AudioError:
        return None


def _write(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all, whichever other process writes it at the time."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
