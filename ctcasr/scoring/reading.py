"""Reading of transcript files: Kaldi text, NIST trn, ctm and stm, JSON lines."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ctcasr.errors import DataError
from ctcasr.scoring.timed import by_recording, by_segment, read_ctm, read_stm, speakers_of
from ctcasr.text.lines import read_lines

# Blanks are the space and the tab only, so that an id may hold any other character.
_KALDI_LINE = re.compile(r"(?P<id>[^ \t]+)(?:[ \t]+(?P<text>.*))?", re.DOTALL)
_TRN_LINE = re.compile(r"(?:(?P<text>.*)[ \t])?[ \t]*\((?P<id>[^() \t]+)\)[ \t]*", re.DOTALL)


def read_texts(path: str | Path) -> dict[str, str]:
    r"""Read the transcripts of a file, keyed by utterance id.

    The suffix of the file says what its lines are:

    - `.trn` (NIST): `words... (id)`. Alternations (`{ a / @ }`) are not interpreted: each of their symbols is
      a word like any other.
    - `.jsonl`: objects with a string `text`, and a string `id` or, if there is none, an `audio_filepath`
      whose stem (`wavs/utt-1.flac` -> `utt-1`) is the id. Other keys are ignored, so a manifest is read as
      it is.
    - `.ctm` and `.stm` (NIST): words and segments with times; the id is the name of the recording, and its
      words stand in the order of their times (see `ctcasr.scoring.timed`).
    - any other suffix (Kaldi): `id words...`.

    The file is UTF-8, with or without a byte order mark, and its lines end in `\n` or `\r\n`. Blank lines are
    skipped. An id with nothing after it is an empty transcript. White space around a transcript is dropped.

    Args:
        path: the file to read.

    Returns:
        The transcripts, in the order of the file.

    Raises:
        DataError: the file cannot be read, or a line is not UTF-8, has no id, has an id that an earlier line
            has, or cannot be parsed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".ctm":
        return by_recording(read_ctm(path), path)
    if suffix == ".stm":
        return by_recording(read_stm(path), path)
    parse_line = {".trn": _parse_trn, ".jsonl": _parse_json}.get(suffix, _parse_kaldi)
    texts: dict[str, str] = {}
    places: dict[str, str] = {}
    for where, line in read_lines(path):
        utterance_id, text = parse_line(line, where)
        if utterance_id in texts:
            raise DataError(
                f"{where}: the id {utterance_id!r} is already on line {places[utterance_id].rpartition(':')[2]}, "
                "expected every id once; rename or drop one of the two"
            )
        texts[utterance_id] = text.strip()
        places[utterance_id] = where
    return texts


def read_pair(reference: Path, hypothesis: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Read references and hypotheses that are to be scored against each other.

    Each is read by `read_texts`, except that the words of a `.ctm` hypothesis are handed to the segments of an
    `.stm` reference by their times.

    Raises:
        DataError: as `read_texts`.
    """
    if (reference.suffix.lower(), hypothesis.suffix.lower()) == (".stm", ".ctm"):
        return by_segment(read_stm(reference), read_ctm(hypothesis))
    return read_texts(reference), read_texts(hypothesis)


def read_speakers(path: Path) -> dict[str, str]:
    """Read who speaks in which utterance.

    A manifest (`.jsonl`) says it in `speaker`, an `.stm` in its third field; any other file is Kaldi's
    `utt2spk`, `id speaker` a line. Utterances of a manifest that name no speaker are left out.

    Raises:
        DataError: the file cannot be read or a line cannot be parsed.
    """
    suffix = path.suffix.lower()
    if suffix == ".stm":
        return dict(speakers_of(read_stm(path)))
    speakers = {}
    for where, line in read_lines(path):
        if suffix == ".jsonl":
            entry = _json_object(line, where)
            speaker = entry.get("speaker")
            if isinstance(speaker, str) and speaker:
                speakers[_json_id(entry, where)] = speaker
        else:
            utterance_id, speaker = _parse_kaldi(line, where)
            if len(speaker.split()) != 1:
                raise DataError(f"{where}: found {line!r}, expected `id speaker`; give each id one speaker")
            speakers[utterance_id] = speaker.strip()
    return speakers


def _parse_kaldi(line: str, where: str) -> tuple[str, str]:
    match = _KALDI_LINE.fullmatch(line)
    if match is None:
        raise DataError(
            f"{where}: the line begins with white space, so it has no id, expected `id words...`; "
            "put the id first"
        )
    return match["id"], match["text"] or ""


def _parse_trn(line: str, where: str) -> tuple[str, str]:
    match = _TRN_LINE.fullmatch(line)
    if match is None:
        raise DataError(
            f"{where}: the line ends in {line[-20:]!r}, expected `words... (id)` with an id without blanks "
            "or parentheses; put the id last"
        )
    return match["id"], match["text"] or ""


def _parse_json(line: str, where: str) -> tuple[str, str]:
    entry = _json_object(line, where)
    utterance_id = _json_id(entry, where)
    text = entry.get("text")
    if not isinstance(text, str):
        found = _json_kind(text) if "text" in entry else "missing"
        raise DataError(
            f"{where}: `text` of {utterance_id!r} is {found}, expected a string; "
            'add it ("" for an empty transcript)'
        )
    return utterance_id, text


def _json_object(line: str, where: str) -> dict[str, object]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error}); write one object a line") from error
    if not isinstance(entry, dict):
        raise DataError(f"{where}: found {_json_kind(entry)}, expected an object; write one object a line")
    return entry


def _json_id(entry: dict[str, object], where: str) -> str:
    """Return the `id` of an object, or else the stem of its `audio_filepath`."""
    key = "id" if entry.get("id") is not None else "audio_filepath"
    value = entry.get(key)
    if value is None:
        raise DataError(f"{where}: neither `id` nor `audio_filepath`, expected one of them; add an `id`")
    if not isinstance(value, str):
        raise DataError(f"{where}: `{key}` is {_json_kind(value)}, expected a string; put it in quotes")
    utterance_id = value if key == "id" else Path(value).stem
    if not utterance_id.strip():
        raise DataError(f"{where}: `{key}` is {value!r}, which gives no id; add an `id` that is not blank")
    return utterance_id


def _json_kind(value: object) -> str:
    """Name what a JSON value is, for a message."""
    if value is None:
        return "null"
    names = {bool: "a truth value", int: "a number", float: "a number", str: "a string", list: "a list"}
    return names.get(type(value), "an object")
