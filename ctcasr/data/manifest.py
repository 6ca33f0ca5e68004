"""Utterances and the JSON-lines manifests that list them (NeMo's field names)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ctcasr.errors import DataError

_LONGEST_SECONDS = 1e9  # thirty years: longer is a mistake, and so is infinity
INDEX = "index.jsonl"
"""The manifest of a folder of shards."""

_ROUNDING_SECONDS = 1e-3  # by so much words may overlap, or pass the end

WordTimes = tuple[tuple[float, float], ...]
ByteSpan = tuple[int, int]


@dataclass(frozen=True)
class Utterance:
    """One stretch of one recording and, where known, what is said in it, and when."""

    id: str
    audio_path: Path
    duration_seconds: float
    text: str = ""
    offset_seconds: float = 0.0
    speaker: str | None = None
    where: str = ""
    """Where the utterance was listed, as `file:line`, for messages."""
    words: WordTimes | None = None
    """Start and end of each word of the text, in seconds from the start of the utterance, as `ctcasr align` finds."""
    label: str | None = None
    """What the whole utterance is, where recordings are classified."""
    byte_span: ByteSpan | None = None
    """First byte and number of bytes of the recording in the file at `audio_path`, a shard, which holds many."""

    def __str__(self) -> str:
        return f"{self.id} ({self.where})" if self.where else self.id


class Record(Protocol):
    """What a line of a manifest describes."""

    @property
    def id(self) -> str:
        """Its name, unlike that of all others."""
        ...

    @property
    def where(self) -> str:
        """Where it was listed, as `file:line`."""
        ...


Listed = TypeVar("Listed", bound=Record)


def read_manifest(path: Path) -> list[Utterance]:
    """Read a manifest: one JSON object a line with `audio_filepath`, `duration`, `text`.

    `id` (default: the stem of the audio file), `offset` (seconds, default 0), `speaker`, `label` (of the whole
    recording), `words` (a list of `[start, end]` in seconds from the start of the utterance, one for each word of the
    text) and `bytes` (`[first, count]`, where the recording stands in a shard) are optional; other fields are
    ignored. Audio paths are relative to the manifest's folder. A folder of shards is read by its index.

    Raises:
        DataError: the file is unreadable or empty, or a line is not such an object or repeats an id.
    """
    return read_listed(path / INDEX if path.is_dir() else path, parse_utterance)


def read_listed(path: Path, parse: Callable[[str, Path, str], Listed]) -> list[Listed]:
    """Read a file of JSON lines, each of which `parse` makes a record with an `id` of its own.

    Args:
        path: of the file.
        parse: takes a line, the path, and `file:line` for messages.

    Raises:
        DataError: the file is unreadable or empty, or a line is no record or repeats an id.
    """
    try:
        # Not splitlines: a text may hold U+2028 and the like, which JSON leaves as they are.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read as UTF-8 text ({error}); expected a JSON-lines manifest"
        ) from error
    records: dict[str, Listed] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        record = parse(line, path, f"{path.name}:{number}")
        if record.id in records:
            raise DataError(
                f"{path}:{number}: the id {record.id!r} stands already in "
                f"{records[record.id].where}; give each utterance an `id` of its own"
            )
        records[record.id] = record
    if not records:
        raise DataError(f"{path}: lists no utterance; expected one JSON object a line")
    return list(records.values())


def by_shard(utterances: Sequence[Utterance]) -> list[list[int]] | None:
    """Return the numbers of utterances by the shard that they are in; None where all have files of their own."""
    groups: dict[Path | None, list[int]] = {}
    for number, utterance in enumerate(utterances):
        groups.setdefault(utterance.audio_path if utterance.byte_span else None, []).append(number)
    return None if groups.keys() == {None} else list(groups.values())


def parse_utterance(line: str, path: Path, where: str) -> Utterance:
    """Return the utterance of a line of the manifest at `path`; `where` is `file:line`, for messages.

    Raises:
        DataError: the line is not an utterance as `read_manifest` describes it.
    """
    fields = parse_object(line, path.parent / where)
    audio = field_of(fields, "audio_filepath", str, path.parent / where)
    if not audio or "\0" in audio:
        raise DataError(f"{path.parent / where}: `audio_filepath` is not a path: {audio!r}")
    name = field_of(fields, "id", str, path.parent / where, Path(audio).stem)
    if not name:
        raise DataError(f"{path.parent / where}: `id` is empty; give each utterance an `id` of its own")
    utterance = Utterance(
        id=name,
        audio_path=path.parent / audio,
        duration_seconds=_seconds(fields, "duration", path.parent / where, minimum=1e-9),
        text=field_of(fields, "text", str, path.parent / where, ""),
        offset_seconds=_seconds(fields, "offset", path.parent / where, minimum=0.0, default=0.0),
        speaker=field_of(fields, "speaker", str, path.parent / where, None),
        label=field_of(fields, "label", str, path.parent / where, None),
        where=where,
        byte_span=_byte_span(fields, path.parent / where),
    )
    spans = field_of(fields, "words", list, path.parent / where, None)
    return utterance if spans is None else replace(utterance, words=_words(spans, utterance, path.parent))


def parse_object(line: str, where: Path) -> dict[str, Any]:
    """Return the JSON object of a line.

    Raises:
        DataError: it is none.
    """
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:  # ValueError: also of an integer of thousands of digits
        raise DataError(f"{where}: not a JSON object ({error}); expected one object a line") from error
    if not isinstance(fields, dict):
        raise DataError(f"{where}: found a JSON {type(fields).__name__}; expected an object")
    return fields


def _words(spans: list[Any], utterance: Utterance, folder: Path) -> WordTimes:
    """Return the words' times, in order and within the duration to the last digit."""
    count, duration = len(utterance.text.split()), utterance.duration_seconds
    if len(spans) != count:
        raise DataError(
            f"{folder / utterance.where}: `words` has {len(spans)} entries, the text {count} words; expected as many: "
            "align the manifest again (`ctcasr align`), or leave `words` out"
        )
    words: list[tuple[float, float]] = []
    for span in spans:
        reached = words[-1][1] if words else 0.0
        if not (_is_span(span) and reached - _ROUNDING_SECONDS <= span[0]
                and span[0] <= span[1] <= duration + _ROUNDING_SECONDS):  # fmt: skip
            raise DataError(
                f"{folder / utterance.where}: word {len(words) + 1} of `words` is {span!r}; expected [start, end] in "
                f"seconds, from {reached:g}, where the word before ends, to {duration:g}, the duration"
            )
        start = min(max(float(span[0]), reached), duration)
        words.append((start, min(max(float(span[1]), start), duration)))
    return tuple(words)


def _byte_span(fields: dict[str, Any], where: Path) -> ByteSpan | None:
    span = field_of(fields, "bytes", list, where, None)
    if span is None:
        return None
    if not (_is_span(span) and all(isinstance(number, int) for number in span) and span[0] >= 0 < span[1]):
        raise DataError(
            f"{where}: `bytes` is {span!r}; expected [first, count], whole numbers, the count above 0"
        )
    return span[0], span[1]


def _is_span(value: Any) -> bool:
    """Tell whether a value is a list of two numbers."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in value)
    )


_REQUIRED = object()
_KINDS: dict[Any, str] = {str: "text", list: "list"}


def field_of(
    fields: dict[str, Any], name: str, kind: type | tuple[type, ...], where: Path, default: Any = _REQUIRED
) -> Any:
    """Return a field of a line's object.

    Args:
        fields: of the object.
        name: of the field.
        kind: types that it may have.
        where: for messages.
        default: its value where it is missing; without one it is required.

    Raises:
        DataError: it is missing, has another type, or is not Unicode text.
    """
    value = fields.get(name, default)
    if value is _REQUIRED:
        raise DataError(f"{where}: has no `{name}`; every line needs one")
    if value is not default and not isinstance(value, kind):
        raise DataError(f"{where}: `{name}` is {value!r}; expected a {_KINDS.get(kind, 'number')}")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise DataError(f"{where}: `{name}` is {value!r}, not Unicode text ({error.reason})") from error
    return value


def _seconds(
    fields: dict[str, Any], name: str, where: Path, *, minimum: float, default: Any = _REQUIRED
) -> float:
    value = field_of(fields, name, (int, float), where, default)
    if isinstance(value, bool) or not minimum <= value <= _LONGEST_SECONDS:  # NaN fails as well
        raise DataError(
            f"{where}: `{name}` is {value!r}; expected seconds, {'0 or more' if minimum == 0 else 'above 0'}"
        )
    return float(value)


def write_manifest(path: Path, utterances: Iterable[Utterance]) -> None:
    """Write a manifest with audio paths relative to its folder.

    The file appears whole or not at all.

    Raises:
        DataError: there is something else than a file in its place, such as a folder or a device.
    """
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: is no regular file; choose another name for the manifest")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        for utterance in utterances:
            fields: dict[str, Any] = {
                "id": utterance.id,
                "audio_filepath": os.path.relpath(utterance.audio_path.resolve(), path.parent.resolve()),
                "duration": round(utterance.duration_seconds, 6),
                "text": utterance.text,
            }
            if utterance.offset_seconds:
                fields["offset"] = utterance.offset_seconds
            if utterance.speaker is not None:
                fields["speaker"] = utterance.speaker
            if utterance.label is not None:
                fields["label"] = utterance.label
            if utterance.words is not None:
                fields["words"] = [[round(start, 3), round(end, 3)] for start, end in utterance.words]
            if utterance.byte_span is not None:
                fields["bytes"] = list(utterance.byte_span)
            file.write(json.dumps(fields, ensure_ascii=False) + "\n")
    temporary.replace(path)
