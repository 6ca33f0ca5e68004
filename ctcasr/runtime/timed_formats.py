"""Formats of texts with times, which transcripts and alignments share: TextGrid, CTM, SubRip, WebVTT, TSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class Span(Protocol):
    """A text with times in seconds."""

    @property
    def text(self) -> str:
        """What is said."""

    @property
    def start_seconds(self) -> float:
        """From the start of the audio."""

    @property
    def end_seconds(self) -> float:
        """From the start of the audio."""


class SureSpan(Span, Protocol):
    """A text with times and a confidence."""

    @property
    def confidence(self) -> float:
        """In [0, 1]."""


@dataclass(frozen=True)
class Cue:
    """Lines of text that are shown together, and when, in seconds."""

    start_seconds: float
    end_seconds: float
    lines: tuple[str, ...]


def textgrid(tiers: Mapping[str, Sequence[Span]], duration_seconds: float) -> str:
    """Return a TextGrid in Praat's long form, an interval tier each, gaps as empty intervals."""
    end = _number(duration_seconds)
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, spans) in enumerate(tiers.items(), 1):
        intervals = _intervals(spans, duration_seconds)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {end}", f"        intervals: size = {len(intervals)}"]
        for place, (first, last, text) in enumerate(intervals, 1):
            quoted = text.replace('"', '""')
            lines += [f"        intervals [{place}]:", f"            xmin = {_number(first)}"]
            lines += [f"            xmax = {_number(last)}", f'            text = "{quoted}"']
    return "\n".join(lines)


def _intervals(spans: Sequence[Span], duration_seconds: float) -> list[tuple[float, float, str]]:
    """Return intervals that fill the tier without a gap."""
    filled, reached = [], 0.0
    for span in spans:
        if span.start_seconds > reached:
            filled.append((reached, span.start_seconds, ""))
        filled.append((span.start_seconds, span.end_seconds, span.text))
        reached = span.end_seconds
    if reached < duration_seconds:
        filled.append((reached, duration_seconds, ""))
    return filled


def _number(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def ctm(identity: str, words: Iterable[SureSpan]) -> str:
    """Return `id channel start duration word confidence` lines, a word a line; the channel is 1."""
    lines = []
    for word in words:
        start, end = round(word.start_seconds, 3), round(word.end_seconds, 3)
        lines.append(
            f"{one_word(identity)} 1 {start:.3f} {end - start:.3f} {word.text} {word.confidence:.4f}"
        )
    return "\n".join(lines)


def one_word(identity: str) -> str:
    """Return an id in which white space is an underscore; `audio` where nothing is left."""
    return "_".join(identity.split()) or "audio"


def srt(cues: Iterable[Cue]) -> str:
    """Return SubRip subtitles."""
    return "\n".join(
        f"{number}\n{_clock(cue.start_seconds, ',')} --> {_clock(cue.end_seconds, ',')}\n" + _block(cue.lines)
        for number, cue in enumerate(cues, 1)
    )


def vtt(cues: Iterable[Cue]) -> str:
    """Return WebVTT subtitles; `&`, `<` and `>` are escaped, as they would begin markup."""
    shown = (
        f"{_clock(cue.start_seconds, '.')} --> {_clock(cue.end_seconds, '.')}\n"
        + _block(line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in cue.lines)
        for cue in cues
    )
    return "\n".join(["WEBVTT\n", *shown])


def tsv(cues: Iterable[Cue]) -> str:
    """Return a table with tabs: `start`, `end` (milliseconds) and `text`, a cue a line."""
    rows = (
        f"{round(cue.start_seconds * 1000)}\t{round(cue.end_seconds * 1000)}\t{' '.join(cue.lines)}"
        for cue in cues
    )
    return "\n".join(["start\tend\ttext", *rows])


def _block(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"


__all__ = ["Cue", "Span", "SureSpan", "ctm", "one_word", "srt", "textgrid", "tsv", "vtt"]
