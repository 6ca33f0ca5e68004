"""Transcripts with times: NIST ctm (a word a line) and stm (a segment a line), and how the two are matched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from ctcasr.errors import DataError
from ctcasr.text.lines import read_lines

IGNORED = "IGNORE_TIME_SEGMENT_IN_SCORING"
"""Text of an stm segment that no scorer looks at (NIST)."""

_COMMENT = ";;"


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word of a ctm file.

    Attributes:
        source: recording and channel.
        start_seconds: from the beginning of the recording.
        duration_seconds: of the word.
        word: as it is written.
    """

    source: tuple[str, str]
    start_seconds: float
    duration_seconds: float
    word: str

    @property
    def middle_seconds(self) -> float:
        """Middle of the word, which decides the segment that it belongs to, as in sclite."""
        return self.start_seconds + self.duration_seconds / 2


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of an stm file.

    Attributes:
        source: recording and channel.
        speaker: who speaks.
        start_seconds: from the beginning of the recording.
        end_seconds: from the beginning of the recording.
        text: what is said.
    """

    source: tuple[str, str]
    speaker: str
    start_seconds: float
    end_seconds: float
    text: str

    @property
    def is_ignored(self) -> bool:
        """Whether nothing in the segment is to be scored."""
        return self.text.upper() == IGNORED

    @property
    def id(self) -> str:
        """Id of the segment as an utterance: recording, channel, start and end in milliseconds."""
        times = (round(1000 * seconds) for seconds in (self.start_seconds, self.end_seconds))
        return "-".join((*self.source, *(f"{time:07d}" for time in times)))

    def distance_seconds(self, word: TimedWord) -> float:
        """Return how far the middle of a word lies outside the segment, 0 within it."""
        return max(self.start_seconds - word.middle_seconds, word.middle_seconds - self.end_seconds, 0.0)


def read_ctm(path: Path) -> list[TimedWord]:
    """Read a ctm file: `recording channel start duration word [confidence ...]`, in seconds.

    Lines that begin with `;;` are comments.

    Raises:
        DataError: the file cannot be read, or a line is not such a line or holds an alternation.
    """
    words = []
    for where, fields in _fields(path):
        if len(fields) < 5:
            raise DataError(
                f"{where}: {len(fields)} fields, expected `recording channel start duration word`; add the others"
            )
        recording, channel, start, duration, word = fields[:5]
        if word.startswith("<ALT"):
            raise DataError(
                f"{where}: {word} begins an alternation, expected plain words; choose one of them"
            )
        words.append(TimedWord((recording, channel), _seconds(start, where), _seconds(duration, where), word))
    return words


def read_stm(path: Path) -> list[Segment]:
    """Read an stm file: `recording channel speaker start end [<labels>] words...`, in seconds.

    Lines that begin with `;;` are comments.

    Raises:
        DataError: the file cannot be read, a line is not such a line, or two lines are the same segment.
    """
    places: dict[str, str] = {}
    segments = []
    for where, fields in _fields(path):
        if len(fields) < 5:
            raise DataError(
                f"{where}: {len(fields)} fields, expected `recording channel speaker start end words...`; "
                "add the others"
            )
        recording, channel, speaker, start, end, *words = fields
        if words and words[0].startswith("<") and words[0].endswith(">"):
            del words[0]
        segment = Segment(
            (recording, channel), speaker, _seconds(start, where), _seconds(end, where), " ".join(words)
        )
        if segment.end_seconds <= segment.start_seconds:
            raise DataError(
                f"{where}: ends at {end} and starts at {start}, expected a later end; correct the times"
            )
        if segment.id in places:
            raise DataError(f"{where}: the same segment stands in {places[segment.id]}; drop one of the two")
        places[segment.id] = where
        segments.append(segment)
    return segments


def by_recording(pieces: Iterable[TimedWord | Segment], path: Path) -> dict[str, str]:
    """Return the words of every recording, in the order of their times, keyed by the recording's name.

    Raises:
        DataError: a recording has several channels, or a segment is to be ignored: only times tell them apart.
    """
    pieces = list(pieces)
    channels: dict[str, str] = {}
    for piece in pieces:
        recording, channel = piece.source
        if channels.setdefault(recording, channel) != channel:
            raise DataError(
                f"{path}: {recording} has the channels {channels[recording]} and {channel}, expected one; score "
                "a .ctm against an .stm, or give the channels names of their own"
            )
        if isinstance(piece, Segment) and piece.is_ignored:
            raise DataError(
                f"{path}: a segment of {recording} is marked {IGNORED}, which needs the times of the "
                "hypothesis; score a .ctm against it, or drop the segment"
            )
    texts: dict[str, list[str]] = defaultdict(list)
    for piece in sorted(pieces, key=lambda piece: piece.start_seconds):
        texts[piece.source[0]].append(piece.word if isinstance(piece, TimedWord) else piece.text)
    return {recording: " ".join(texts[recording]).strip() for recording in channels}


def by_segment(
    segments: Sequence[Segment], words: Sequence[TimedWord]
) -> tuple[dict[str, str], dict[str, str]]:
    """Hand each word of a ctm to the segment of an stm in which its middle lies, as sclite does.

    A word between segments goes to the nearest and so counts as inserted; a word in an ignored segment counts
    nowhere. A recording without any word has no hypotheses at all, and that of an unknown recording keeps an
    id that no reference has: `score` refuses both.

    Returns:
        References and hypotheses, keyed by the segments' ids.
    """
    of_source: dict[tuple[str, str], list[Segment]] = defaultdict(list)
    for segment in segments:
        of_source[segment.source].append(segment)
    heard = {word.source for word in words}
    spoken: dict[str, list[str]] = {
        segment.id: [] for segment in segments if segment.source in heard and not segment.is_ignored
    }
    for word in sorted(words, key=lambda word: word.start_seconds):
        if word.source not in of_source:
            spoken.setdefault("-".join(word.source), []).append(word.word)
            continue
        nearest = min(of_source[word.source], key=lambda segment: segment.distance_seconds(word))
        if not nearest.is_ignored:
            spoken[nearest.id].append(word.word)
    references = {segment.id: segment.text for segment in segments if not segment.is_ignored}
    return references, {identity: " ".join(texts) for identity, texts in spoken.items()}


def speakers_of(segments: Iterable[Segment]) -> Mapping[str, str]:
    """Return the speaker of every segment by its id, and of every recording that has only one by its name."""
    speakers: dict[str, str] = {}
    of_recording: dict[str, set[str]] = defaultdict(set)
    for segment in segments:
        speakers[segment.id] = segment.speaker
        of_recording[segment.source[0]].add(segment.speaker)
    alone = {recording: next(iter(names)) for recording, names in of_recording.items() if len(names) == 1}
    return speakers | alone


def _fields(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the place and the fields of every line that is no comment."""
    for where, line in read_lines(path):
        if not line.startswith(_COMMENT):
            yield where, line.split()


def _seconds(text: str, where: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not (isfinite(seconds) and seconds >= 0):
        raise DataError(f"{where}: {text!r} is no time, expected seconds, 0 or more; correct the line")
    return seconds
