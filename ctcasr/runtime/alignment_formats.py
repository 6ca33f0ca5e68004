"""Formats in which aligned transcripts are written: Praat's TextGrid, NIST's CTM, JSON, SubRip."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from ctcasr.runtime.aligned import AlignedTranscript
from ctcasr.runtime.timed_formats import Cue, Span, SureSpan, ctm, srt, textgrid


def as_textgrid(aligned: AlignedTranscript) -> str:
    """Return a TextGrid in Praat's long form: the tiers segments, words and tokens, gaps as empty intervals."""
    tiers: dict[str, Sequence[Span]] = {
        "segments": aligned.segments,
        "words": aligned.words,
        "tokens": aligned.tokens,
    }
    return textgrid(tiers, aligned.duration_seconds)


def as_ctm(aligned: AlignedTranscript) -> str:
    """Return `id channel start duration word confidence` lines, a word a line.

    The channel is 1; white space in the id becomes an underscore.
    """
    return ctm(aligned.id, aligned.words)


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


def _times(span: SureSpan) -> dict[str, float]:
    return {
        "start": round(span.start_seconds, 3),
        "end": round(span.end_seconds, 3),
        "confidence": round(span.confidence, 4),
    }


def as_srt(aligned: AlignedTranscript) -> str:
    """Return SubRip subtitles, one a segment."""
    return srt(Cue(line.start_seconds, line.end_seconds, (line.text,)) for line in aligned.segments)


ALIGNMENT_FORMATS: dict[str, Callable[[AlignedTranscript], str]] = {
    "textgrid": as_textgrid,
    "ctm": as_ctm,
    "json": as_json,
    "srt": as_srt,
}
"""Writers by name; what they return has no line break at its end."""
