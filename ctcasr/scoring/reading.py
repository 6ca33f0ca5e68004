"""Reading of transcript files: Kaldi text, NIST trn and JSON lines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from ctcasr.errors import DataError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

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
    - any other suffix (Kaldi): `id words...`.

    The file is UTF-8, with or without a byte order mark, and its lines end in `\n` or `\r\n`. Blank lines are
    skipped. An id with nothing after it is an empty transcript. White space around a transcript is dropped.

    Args:
        path: the file to read.

    Returns:
        The transcripts, in the order of the file.

    Raises:
        DataError: the file cannot be read or is of a kind that is not read (`.ctm`, `.stm`), or a line is not
            UTF-8, has no id, has an id that an earlier line has, or cannot be parsed.
    """
    path = Path(path)
    parse_line = _parser_for(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error

    texts: dict[str, str] = {}
    lines_of_ids: dict[str, int] = {}
    # Split before decoding, so that an encoding error can name its line, and at \n alone: str.splitlines
    # would also split at characters such as U+2028 that may stand in a transcript.
    for number, line_bytes in enumerate(content.removeprefix(_BYTE_ORDER_MARK).split(b"\n"), start=1):
        where = f"{path}:{number}"
        line = _decode(line_bytes.removesuffix(b"\r"), where)
        if not line.strip():
            continue
        utterance_id, text = parse_line(line, where)
        if utterance_id in texts:
            raise DataError(
                f"{where}: the id {utterance_id!r} is already on line {lines_of_ids[utterance_id]}, expected "
                "every id once; rename or drop one of the two"
            )
        texts[utterance_id] = text.strip()
        lines_of_ids[utterance_id] = number
    return texts


def _parser_for(path: Path) -> Callable[[str, str], tuple[str, str]]:
    """Return the parser of the lines of a file: takes a line and its place, gives an id and a text."""
    suffix = path.suffix.lower()
    if suffix in (".ctm", ".stm"):
        # Read as Kaldi text, their times and channels would count as correct words.
        raise DataError(
            f"{path}: {suffix} files have times, which are not scored, expected Kaldi text, .trn or .jsonl; "
            "convert the file"
        )
    if suffix == ".trn":
        return _parse_trn
    if suffix == ".jsonl":
        return _parse_json
    return _parse_kaldi


def _decode(line: bytes, where: str) -> str:
    """Decode a line, strictly."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: byte {error.start + 1} of the line is {line[error.start]:#04x}, expected UTF-8; "
            "convert the file to UTF-8"
        ) from error


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
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not JSON ({error}); write one object a line") from error
    if not isinstance(entry, dict):
        raise DataError(f"{where}: found {_json_kind(entry)}, expected an object; write one object a line")
    utterance_id = _json_id(entry, where)
    text = entry.get("text")
    if not isinstance(text, str):
        found = _json_kind(text) if "text" in entry else "missing"
        raise DataError(
            f"{where}: `text` of {utterance_id!r} is {found}, expected a string; "
            'add it ("" for an empty transcript)'
        )
    return utterance_id, text


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
