"""Sentences and the JSON-lines manifests that list them: text, a tag for each word, a label of the whole."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctcasr.data.manifest import field_of, parse_object, read_listed
from ctcasr.errors import DataError


@dataclass(frozen=True)
class Sentence:
    """Words and, where known, the tag of each and the label of them all.

    Attributes:
        id: unlike that of all others.
        words: of the text, at least one.
        tags: one for each word, such as `B-city`, `I-city`, `O`.
        label: such as the speaker's intent.
        where: the sentence was listed, as `file:line`, for messages.
    """

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...] | None = None
    label: str | None = None
    where: str = ""

    def __str__(self) -> str:
        return f"{self.id} ({self.where})" if self.where else self.id


def read_sentences(path: Path) -> list[Sentence]:
    """Read a manifest of sentences: one JSON object a line with a `text`, whose words are parted by spaces.

    `tags` (as many as words, parted by spaces), `label` and `id` (default: the number of the line) are optional;
    other fields are ignored.

    Raises:
        DataError: the file is unreadable or empty, or a line is not such an object or repeats an id.
    """
    return read_listed(path, _parse)


def _parse(line: str, path: Path, where: str) -> Sentence:
    place = path.parent / where
    fields = parse_object(line, place)
    words = tuple(field_of(fields, "text", str, place).split())
    if not words:
        raise DataError(f"{place}: `text` has no words; leave the line out")
    tags = field_of(fields, "tags", str, place, None)
    if tags is not None and len(tags.split()) != len(words):
        raise DataError(
            f"{place}: {len(tags.split())} tags for {len(words)} words; expected one for each word"
        )
    return Sentence(
        id=field_of(fields, "id", str, place, where.rpartition(":")[2]),
        words=words,
        tags=None if tags is None else tuple(tags.split()),
        label=field_of(fields, "label", str, place, None),
        where=where,
    )


def write_sentences(path: Path, sentences: Iterable[Sentence]) -> None:
    """Write a manifest of sentences; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        for sentence in sentences:
            fields: dict[str, Any] = {"id": sentence.id, "text": " ".join(sentence.words)}
            if sentence.tags is not None:
                fields["tags"] = " ".join(sentence.tags)
            if sentence.label is not None:
                fields["label"] = sentence.label
            file.write(json.dumps(fields, ensure_ascii=False) + "\n")
    temporary.replace(path)
