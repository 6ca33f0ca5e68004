"""Every format, read back by a parser that others wrote."""

from __future__ import annotations

import csv
import io
import json
from itertools import pairwise
from pathlib import Path

import pytest
import srt
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st
from praatio import textgrid

from ctcasr.errors import ConfigError
from ctcasr.runtime import FORMATS, OutputFolder, Segment, Transcript, Word
from ctcasr.runtime.outputs import as_file
from ctcasr.runtime.subtitles import SubtitleLayout, subtitles
from ctcasr.scoring.reading import read_texts

LETTERS = st.text("ab&<>\"'ü-", min_size=1, max_size=9).filter(lambda text: "--" not in text)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    """Draw words in the order of their times, in one to three segments."""
    time, segments = 0.0, []
    for _ in range(draw(st.integers(1, 3))):
        words = []
        for text in draw(st.lists(LETTERS, min_size=1, max_size=12)):
            start = time + draw(st.sampled_from([0.0, 0.04, 0.31, 2.0]))
            time = start + draw(st.sampled_from([0.04, 0.2, 1.2345]))
            words.append(Word(text, start, time, 0.5))
        segments.append(Segment(words[0].start_seconds, time, tuple(words), 0.5))
    words = [word for segment in segments for word in segment.words]
    text = " ".join(word.text for word in words)
    return Transcript("my talk", "talk.wav", time + 0.5, text, tuple(words), 0.5, segments=tuple(segments))


def milliseconds(cues: list[tuple[float, float]]) -> list[tuple[int, int]]:
    return [(round(start * 1000), round(end * 1000)) for start, end in cues]


class TestReadBack:
    @pytest.mark.slow
    @settings(deadline=None, max_examples=50)
    @given(transcripts())
    def test_srt(self, transcript: Transcript) -> None:
        expected = subtitles(transcript.words, transcript.duration_seconds, SubtitleLayout())
        found = list(srt.parse(as_file(transcript, "srt")))
        assert [cue.index for cue in found] == list(range(1, len(expected) + 1))
        assert [cue.content for cue in found] == ["\n".join(cue.lines) for cue in expected]
        assert milliseconds(
            [(cue.start.total_seconds(), cue.end.total_seconds()) for cue in found]
        ) == milliseconds([(cue.start_seconds, cue.end_seconds) for cue in expected])

    @pytest.mark.slow
    @settings(deadline=None, max_examples=50)
    @given(transcripts())
    def test_vtt(self, transcript: Transcript) -> None:
        expected = subtitles(transcript.words, transcript.duration_seconds, SubtitleLayout())
        found = list(webvtt.from_buffer(io.StringIO(as_file(transcript, "vtt"))))
        assert [len(cue.lines) for cue in found] == [len(cue.lines) for cue in expected]
        assert milliseconds([(cue.start_in_seconds, 0) for cue in found]) == [
            (int(cue.start_seconds) * 1000, 0) for cue in expected
        ]
        assert [cue.end.replace(":", "").replace(".", "") for cue in found] == [
            f"{ms // 3_600_000:02}{ms // 60_000 % 60:02}{ms // 1000 % 60:02}{ms % 1000:03}"
            for ms in (round(cue.end_seconds * 1000) for cue in expected)
        ]
        raw = as_file(transcript, "vtt").replace("&lt;", "").replace("&gt;", "").replace("&amp;", "")
        assert "<" not in raw
        assert "&" not in raw

    @settings(deadline=None, max_examples=50)
    @given(transcripts())
    def test_tsv(self, transcript: Transcript) -> None:
        rows = list(
            csv.DictReader(io.StringIO(as_file(transcript, "tsv")), delimiter="\t", quoting=csv.QUOTE_NONE)
        )
        assert " ".join(row["text"] for row in rows) == transcript.text
        times = [int(row[name]) for row in rows for name in ("start", "end")]
        assert times == sorted(times)

    @settings(deadline=None, max_examples=25)
    @given(transcript=transcripts())
    def test_textgrid(self, transcript: Transcript, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = OutputFolder(tmp_path_factory.mktemp("grid"), "textgrid").write(transcript)
        assert path.name == "my talk.TextGrid"
        grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False, reportingMode="error")
        assert grid.tierNames == ("segments", "words")
        assert [entry.label for entry in grid.getTier("words").entries] == [w.text for w in transcript.words]
        for entry, word in zip(grid.getTier("words").entries, transcript.words, strict=True):
            assert (entry.start, entry.end) == pytest.approx((word.start_seconds, word.end_seconds), abs=1e-6)
        assert grid.maxTimestamp == pytest.approx(transcript.duration_seconds, abs=1e-6)

    @settings(deadline=None, max_examples=25)
    @given(transcripts())
    def test_ctm_and_stm(self, transcript: Transcript) -> None:
        rows = [line.split(" ") for line in as_file(transcript, "ctm").splitlines()]
        assert all(row[:2] == ["my_talk", "1"] and len(row) == 6 for row in rows)
        assert [row[4] for row in rows] == [word.text for word in transcript.words]
        assert [float(row[2]) for row in rows] == pytest.approx(
            [word.start_seconds for word in transcript.words], abs=6e-4
        )
        lines = [line.split(" ", 6) for line in as_file(transcript, "stm").splitlines()]
        assert [line[6] for line in lines] == [segment.text for segment in transcript.segments]
        assert all(line[:3] == ["my_talk", "1", "my_talk"] and line[5] == "<NA>" for line in lines)
        assert [float(line[3]) for line in lines] == pytest.approx(
            [segment.start_seconds for segment in transcript.segments], abs=6e-4
        )

    @pytest.mark.parametrize("identity", ["talk", "my talk", "a(b)c", ""])
    def test_trn(self, tmp_path: Path, identity: str) -> None:
        for text in ("a b", ""):
            (tmp_path / "x.trn").write_text(as_file(Transcript(identity, text=text), "trn"))
            assert list(read_texts(tmp_path / "x.trn").values()) == [text]

    def test_json_has_the_segments_of_a_long_recording(self) -> None:
        first, second = (Segment(t, t + 1, (Word("a", t, t + 1, 0.5),), 0.25) for t in (0.0, 3.0))
        fields = json.loads(FORMATS["json"](Transcript("x", segments=(first, second))))
        assert fields["segments"][1] == {"start": 3.0, "end": 4.0, "text": "a", "confidence": 0.25}
        assert "segments" not in json.loads(FORMATS["json"](Transcript("x", segments=(first,))))

    def test_nothing_was_recognised(self) -> None:
        nothing = Transcript("x", duration_seconds=2.0, segments=(Segment(0.0, 2.0, (), 1.0),))
        files = {form: as_file(nothing, form) for form in FORMATS}
        assert files["ctm"] == ""
        assert files["txt"] == files["srt"] == "\n"
        assert list(srt.parse(files["srt"])) == []
        assert list(webvtt.from_buffer(io.StringIO(files["vtt"]))) == []
        assert files["trn"] == "(x)\n"


class TestSubtitles:
    @pytest.mark.slow
    @settings(deadline=None, max_examples=100)
    @given(transcripts(), st.integers(1, 30), st.integers(1, 3))
    def test_they_hold_all_words_and_keep_to_the_layout(
        self, transcript: Transcript, width: int, count: int
    ) -> None:
        cues = subtitles(transcript.words, transcript.duration_seconds, SubtitleLayout(width, count))
        assert " ".join(line for cue in cues for line in cue.lines) == transcript.text
        for cue in cues:
            assert 1 <= len(cue.lines) <= count
            assert all(len(line) <= width or " " not in line for line in cue.lines)
            assert cue.start_seconds < cue.end_seconds
        assert all(one.end_seconds <= other.start_seconds for one, other in pairwise(cues))

    def test_a_pause_and_the_longest_time_begin_a_new_one(self) -> None:
        words = [Word("a", 0.0, 0.5, 1.0), Word("b", 1.4, 1.6, 1.0), Word("c", 2.6, 3.0, 1.0)]
        assert [cue.lines for cue in subtitles(words, 5.0, SubtitleLayout())] == [("a b",), ("c",)]
        words = [Word("a", number, number + 0.9, 1.0) for number in range(10)]
        assert [len(cue.lines[0].split()) for cue in subtitles(words, 10.0, SubtitleLayout())] == [7, 3]

    def test_a_short_one_is_shown_for_a_second_where_there_is_room(self) -> None:
        words = [Word("a", 0.0, 0.1, 1.0), Word("b", 3.0, 3.1, 1.0)]
        assert [cue.end_seconds for cue in subtitles(words, 3.2, SubtitleLayout())] == [1.0, 3.2]

    def test_words_without_length_at_the_end(self) -> None:
        words = [Word(text, 2.0, 2.0, 1.0) for text in "abc"]
        cues = subtitles(words, 2.0, SubtitleLayout(line_width=1, line_count=1))
        assert len(cues) == 3
        assert all(cue.start_seconds < cue.end_seconds for cue in cues)

    def test_impossible_layouts(self) -> None:
        with pytest.raises(ConfigError, match="expected 1 or more"):
            SubtitleLayout(line_width=0)


class TestFolder:
    def test_several_formats(self, tmp_path: Path) -> None:
        folder = OutputFolder(tmp_path, *FORMATS)
        for _ in range(2):
            folder.write(Transcript("talk", text="a"))
        suffixes = {"TextGrid" if form == "textgrid" else form for form in FORMATS}
        assert {path.name for path in tmp_path.iterdir()} == {
            f"{stem}.{suffix}" for stem in ("talk", "talk-2") for suffix in suffixes
        }
