"""Recordings decoded once, so that no epoch has to decode them again."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

from ctcasr import audio
from ctcasr.audio.encoding import encoded
from ctcasr.data.manifest import Utterance
from ctcasr.data.recordings import load_utterance

_NAME_LENGTH = 80  # of an id in a file name, of which file systems take 255 bytes


def stored_as_wav(utterance: Utterance, path: Path, sample_rate: int) -> Utterance:
    """Return an utterance whose recording is `path`, written as 16-bit WAV unless it is there already.

    Every epoch reads it again, many times as fast as Opus or MP3. Samples beyond full scale, which those and float WAV
    may have, are clipped.

    Raises:
        AudioError: the recording cannot be read whole.
        OSError: the disk is full, or the folder cannot be written.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        content = encoded(load_utterance(utterance, sample_rate), sample_rate, "WAV", 16)
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    seconds = audio.probe(path).duration_seconds
    words = utterance.words and tuple(
        (min(start, seconds), min(end, seconds)) for start, end in utterance.words
    )
    return replace(
        utterance, audio_path=path, offset_seconds=0.0, duration_seconds=seconds, words=words, byte_span=None
    )


def converted(utterance: Utterance, folder: Path, sample_rate: int) -> Utterance:
    """Return an utterance whose recording is 16-bit WAV in a folder, written there unless an earlier call has done so.

    The name of the file is the id, and a digest of the rate and of which stretch of which file it was: it never stands
    for another recording.

    Raises:
        AudioError: the recording cannot be read whole.
        OSError: the disk is full, or the folder cannot be written.
    """
    stretch = (utterance.offset_seconds, utterance.duration_seconds, utterance.byte_span, sample_rate)
    source = f"{utterance.id} {utterance.audio_path.resolve()} {stretch}"
    digest = hashlib.sha256(source.encode(errors="surrogateescape")).hexdigest()[:12]
    name = re.sub(r"[^\w.-]", "_", utterance.id, flags=re.ASCII)[:_NAME_LENGTH]
    return stored_as_wav(utterance, folder / f"{name}-{digest}.wav", sample_rate)
