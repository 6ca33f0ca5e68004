"""Tables with a header: CSV, and Common Voice's TSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from ctcasr.data.exchange.settings import ImportSettings, add, utterance
from ctcasr.data.manifest import Utterance
from ctcasr.errors import DataError
from ctcasr.text.lines import read_lines

AUDIO_COLUMNS = ("audio_filepath", "audio", "path", "file", "filename", "file_name", "wav_filename", "wav")
TEXT_COLUMNS = ("text", "sentence", "transcript", "transcription")
SPEAKER_COLUMNS = ("speaker", "speaker_id", "client_id", "spk_id")


def read_csv(source: Path, _: ImportSettings) -> list[Utterance]:
    """Read a table with commas, a header, and quotes around what holds a comma; paths are relative to it.

    Columns are found by their usual names (`AUDIO_COLUMNS`, `TEXT_COLUMNS`, `SPEAKER_COLUMNS`, and `id`).

    Raises:
        DataError: a column is missing, or a line has no readable audio; names file and line.
    """
    return _read(source, ",", source.parent)


def read_common_voice(source: Path, _: ImportSettings) -> list[Utterance]:
    """Read one of Common Voice's lists, such as `train.tsv`; the recordings lie in `clips` beside it.

    Raises:
        DataError: as `read_csv`.
    """
    return _read(source, "\t", source.parent / "clips")


def write_csv(path: Path, utterances: Sequence[Utterance]) -> None:
    """Write a table of whole files.

    Raises:
        DataError: an utterance is a part of a longer recording, which a table of files cannot say.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "audio_filepath", "duration", "text", "speaker"])
        for item in utterances:
            if item.offset_seconds:
                raise DataError(
                    f"{item}: begins within its recording, which a table cannot say; cut the recordings"
                )
            writer.writerow(
                [
                    item.id,
                    item.audio_path.resolve(),
                    f"{item.duration_seconds:.6f}",
                    item.text,
                    item.speaker or "",
                ]
            )


def _read(source: Path, delimiter: str, folder: Path) -> list[Utterance]:
    numbered = list(read_lines(source))
    if not numbered:
        raise DataError(f"{source}: is empty, expected a line of column names; check the path")
    # Common Voice quotes nothing, and a sentence of it may begin with a quote.
    parsed = [
        (where, line.split(delimiter) if delimiter == "\t" else next(csv.reader([line])))
        for where, line in numbered
    ]
    names = [name.strip().lower() for name in parsed[0][1]]
    audio, text = _column(names, AUDIO_COLUMNS, source), _column(names, TEXT_COLUMNS, source)
    found: dict[str, Utterance] = {}
    for where, fields in parsed[1:]:
        if len(fields) != len(names):
            raise DataError(
                f"{where}: {len(fields)} fields, expected the {len(names)} of the header; quote commas"
            )
        row = dict(zip(names, (field.strip() for field in fields), strict=True))
        speaker = next((row[name] for name in SPEAKER_COLUMNS if row.get(name)), None)
        path = folder / row[audio]
        add(found, utterance(row.get("id") or path.stem, path, row[text], where, speaker))
    return list(found.values())


def _column(names: Sequence[str], wanted: Sequence[str], source: Path) -> str:
    for name in wanted:
        if name in names:
            return name
    raise DataError(
        f"{source}: has the columns {', '.join(names)}, expected one of {', '.join(wanted)}; rename a column"
    )
