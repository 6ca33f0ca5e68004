"""How `tag`, `classify` and `evaluate` tell what is meant."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ctcasr.errors import ConfigError

if TYPE_CHECKING:
    from ctcasr.runtime.understanding import Meaning, Slot

STDIN = "-"

UnderstandingModel = Annotated[
    str, typer.Option("-m", "--model", help="Bundle of a network trained with task.head tags, crf or label.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")]


def read_texts(arguments: Sequence[str]) -> list[str]:
    """Return the texts that arguments stand for: themselves, or for `-` the lines of standard input.

    Raises:
        ConfigError: there is none, or standard input is named twice.
    """
    if sum(argument == STDIN for argument in arguments) > 1:
        raise ConfigError("standard input (-) is named twice, and can be read once; leave one out")
    texts: list[str] = []
    for argument in arguments:
        lines = [line.strip() for line in sys.stdin] if argument == STDIN else [argument]
        texts += [line for line in lines if line or argument != STDIN]
    if not texts:
        raise ConfigError("standard input has no text; give a sentence a line")
    return texts


def bracketed(meaning: Meaning) -> str:
    """Return the words, those of a slot in brackets behind its kind, and the label in front where there is one."""
    words = list(meaning.words)
    for slot in meaning.slots:
        words[slot.start] = f"[{slot.kind} {words[slot.start]}"
        words[slot.end - 1] += "]"
    text = " ".join(words)
    return f"{meaning.label}\t{text}" if meaning.label else text


def meaning_fields(meaning: Meaning) -> dict[str, Any]:
    """Return what JSON says of a meaning."""
    fields: dict[str, Any] = {}
    if meaning.label:
        fields |= {"label": meaning.label, "confidence": round(meaning.confidence, 4)}
    if meaning.tags:
        fields |= {"tags": " ".join(meaning.tags), "slots": [slot_fields(slot) for slot in meaning.slots]}
    return fields


def slot_fields(slot: Slot) -> dict[str, Any]:
    """Return what JSON says of a slot: words from `start` on, before `end`."""
    return {
        "slot": slot.kind,
        "text": slot.text,
        "start_word": slot.start,
        "end_word": slot.end,
        "confidence": round(slot.confidence, 4),
    }


def as_line(fields: dict[str, Any]) -> str:
    """Return a JSON object on one line."""
    return json.dumps(fields, ensure_ascii=False)
