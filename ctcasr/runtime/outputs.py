"""Formats in which transcripts are written, and the folder that they are written to."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ctcasr.errors import ConfigError, CtcAsrError
from ctcasr.runtime.subtitles import SubtitleLayout, subtitles
from ctcasr.runtime.timed_formats import Cue, Span, ctm, one_word, srt, textgrid, tsv, vtt
from ctcasr.runtime.transcript import Alternative, HeardMeaning, Segment, Transcript

DEFAULT_LAYOUT = SubtitleLayout()


class Writer(Protocol):
    """Makes text of a transcript, without a line break at its end."""

    def __call__(self, transcript: Transcript, layout: SubtitleLayout = DEFAULT_LAYOUT) -> str:
        """Return the text; the layout counts for subtitles only."""


def as_text(transcript: Transcript, layout: SubtitleLayout = DEFAULT_LAYOUT) -> str:  # noqa: ARG001  (Writer)
    """Return the words on one line, and below it, where they were understood, the label and a line a slot.

    A slot's line is indented and holds its kind, words, start and end in seconds, tabs between them.
    """
    meaning = transcript.meaning
    if meaning is None:
        return transcript.text
    label = [f"  {meaning.label}"] if meaning.label else []
    slots = [
        f"  {slot.kind}\t{slot.text}\t{slot.start_seconds:.2f}\t{slot.end_seconds:.2f}"
        for slot in meaning.slots
    ]
    return "\n".join([transcript.text, *label, *slots])


def as_json(transcript: Transcript, layout: SubtitleLayout = DEFAULT_LAYOUT) -> str:  # noqa: ARG001
    """Return one JSON object on one line: text, confidence, words with times in seconds, alternatives if any.

    A recording that was decoded in several segments has these too, each with its alternatives.
    """
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
    if len(transcript.segments) > 1:
        fields["segments"] = [_segment_fields(segment) for segment in transcript.segments]
    if transcript.alternatives:
        fields["nbest"] = _nbest(transcript.alternatives)
    if transcript.meaning is not None:
        fields |= _meaning_fields(transcript.meaning)
    return json.dumps(fields, ensure_ascii=False)


def _meaning_fields(meaning: HeardMeaning) -> dict[str, object]:
    label = (
        {"label": meaning.label, "label_confidence": round(meaning.confidence, 4)} if meaning.label else {}
    )
    slots = [
        {
            "slot": slot.kind,
            "text": slot.text,
            "start": round(slot.start_seconds, 3),
            "end": round(slot.end_seconds, 3),
            "confidence": round(slot.confidence, 4),
        }
        for slot in meaning.slots
    ]
    return {**label, "slots": slots}


def _segment_fields(segment: Segment) -> dict[str, object]:
    return {
        "start": round(segment.start_seconds, 3),
        "end": round(segment.end_seconds, 3),
        "text": segment.text,
        "confidence": round(segment.confidence, 4),
        **({"nbest": _nbest(segment.alternatives)} if segment.alternatives else {}),
    }


def _nbest(alternatives: Sequence[Alternative]) -> list[dict[str, object]]:
    return [
        {
            "text": other.text,
            "log_prob": round(other.log_prob, 4),
            "acoustic_log_prob": round(other.acoustic_log_prob, 4),
            "lm_log_prob": round(other.lm_log_prob, 4),
        }
        for other in alternatives
    ]


def as_ctm(transcript: Transcript, layout: SubtitleLayout = DEFAULT_LAYOUT) -> str:  # noqa: ARG001
    """Return `id channel start duration word confidence` lines, a word a line (NIST)."""
    return ctm(transcript.id, transcript.words)


def as_stm(transcript: Transcript, layout: SubtitleLayout = DEFAULT_LAYOUT) -> str:  # noqa: ARG001
    """Return `id channel speaker start end <label> words` lines, a segment a line (NIST); the speaker is the id."""
    name = one_word(transcript.id)
    return "\n".join(
        f"{name} 1 {name} {segment.start_seconds:.3f} {segment.end_seconds:.3f} <NA> {segment.text}".rstrip()
        for segment in transcript.segments
    )


def as_trn(transcript: Transcript, layout: SubtitleLayout = DEFAULT_LAYOUT) -> str:  # noqa: ARG001
    """Return `words (id)` (NIST); parentheses in the id become underscores."""
    name = one_word(transcript.id).translate(str.maketrans("()", "__"))
    return f"{transcript.text} ({name})".lstrip()


def as_textgrid(transcript: Transcript, layout: SubtitleLayout = DEFAULT_LAYOUT) -> str:  # noqa: ARG001
    """Return a TextGrid in Praat's long form: the tiers segments and words, gaps as empty intervals."""
    tiers: dict[str, Sequence[Span]] = {"segments": transcript.segments, "words": transcript.words}
    return textgrid(tiers, transcript.duration_seconds)


def cues_of(transcript: Transcript, layout: SubtitleLayout) -> list[Cue]:
    """Return the subtitles of a transcript."""
    return subtitles(transcript.words, transcript.duration_seconds, layout)


def as_srt(transcript: Transcript, layout: SubtitleLayout = DEFAULT_LAYOUT) -> str:
    """Return SubRip subtitles."""
    return srt(cues_of(transcript, layout))


def as_vtt(transcript: Transcript, layout: SubtitleLayout = DEFAULT_LAYOUT) -> str:
    """Return WebVTT subtitles."""
    return vtt(cues_of(transcript, layout))


def as_tsv(transcript: Transcript, layout: SubtitleLayout = DEFAULT_LAYOUT) -> str:
    """Return a table of the subtitles: start and end in milliseconds, and text, tabs between them."""
    return tsv(cues_of(transcript, layout))


FORMATS: dict[str, Writer] = {
    "txt": as_text,
    "json": as_json,
    "srt": as_srt,
    "vtt": as_vtt,
    "tsv": as_tsv,
    "ctm": as_ctm,
    "stm": as_stm,
    "trn": as_trn,
    "textgrid": as_textgrid,
}
"""Writers by name."""

ROWS = frozenset({"ctm", "stm"})
"""Formats without a line where nothing was recognised."""

SUFFIXES = {"textgrid": "TextGrid"}
"""Suffixes of files that are not the format's name."""

SUBTITLES = frozenset({"srt", "vtt", "tsv"})
"""Formats that a layout changes."""

LINES = frozenset({"txt", "json", "ctm", "stm", "trn"})
"""Formats of which several may follow each other in one stream."""


def as_file(transcript: Transcript, form: str, layout: SubtitleLayout = DEFAULT_LAYOUT) -> str:
    """Return what a file of the format holds; it ends in a line break, unless it is empty."""
    text = FORMATS[form](transcript, layout)
    return "" if form in ROWS and not text else text.rstrip("\n") + "\n"


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
    """Write a file a transcript and format; each appears whole or not at all, and none replaces another of this run."""

    def __init__(self, folder: Path, *forms: str, layout: SubtitleLayout = DEFAULT_LAYOUT) -> None:
        """Make the folder, where there is none.

        Args:
            folder: to write to.
            forms: names of formats.
            layout: of subtitles.

        Raises:
            ConfigError: it cannot be made.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{folder}: cannot be made a folder ({error.strerror}); choose another folder for the output"
            ) from error
        self._folder, self._forms, self._layout = folder, forms, layout
        self._distinct = DistinctNames()

    def paths(self, identity: str) -> list[Path]:
        """Return the files of a recording, `<id>.<format>`; a second recording of the same name becomes `<id>-2`.

        A slash in the id of an utterance becomes an underscore. Each call stands for another recording.
        """
        stem = self._distinct(identity.replace("/", "_"))
        return [self._folder / f"{stem}.{SUFFIXES.get(form, form)}" for form in self._forms]

    def write(self, transcript: Transcript, paths: Sequence[Path] | None = None) -> Path:
        """Write a transcript to its files, those of `paths` by default; return the first.

        Raises:
            CtcAsrError: a file cannot be written.
        """
        paths = self.paths(transcript.id) if paths is None else paths
        for path, form in zip(paths, self._forms, strict=True):
            _write(path, as_file(transcript, form, self._layout))
        return paths[0]


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{os.getpid()}.tmp")  # short: the name may be as long as names can be
    try:
        # A path that is no Unicode is escaped, which is what JSON wants.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise CtcAsrError(f"{path}: cannot be written ({error.strerror})") from error
