"""NeMo's manifests, which are ours without ids."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ctcasr.data.exchange.settings import ImportSettings, add
from ctcasr.data.manifest import Utterance, parse_utterance
from ctcasr.errors import DataError
from ctcasr.text.lines import read_lines


def read_nemo(source: Path, _: ImportSettings) -> list[Utterance]:
    """Read a manifest of NeMo; utterances of the same file name, or of one file, get numbers behind their ids.

    Raises:
        DataError: the file cannot be read or lists nothing, or a line is no utterance; names file and line.
    """
    found: dict[str, Utterance] = {}
    for where, line in read_lines(source):
        utterance = parse_utterance(line, source, f"{source.name}:{where.rpartition(':')[2]}")
        identity, number = utterance.id, 2
        while identity in found:
            identity, number = f"{utterance.id}-{number}", number + 1
        add(found, replace(utterance, id=identity))
    if not found:
        raise DataError(f"{source}: lists no utterance, expected one JSON object a line; check the path")
    return list(found.values())
