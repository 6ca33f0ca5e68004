"""Formats in which transcripts are written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ctcasr.errors import ConfigError, CtcAsrError
from ctcasr.runtime.transcript import Transcript


def as_text(transcript: Transcript) -> str:
    """Return the words on one line."""
    return transcript.text


def as_json(transcript: Transcript) -> str:
    """Return one JSON object on one line: text, confidence, words with times in seconds, alternatives if any."""
    fields: dict[str, object] = {
        "id": transcript.id,
        "audio_filepath": transcript.audio_path,
        "duration": round(transcript.duration_seconds, 3),
        "text": transcript.text,
        "confidence": round(transcript.confidence, 4),
        "words": [
            {
                "word": word.text,
                "start": round(word.start_seconds, 3),
                "end": round(word.end_seconds, 3),
                "confidence": round(word.confidence, 4),
                **({"hot": True} if word.is_hot else {}),
            }
            for word in transcript.words
        ],
    }
    if transcript.alternatives:
        fields["nbest"] = [
            {
                "text": other.text,
                "log_prob": round(other.log_prob, 4),
                "acoustic_log_prob": round(other.acoustic_log_prob, 4),
                "lm_log_prob": round(other.lm_log_prob, 4),
            }
            for other in transcript.alternatives
        ]
    return json.dumps(fields, ensure_ascii=False)


FORMATS: dict[str, Callable[[Transcript], str]] = {"txt": as_text, "json": as_json}
"""Writers by name, which is also the suffix of the files."""


class DistinctNames:
    """Tell recordings of the same name apart: `x` and `x` become `x` and `x-2`.

    Names count as the same if they differ in upper and lower case only, or in white space or slashes against
    underscores: as names of files, or as ids in lines of text, they would be the same.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        """Return the name, with a number behind it where it was given before."""
        distinct, number = name, self._last.get(_key(name), 1)
        while _key(distinct) in self._last:
            number += 1
            distinct = f"{name}-{number}"
        self._last[_key(name)] = number
        self._last.setdefault(_key(distinct), 1)
        return distinct


def _key(name: str) -> str:
    return "_".join(name.replace("/", "_").split()).casefold()


class OutputFolder:
    """Write one file a transcript; each appears whole or not at all, and none replaces another of the same run."""

    def __init__(self, folder: Path, form: str) -> None:
        """Make the folder, where there is none.

        Raises:
            ConfigError: it cannot be made.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{folder}: cannot be made a folder ({error.strerror}); choose another folder for the output"
            ) from error
        self._folder, self._form = folder, form
        self._distinct = DistinctNames()

    def write(self, transcript: Transcript) -> Path:
        """Write a transcript as `<id>.<format>`; a second recording of the same name becomes `<id>-2`.

        A slash in the id of an utterance becomes an underscore.

        Raises:
            CtcAsrError: the file cannot be written.
        """
        stem = self._distinct(transcript.id.replace("/", "_"))
        path = self._folder / f"{stem}.{self._form}"
        temporary = self._folder / f".{os.getpid()}.tmp"  # short: the name may be as long as names can be
        text = FORMATS[self._form](transcript) + "\n"
        try:
            # A path that is no Unicode is escaped, which is what JSON wants.
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise CtcAsrError(f"{path}: cannot be written ({error.strerror})") from error
        return path
