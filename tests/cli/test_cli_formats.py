"""`ctcasr transcribe -f`: several formats, subtitles, what stdout can hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import srt

from ctcasr.runtime import FORMATS, Recognizer, find_bundle

Run = Callable[..., Any]
SAMPLE = find_bundle("an4").parent / "sample.wav"
Record = Callable[..., Path]


def test_each_format_goes_to_stdout(ctcasr: Run, tiny_bundle: Path, record: Record) -> None:
    path = record(seconds=3.0)
    transcript = next(Recognizer.load(tiny_bundle).transcribe([path]))
    for form, write in FORMATS.items():
        said = ctcasr("transcribe", path, "-m", tiny_bundle, "-f", form)
        assert (said.code, said.err) == (0, "")
        assert said.out.rstrip("\n") == write(transcript).rstrip("\n") != ""


@pytest.mark.parametrize("options", [["-f", "srt", "-f", "txt"], ["-f", "SRT, txt"], ["-f", "srt,txt,srt"]])
def test_several_formats(
    ctcasr: Run, tiny_bundle: Path, record: Record, tmp_path: Path, options: list[str]
) -> None:
    said = ctcasr("transcribe", record(), "-m", tiny_bundle, "-o", tmp_path / "out", *options)
    assert (said.code, said.out, said.err) == (0, "", "")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"talk.srt", "talk.txt"}


def test_all(ctcasr: Run, tiny_bundle: Path, record: Record, tmp_path: Path) -> None:
    paths = [record("a/talk.wav"), record("b/talk.wav")]
    ctcasr("transcribe", *paths, "-m", tiny_bundle, "-o", tmp_path / "out", "-f", "all")
    assert len(list((tmp_path / "out").iterdir())) == 2 * len(FORMATS)


def test_width_and_count_change_subtitles(ctcasr: Run) -> None:
    arguments = ["transcribe", SAMPLE, "-f", "srt"]
    words = ctcasr("transcribe", SAMPLE).out.split()
    wide = list(srt.parse(ctcasr(*arguments, "--line-width", 200, "--line-count", 1).out))
    narrow = list(srt.parse(ctcasr(*arguments, "--line-width", 1, "--line-count", 1).out))
    high = list(srt.parse(ctcasr(*arguments, "--line-width", 1, "--line-count", 2).out))
    assert [cue.content for cue in wide] == [" ".join(words)]
    assert [cue.content for cue in narrow] == words
    assert high[0].content == "\n".join(words[:2])


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["-f", "srt,vtt"], "2 formats"),
        (["-f", "all"], "9 formats"),
        (["-f", "xml"], "no such format"),
        (["-f", ""], "no such format"),
        (["--line-width", "20"], "--line-width changes subtitles only"),
        (["-f", "json", "--line-count", "1"], "--line-count changes subtitles only"),
    ],
)
def test_wrong_usage(ctcasr: Run, tiny_bundle: Path, record: Record, options: list[str], found: str) -> None:
    said = ctcasr("transcribe", record(), "-m", tiny_bundle, *options)
    assert (said.code, said.out) == (2, "")
    assert len(said.errors) == len(said.err.splitlines()) == 1
    assert found in said.err


def test_two_recordings_of_subtitles_need_a_folder(ctcasr: Run, tiny_bundle: Path, record: Record) -> None:
    paths = [record("a.wav"), record("b.wav")]
    said = ctcasr("transcribe", *paths, "-m", tiny_bundle, "-f", "vtt")
    assert said.code == 2
    assert "a vtt file holds one recording, and there are 2" in said.err
    for form in ("ctm", "stm", "trn"):
        assert ctcasr("transcribe", *paths, "-m", tiny_bundle, "-f", form).code == 0
