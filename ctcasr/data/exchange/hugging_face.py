"""Hugging Face datasets that were saved to a folder."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from ctcasr.data.exchange.settings import ImportSettings, add, utterance
from ctcasr.data.exchange.tables import SPEAKER_COLUMNS, TEXT_COLUMNS
from ctcasr.data.manifest import Utterance
from ctcasr.errors import ConfigError, DataError


def read_hugging_face(source: Path, settings: ImportSettings) -> list[Utterance]:
    """Read a dataset that `save_to_disk` wrote, with an Audio column and a text column; a DatasetDict part by part.

    Sound that is stored in the dataset is written as it is to `audio` in the output folder.

    Raises:
        ConfigError: datasets is not installed.
        DataError: the folder is no dataset, or a column is missing.
    """
    try:
        datasets = importlib.import_module("datasets")
    except ModuleNotFoundError as error:
        raise ConfigError("this needs datasets; install it with `pip install 'ctcasr[corpora]'`") from error
    try:
        loaded = datasets.load_from_disk(str(source))
    except Exception as error:  # whatever its readers raise
        raise DataError(f"{source}: is no saved dataset ({error}); save it with save_to_disk") from error
    parts = loaded.items() if isinstance(loaded, datasets.DatasetDict) else [("", loaded)]
    found: dict[str, Utterance] = {}
    for name, part in parts:
        for row in _rows(datasets, name, part, source, settings):
            add(found, row)
    return list(found.values())


def _rows(datasets: Any, name: str, part: Any, source: Path, settings: ImportSettings) -> list[Utterance]:
    audio = next((key for key, kind in part.features.items() if isinstance(kind, datasets.Audio)), None)
    text = next((key for key in TEXT_COLUMNS if key in part.features), None)
    if audio is None or text is None:
        raise DataError(
            f"{source}: has the columns {', '.join(part.features)}, expected one of type Audio and one named "
            f"{', '.join(TEXT_COLUMNS)}; rename or cast a column"
        )
    speaker = next((key for key in SPEAKER_COLUMNS if key in part.features), None)
    rows = []
    # Undecoded: decoding needs libraries of its own, and the bytes are what is wanted.
    for number, row in enumerate(part.cast_column(audio, datasets.Audio(decode=False))):
        where = f"{source.name}{':' + name if name else ''}:{number}"
        stored = row[audio]
        stem = Path(stored["path"] or f"{number}.wav")
        identity = str(row.get("id") or f"{name + '-' if name else ''}{number:06d}-{stem.stem}")
        path = Path(stored["path"] or "")
        if stored["bytes"] is not None:
            path = settings.output / "audio" / f"{identity.replace('/', '_')}{stem.suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(stored["bytes"])
        said = None if speaker is None or row[speaker] is None else str(row[speaker])
        rows.append(utterance(identity, path, row[text] or "", where, said))
    return rows
