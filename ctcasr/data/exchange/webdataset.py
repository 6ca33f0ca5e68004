"""WebDataset's shards: tar files in which the names of a recording and of its text differ in the suffix alone."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ctcasr import audio
from ctcasr.audio import AUDIO_SUFFIXES
from ctcasr.data.exchange.settings import ImportSettings, add
from ctcasr.data.manifest import Utterance, parse_utterance
from ctcasr.data.recordings import recording
from ctcasr.errors import AudioError, DataError

_TEXTS = ("txt", "text", "transcript")
"""Members, and else fields of a `.json` member, that hold a transcript."""


def read_webdataset(source: Path, _: ImportSettings) -> list[Utterance]:
    """Read a folder of WebDataset's tar files: `KEY.flac` (or another format), and `KEY.json` or `KEY.txt`.

    The JSON holds `text` (or `transcript`), `duration` in seconds, and as it likes `id`, `speaker` and `words`;
    the duration of a recording without it is looked up. Recordings stay where they are.

    Raises:
        DataError: there is no tar file, one is damaged, or a recording has no text; names the file and the member.
    """
    paths = sorted(source.glob("*.tar"))
    if not paths:
        raise DataError(f"{source}: holds no *.tar, expected shards of WebDataset; check the path")
    found: dict[str, Utterance] = {}
    for path in paths:
        try:
            with tarfile.open(path, "r:") as tar:
                for name, members in _samples(tar):
                    add(found, _utterance(tar, path, name, members))
        except (OSError, tarfile.TarError) as error:
            raise DataError(f"{path}: cannot be read as a tar file ({error}); copy it again") from error
    return list(found.values())


def _samples(tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
    """Yield the members of each key, by suffix; they follow one another."""
    name = ""
    members: dict[str, tarfile.TarInfo] = {}
    for member in tar:
        if not member.isfile():
            continue
        folder, _, base = member.name.rpartition("/")
        stem, _, suffix = base.partition(".")
        if (key := f"{folder}/{stem}") != name and members:
            yield name, members
            members = {}
        name = key
        members[suffix.lower()] = member
    if members:
        yield name, members


def _utterance(tar: tarfile.TarFile, path: Path, name: str, members: dict[str, tarfile.TarInfo]) -> Utterance:
    where = f"{path.name}:{name.lstrip('/')}"
    sounds = [member for suffix, member in members.items() if f".{suffix}" in AUDIO_SUFFIXES]
    if len(sounds) != 1:
        raise DataError(
            f"{path.parent / where}: has {len(sounds)} recordings, expected one; make the shards anew"
        )
    try:
        known = json.loads(_text(tar, members["json"])) if "json" in members else {}
        texts = [_text(tar, members[suffix]).strip() for suffix in _TEXTS if suffix in members]
        texts += [known[field] for field in _TEXTS if field in known]
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{path.parent / where}: its text cannot be read ({error}); expected UTF-8, JSON an object"
        ) from error
    if not texts:
        raise DataError(
            f"{path.parent / where}: has no text, expected a member .json or .txt; make the shards anew"
        )
    fields = {"id": f"{path.stem}-{name.lstrip('/')}", "duration": 1.0, **known, "text": texts[0]}
    fields |= {"audio_filepath": path.name, "offset": 0, "bytes": [sounds[0].offset_data, sounds[0].size]}
    utterance = parse_utterance(json.dumps(fields), path, where)
    if "duration" in known:
        return utterance
    try:
        with recording(utterance) as sound:
            return replace(utterance, duration_seconds=audio.probe(sound).duration_seconds)
    except AudioError as error:
        raise DataError(f"{utterance}: {error}") from error


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    content = tar.extractfile(member)
    assert content is not None  # as for all regular files
    return content.read().decode()
