"""Kaldi's data folders: wav.scp, text, and if there are any segments and utt2spk."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ctcasr.data.exchange.settings import ImportSettings, add, seconds_of
from ctcasr.data.manifest import Utterance
from ctcasr.errors import DataError
from ctcasr.text.lines import read_lines

Table = dict[str, tuple[str, str]]
"""The place and the rest of the line, by the first field."""


def read_kaldi(source: Path, settings: ImportSettings) -> list[Utterance]:
    """Read a data folder.

    Paths in wav.scp are relative to the folder that Kaldi was run in, or else to the data folder. A line that ends
    in `|` is a command whose output is the audio; it is run only if the settings allow it.

    Raises:
        DataError: a table is missing or contradicts another; names file and line.
    """
    recordings, texts = _table(source / "wav.scp"), _table(source / "text")
    speakers = _table(source / "utt2spk") if (source / "utt2spk").exists() else {}
    segments = _table(source / "segments") if (source / "segments").exists() else None
    files = {name: _audio(name, *entry, settings) for name, entry in recordings.items()}
    found: dict[str, Utterance] = {}
    for identity, (where, text) in texts.items():
        start, end, recording = 0.0, None, identity
        if segments is not None:
            if identity not in segments:
                raise DataError(
                    f"{where}: {identity} is not in segments, expected every utterance of text there"
                )
            recording, start, end = _segment(*segments[identity])
        if recording not in files:
            raise DataError(
                f"{where}: {identity} has no recording {recording} in wav.scp; add it or drop the line"
            )
        seconds = seconds_of(files[recording], recordings[recording][0])
        add(
            found,
            Utterance(
                id=identity,
                audio_path=files[recording],
                duration_seconds=(seconds if end is None else end) - start,
                text=text,
                offset_seconds=start,
                speaker=speakers[identity][1] if identity in speakers else None,
                where=where,
            ),
        )
    return list(found.values())


def write_kaldi(folder: Path, utterances: Sequence[Utterance]) -> None:
    """Write a data folder, sorted as Kaldi wants it; utterances without a speaker are speakers of their own.

    Raises:
        DataError: an id or a speaker holds white space, which Kaldi's tables cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for utterance in utterances:
        for name in (utterance.id, utterance.speaker or "x"):
            if len(name.split()) != 1 or name != name.strip():
                raise DataError(
                    f"{utterance}: {name!r} holds white space, which Kaldi's tables cannot; rename it"
                )
    names = {
        path: f"rec{number:07d}" for number, path in enumerate(sorted({u.audio_path for u in utterances}))
    }
    tables: dict[str, list[str]] = {"wav.scp": [f"{name} {path.resolve()}" for path, name in names.items()]}
    tables["text"] = [f"{u.id} {u.text}".rstrip() for u in utterances]
    tables["utt2spk"] = [f"{u.id} {u.speaker or u.id}" for u in utterances]
    tables["segments"] = [
        f"{u.id} {names[u.audio_path]} {u.offset_seconds:.6f} {u.offset_seconds + u.duration_seconds:.6f}"
        for u in utterances
    ]
    for name, lines in tables.items():
        ordered = sorted(lines, key=lambda line: line.split(" ", 1)[0].encode())
        (folder / name).write_text("".join(f"{line}\n" for line in ordered), encoding="utf-8")


def _table(path: Path) -> Table:
    table: Table = {}
    for where, line in read_lines(path):
        key, *rest = line.split()
        if key in table:
            raise DataError(f"{where}: {key} stands already in {table[key][0]}; keep one of the two")
        table[key] = where, " ".join(rest)
    return table


def _audio(name: str, where: str, entry: str, settings: ImportSettings) -> Path:
    """Return the file of a recording, running its command if there is one and that is allowed."""
    if not entry:
        raise DataError(f"{where}: {name} has no path, expected `id path`; add it")
    if not entry.endswith("|"):
        path = Path(entry)
        beside = Path(where.rpartition(":")[0]).parent / path
        return beside if not path.exists() and beside.exists() else path
    if not settings.allow_pipes:
        raise DataError(
            f"{where}: {name} is the output of a command ({entry[:60]}), which is not run unasked; read it, then allow "
            "it with --allow-pipes"
        )
    path = settings.output / "audio" / f"{name.replace('/', '_')}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(entry[:-1], shell=True, capture_output=True, check=False)
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no output"]
        raise DataError(f"{where}: the command of {name} failed ({said[0]}); run it by hand")
    path.write_bytes(done.stdout)
    return path


def _segment(where: str, entry: str) -> tuple[str, float, float | None]:
    """Return recording, start and end of a line of segments; an end of -1 is that of the recording."""
    fields = entry.split()
    try:
        recording, start, end = fields[0], float(fields[1]), float(fields[2])
    except (IndexError, ValueError):
        raise DataError(
            f"{where}: found {entry!r}, expected `id recording start end`; correct the line"
        ) from None
    if not (math.isfinite(start) and start >= 0 and (end == -1 or start < end < math.inf)):
        raise DataError(
            f"{where}: a segment from {start} to {end} s, expected 0 <= start < end; correct the line"
        )
    return recording, start, None if end == -1 else end
