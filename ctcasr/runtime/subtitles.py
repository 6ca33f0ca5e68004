"""Words to subtitles that can be read: lines of a width, a few at a time, new ones after a pause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ctcasr.errors import ConfigError
from ctcasr.runtime.timed_formats import Cue, Span


@dataclass(frozen=True)
class SubtitleLayout:
    """How subtitles look.

    Attributes:
        line_width: characters of a line; a longer word has a line of its own.
        line_count: lines that are shown at a time.
        longest_seconds: that a subtitle is shown; the words of the next begin in time.
        pause_seconds: silence after which the next subtitle begins.
        shortest_seconds: that a subtitle is shown, unless the next one or the end of the audio comes first.
    """

    line_width: int = 42
    line_count: int = 2
    longest_seconds: float = 7.0
    pause_seconds: float = 1.0
    shortest_seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.line_width < 1 or self.line_count < 1:
            raise ConfigError(
                f"subtitles of {self.line_count} lines of {self.line_width} characters; expected 1 or more of both"
            )


def subtitles(words: Sequence[Span], duration_seconds: float, layout: SubtitleLayout) -> list[Cue]:
    """Return the words as subtitles, in order; none overlaps the next, and each lasts a millisecond at least.

    Args:
        words: in the order of their times.
        duration_seconds: of the audio, in which all words lie.
        layout: of the subtitles.
    """
    groups: list[list[Span]] = []
    for word in words:
        if not groups or not _fits(groups[-1], word, layout):
            groups.append([])
        groups[-1].append(word)
    # In milliseconds, as they are written: rounding later might make them overlap.
    starts = [round(group[0].start_seconds * 1000) for group in groups]
    end_of_audio = round(duration_seconds * 1000)
    cues: list[Cue] = []
    reached = 0
    for number, group in enumerate(groups):
        start = max(starts[number], reached)
        limit = starts[number + 1] if number + 1 < len(groups) else end_of_audio
        wanted = max(round(group[-1].end_seconds * 1000), start + round(layout.shortest_seconds * 1000))
        end = min(wanted, limit)
        if end <= start:  # a word without length at the very end, or several within a millisecond
            start = max(reached, end - 1)
            end = start + 1
        lines = tuple(_wrapped([word.text for word in group], layout.line_width))
        cues.append(Cue(start / 1000, end / 1000, lines))
        reached = end
    return cues


def _fits(group: Sequence[Span], word: Span, layout: SubtitleLayout) -> bool:
    if word.start_seconds - group[-1].end_seconds >= layout.pause_seconds:
        return False
    if word.end_seconds - group[0].start_seconds > layout.longest_seconds:
        return False
    texts = [*(other.text for other in group), word.text]
    return len(_wrapped(texts, layout.line_width)) <= layout.line_count


def _wrapped(texts: Sequence[str], width: int) -> list[str]:
    """Return lines that are filled from the first word on."""
    lines = [texts[0]]
    for text in texts[1:]:
        if len(lines[-1]) + 1 + len(text) <= width:
            lines[-1] += f" {text}"
        else:
            lines.append(text)
    return lines


__all__ = ["SubtitleLayout", "subtitles"]
