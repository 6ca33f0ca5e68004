"""Formats in which aligned transcripts are written: Praat's TextGrid, NIST's CTM, JSON, SubRip."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from ctcasr.runtime.aligned import AlignedSegment, AlignedToken, AlignedTranscript, AlignedWord

Timed = AlignedSegment | AlignedWord | AlignedToken


def as_textgrid(aligned: AlignedTranscript) -> str:
    """Return a TextGrid in Praat's long form: the tiers segments, words and tokens, gaps as empty intervals."""
    tiers: dict[str, Sequence[Timed]] = {
        "segments": aligned.segments,
        "words": aligned.words,
        "tokens": aligned.tokens,
    }
    end = _number(aligned.duration_seconds)
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, spans) in enumerate(tiers.items(), 1):
        intervals = _intervals(spans, aligned.duration_seconds)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {end}", f"        intervals: size = {len(intervals)}"]
        for place, (first, last, text) in enumerate(intervals, 1):
            quoted = text.replace('"', '""')
            lines += [f"        intervals [{place}]:", f"            xmin = {_number(first)}"]
            lines += [f"            xmax = {_number(last)}", f'            text = "{quoted}"']
    return "\n".join(lines)


def _intervals(spans: Sequence[Timed], duration_seconds: float) -> list[tuple[float, float, str]]:
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


def as_ctm(aligned: AlignedTranscript) -> str:
    """Return `id channel start duration word confidence` lines, a word a line.

    The channel is 1; white space in the id becomes an underscore.
    """
    identity = "_".join(aligned.id.split()) or "audio"
    lines = []
    for word in aligned.words:
        start, end = round(word.start_seconds, 3), round(word.end_seconds, 3)
        lines.append(f"{identity} 1 {start:.3f} {end - start:.3f} {word.text} {word.confidence:.4f}")
    return "\n".join(lines)


def as_json(aligned: AlignedTranscript) -> str:
    """Return one JSON object on one line: segments, in them words, in them tokens, each with times."""
    fields: dict[str, object] = {
        "id": aligned.id,
        "audio_filepath": aligned.audio_path,
        "duration": round(aligned.duration_seconds, 3),
        "log_prob": round(aligned.log_prob, 4),
        "segments": [
            {
                "text": segment.text,
                "line": segment.line,
                **_times(segment),
                "words": [
                    {
                        "word": word.text,
                        **_times(word),
                        "tokens": [{"token": token.text, **_times(token)} for token in word.tokens],
                    }
                    for word in segment.words
                ],
            }
            for segment in aligned.segments
        ],
    }
    if aligned.skipped_audio:
        fields["skipped_audio"] = [
            {"start": round(start, 3), "end": round(end, 3)} for start, end in aligned.skipped_audio
        ]
    return json.dumps(fields, ensure_ascii=False)


def _times(span: Timed) -> dict[str, float]:
    return {
        "start": round(span.start_seconds, 3),
        "end": round(span.end_seconds, 3),
        "confidence": round(span.confidence, 4),
    }


def as_srt(aligned: AlignedTranscript) -> str:
    """Return SubRip subtitles, one a segment."""
    return "\n".join(
        f"{number}\n{_clock(segment.start_seconds)} --> {_clock(segment.end_seconds)}\n{segment.text}\n"
        for number, segment in enumerate(aligned.segments, 1)
    )


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02},{rest % 1000:03}"


ALIGNMENT_FORMATS: dict[str, Callable[[AlignedTranscript], str]] = {
    "textgrid": as_textgrid,
    "ctm": as_ctm,
    "json": as_json,
    "srt": as_srt,
}
"""Writers by name; what they return has no line break at its end."""
