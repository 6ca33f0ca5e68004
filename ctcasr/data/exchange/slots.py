"""Slot-filling corpora of three parallel files: words, tags, and the intent of each sentence."""

from __future__ import annotations

from pathlib import Path

from ctcasr.data.sentences import Sentence
from ctcasr.errors import DataError
from ctcasr.text.lines import read_lines

WORDS, TAGS, INTENTS = "seq.in", "seq.out", "label"


def read_slot_folder(folder: Path) -> list[Sentence]:
    """Read a folder with `seq.in`, `seq.out` and `label`, a sentence a line, as Goo et al. (2018) published.

    Raises:
        DataError: a file is missing, or the files do not fit each other.
    """
    columns = [[line.split() for _, line in read_lines(folder / name)] for name in (WORDS, TAGS, INTENTS)]
    if len({len(column) for column in columns}) != 1:
        counts = ", ".join(f"{len(column)}" for column in columns)
        raise DataError(
            f"{folder}: {WORDS}, {TAGS} and {INTENTS} have {counts} lines; expected as many of each"
        )
    sentences = []
    for number, (words, tags, intent) in enumerate(zip(*columns, strict=True), 1):
        if not words or len(words) != len(tags) or len(intent) != 1:
            raise DataError(
                f"{folder}, line {number}: {len(words)} words, {len(tags)} tags, {len(intent)} intents; expected a "
                "tag for each word, and one intent"
            )
        sentences.append(
            Sentence(f"{folder.name}-{number}", tuple(words), tuple(tags), intent[0], f"{WORDS}:{number}")
        )
    return sentences
