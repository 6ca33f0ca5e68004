"""Shards: tar files of many recordings each, which disks far away and large corpora read better than single files."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ctcasr import audio
from ctcasr.audio.encoding import encoded
from ctcasr.data.manifest import INDEX, Utterance, write_manifest
from ctcasr.data.recordings import recording
from ctcasr.errors import AudioError, DataError

_COMPRESSED = {"FLAC": ".flac", "OGG": ".ogg", "MP3": ".mp3"}
_NARROW = frozenset({"PCM_16", "PCM_S8", "PCM_U8", "ULAW", "ALAW"})
"""Encodings whose samples 16 bits hold exactly."""
_TOLERANCE_SECONDS = 1e-3


@dataclass(frozen=True)
class ShardSettings:
    """How shards are cut.

    Attributes:
        megabytes: about as large is each, in millions of bytes.
        seed: of the order in which the utterances are dealt out, so that each shard is a sample of the corpus.
    """

    megabytes: float = 256
    seed: int = 0


def write_shards(utterances: Sequence[Utterance], folder: Path, settings: ShardSettings) -> list[Utterance]:
    """Write utterances into tar files `shard-000000.tar`, ..., and an index that is a manifest.

    The names inside are WebDataset's: `00000000.flac` and `00000000.json` are the recording of an utterance and what
    is known of it. Recordings that are compressed already are copied; others, and segments of longer ones, become
    FLAC, which loses nothing. The index is written last: a folder that has one is whole.

    Returns:
        The utterances as the index lists them.

    Raises:
        DataError: the folder has an index already, or a recording cannot be read; names its utterance.
        OSError: the disk is full.
    """
    if (folder / INDEX).exists():
        raise DataError(f"{folder}: has shards already; choose another folder, or remove it first")
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(settings.seed).permutation(len(utterances)).tolist()
    remaining = iter(enumerate(utterances[number] for number in order))
    written: list[Utterance] = []
    for number in range(len(utterances)):
        path = folder / f"shard-{number:06d}.tar"
        found = _write_shard(path, remaining, settings.megabytes * 1e6)
        if not found:
            break
        written += found
    write_manifest(folder / INDEX, written)
    return written


def _write_shard(
    path: Path, remaining: Iterator[tuple[int, Utterance]], most_bytes: float
) -> list[Utterance]:
    """Write utterances until a shard is as large as wanted, or none is left; no file if there was none."""
    written = []
    temporary = path.with_name(path.name + ".tmp")
    try:
        with (
            temporary.open("wb") as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for number, utterance in remaining:
                written.append(
                    _add(tar, file, f"{number:08d}", replace(utterance, audio_path=path), utterance)
                )
                if file.tell() >= most_bytes:
                    break
        if written:
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return written


def _add(tar: tarfile.TarFile, file: BinaryIO, key: str, listed: Utterance, source: Utterance) -> Utterance:
    """Add the recording and the fields of an utterance; return it with the place of its recording."""
    try:
        content, suffix = _content(source)
    except AudioError as error:
        raise DataError(f"{source}: {error}") from error
    fields: dict[str, Any] = {
        "id": source.id,
        "duration": round(source.duration_seconds, 6),
        "text": source.text,
    }
    if source.speaker is not None:
        fields["speaker"] = source.speaker
    if source.words is not None:
        fields["words"] = source.words
    first = file.tell() + tarfile.BLOCKSIZE  # behind the header
    _add_member(tar, key + suffix, content)
    _add_member(tar, key + ".json", json.dumps(fields, ensure_ascii=False).encode())
    return replace(listed, byte_span=(first, len(content)), offset_seconds=0.0)


def _add_member(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)  # of nobody, in 1970: the same corpus gives the same shards
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _content(utterance: Utterance) -> tuple[bytes, str]:
    """Return what stands in the shard for an utterance's recording, and the suffix of its format."""
    with recording(utterance) as path:
        info = audio.probe(path)
        is_whole = (
            utterance.offset_seconds == 0
            and abs(utterance.duration_seconds - info.duration_seconds) < _TOLERANCE_SECONDS
        )
        if is_whole and info.container in _COMPRESSED:
            return path.read_bytes(), _COMPRESSED[info.container]
        waveform = audio.load(
            path,
            info.sample_rate,
            offset_seconds=utterance.offset_seconds,
            duration_seconds=utterance.duration_seconds,
        )
    bits = 16 if info.encoding in _NARROW and info.channels == 1 else 24
    return encoded(waveform, info.sample_rate, "FLAC", bits), ".flac"
