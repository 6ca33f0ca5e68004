"""`ctcasr align`: texts, long recordings and manifests, and everything that can be wrong with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from ctcasr import audio
from ctcasr.data import read_manifest
from ctcasr.runtime import Recognizer
from ctcasr.runtime.alignment import AlignmentOptions, align_recording
from ctcasr.runtime.alignment_formats import ALIGNMENT_FORMATS

Run = Callable[..., Any]

SAMPLE = Path(str(resources.files("ctcasr"))) / "bundles" / "sample.wav"
SPOKEN = SAMPLE.with_suffix(".txt").read_text(encoding="utf-8").strip()
WORDS = SPOKEN.split()


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load("an4")


@pytest.fixture
def text(tmp_path: Path) -> Callable[..., Path]:
    """Write a text and return its path."""

    def write(content: str | bytes = SPOKEN, name: str = "talk.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture(scope="module")
def long_recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """Three minutes: the sample again and again, and where it starts, in seconds."""
    waveform = audio.load(SAMPLE, 16_000)
    silence = 1e-3 * np.random.default_rng(0).standard_normal(14_400)
    period = np.concatenate((silence.astype(np.float32), waveform))
    count = 180 * 16_000 // len(period)
    path = tmp_path_factory.mktemp("long") / "book.flac"
    sf.write(path, np.tile(period, count), 16_000)
    return path, (np.arange(count) * len(period) + len(silence)) / 16_000


def entry(**fields: object) -> str:
    """Return a manifest's line for the sample."""
    length = audio.probe(SAMPLE).duration_seconds
    return json.dumps({"id": "a", "audio_filepath": str(SAMPLE), "duration": length, "text": SPOKEN} | fields)


class TestFormats:
    @pytest.mark.slow
    @pytest.mark.parametrize("form", ALIGNMENT_FORMATS)
    def test_what_is_printed_is_what_is_written(
        self, ctcasr: Run, text: Callable[..., Path], tmp_path: Path, recognizer: Recognizer, form: str
    ) -> None:
        expected = ALIGNMENT_FORMATS[form](align_recording(recognizer, SAMPLE, SPOKEN))
        said = ctcasr("align", SAMPLE, text(), "-f", form)
        assert (said.code, said.out, said.err) == (0, f"{expected}\n", "")
        said = ctcasr("align", SAMPLE, text(), "-f", form, "-o", tmp_path / "out")
        assert (said.code, said.out, said.err) == (0, "", "")
        assert (tmp_path / "out").read_text(encoding="utf-8") == f"{expected}\n"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "talk.txt"]

    def test_the_default_is_a_textgrid(self, ctcasr: Run, text: Callable[..., Path]) -> None:
        assert ctcasr("align", SAMPLE, text()).out == ctcasr("align", SAMPLE, text(), "-f", "textgrid").out

    def test_the_ctm_is_the_transcripts(self, ctcasr: Run, text: Callable[..., Path]) -> None:
        rows = [line.split() for line in ctcasr("align", SAMPLE, text(), "-f", "ctm").out.splitlines()]
        said = json.loads(ctcasr("transcribe", SAMPLE, "-f", "json").out)["words"]
        assert [row[4] for row in rows] == [word["word"] for word in said] == WORDS
        for row, word in zip(rows, said, strict=True):
            assert float(row[2]) == pytest.approx(word["start"], abs=0.041)

    def test_a_textgrid_fills_its_tiers(self, ctcasr: Run, text: Callable[..., Path]) -> None:
        grid = ctcasr("align", SAMPLE, text(f'{SPOKEN[:8]}"\n{SPOKEN[9:]}'), "--skip-unknown").out
        assert f'text = "{SPOKEN[:8]}"""' in grid
        words = grid[grid.index('name = "words"') : grid.index('name = "tokens"')]
        bounds = re.findall(r"intervals \[\d+\]:\s+xmin = (\S+)\s+xmax = (\S+)", words)
        assert [end for _, end in bounds[:-1]] == [start for start, _ in bounds[1:]]
        assert float(bounds[-1][1]) == pytest.approx(audio.probe(SAMPLE).duration_seconds, abs=1e-5)

    def test_precision_and_threads(self, ctcasr: Run, text: Callable[..., Path]) -> None:
        plain = ctcasr("align", SAMPLE, text(), "-f", "json").out
        assert (
            ctcasr("align", SAMPLE, text(), "-f", "json", "--precision", "int8", "--threads", "2").out
            == plain
        )
        said = ctcasr("align", SAMPLE, text(), "--precision", "fp32")
        assert (said.code, "has no model.onnx" in said.err) == (2, True)


class TestWhatDoesNotFit:
    def test_low_confidence_is_named(self, ctcasr: Run, text: Callable[..., Path], tmp_path: Path) -> None:
        waveform = audio.load(SAMPLE, 16_000)
        sf.write(tmp_path / "two.wav", np.concatenate((waveform, waveform)), 16_000)
        lines = text(f"{SPOKEN}\n\nnine four six")
        said = ctcasr("align", tmp_path / "two.wav", lines, "-f", "srt")
        assert said.code == 0
        first, last = said.err.splitlines()
        assert re.fullmatch(rf"{lines}:3: confidence 0\.[01]\d\d at \S+-\S+ s: nine four six", first)
        assert last == "1 of 2 segments have a confidence below 0.2"
        assert ctcasr("align", tmp_path / "two.wav", lines, "-f", "srt", "--min-confidence", "0").err == ""

    def test_unknown_characters(self, ctcasr: Run, text: Callable[..., Path]) -> None:
        path = text(f"{SPOKEN[:8]}, {SPOKEN[9:]}\n...\n", "some.txt")
        said = ctcasr("align", SAMPLE, path)
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith(
            f"error: {path}: line 1: the model cannot write the characters '.' (3 times)"
        )
        said = ctcasr("align", SAMPLE, path, "--skip-unknown", "-f", "ctm")
        assert said.code == 0
        assert len(said.out.splitlines()) == len(WORDS)
        assert said.err.splitlines() == [
            f"{path}: left out the characters '.' (3 times), ',' (once)",
            f"{path}: of these lines nothing was left: 2",
        ]

    def test_audio_that_is_not_in_the_text(self, ctcasr: Run, text: Callable[..., Path]) -> None:
        whole = ctcasr("align", SAMPLE, text(), "-f", "ctm").out.splitlines()
        said = ctcasr("align", SAMPLE, text(WORDS[2]), "-f", "ctm", "--skip-audio")
        assert said.out.splitlines() == whole[2:3]
        assert re.fullmatch(rf"{SAMPLE}: skipped \d\.\d s of audio \(.+\)\n", said.err)
        forced = ctcasr("align", SAMPLE, text(WORDS[2]), "-f", "ctm")
        assert forced.out != said.out
        assert "confidence 0." in forced.err

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "talk.txt: the text holds no words"),
            (b"\xff\xfe", "talk.txt: cannot be read as UTF-8 text"),
            ("a\0b", "it holds zero bytes"),
            (f"{SPOKEN}\n" * 3, "talk.txt: .* need at least .* frames"),
        ],
    )
    def test_bad_texts(self, ctcasr: Run, text: Callable[..., Path], content: str, message: str) -> None:
        said = ctcasr("align", SAMPLE, text(content))
        assert (said.code, said.out) == (1, "")
        assert re.search(message, said.err)
        assert said.err.count("\n") == 1

    def test_bad_audio(self, ctcasr: Run, text: Callable[..., Path], tmp_path: Path) -> None:
        (tmp_path / "noise.wav").write_bytes(b"no audio" * 100)
        for path in (tmp_path / "none.wav", tmp_path / "noise.wav", tmp_path):
            said = ctcasr("align", path, text())
            assert (said.code, said.out) == (1, "")
            assert said.err.startswith(f"error: {path}: ")
            assert said.err.count("\n") == 1

    def test_a_missing_text_and_a_missing_model(self, ctcasr: Run, tmp_path: Path) -> None:
        said = ctcasr("align", SAMPLE, tmp_path / "none.txt")
        assert (said.code, "none.txt: cannot be read as UTF-8 text" in said.err) == (1, True)
        said = ctcasr("align", SAMPLE, SAMPLE.with_suffix(".txt"), "-m", tmp_path / "none")
        assert (said.code, said.err.startswith("error: no bundle ")) == (2, True)


class TestUsage:
    def test_a_text_is_needed_for_audio_and_wrong_with_a_manifest(
        self, ctcasr: Run, text: Callable[..., Path], tmp_path: Path
    ) -> None:
        listed = text(entry(), "list.jsonl")
        out = ["-o", tmp_path / "out.jsonl"]
        for arguments, message in [
            (["align", SAMPLE], "error: TEXT is missing"),
            (["align", listed, text(), *out], "talk.txt: a manifest has the texts in it"),
            (["align", listed], "needs a name; give it with -o"),
            (["align", listed, *out, "--name-pronunciations"], "only a model that writes phones"),
            (["align", SAMPLE, text(), "--name-pronunciations"], "is for a manifest (.jsonl)"),
            (["align", listed, *out, "-f", "srt"], "--format is for an audio file"),
            (["align", listed, *out, "--segments-to", tmp_path / "s.jsonl"], "--segments-to is for an audio"),
        ]:
            said = ctcasr(*arguments)
            assert (said.code, said.out) == (2, "")
            assert message in said.err
            assert said.err.count("\n") == 1
        assert not (tmp_path / "out.jsonl").exists()

    def test_outputs_are_checked_before_the_work(
        self, ctcasr: Run, text: Callable[..., Path], tmp_path: Path
    ) -> None:
        path, listed = text(), text(entry(), "list.jsonl")
        for arguments, message in [
            (["align", SAMPLE, path, "-o", tmp_path / "no" / "x"], f"there is no folder {tmp_path / 'no'}"),
            (["align", SAMPLE, path, "-o", tmp_path], "is a folder; name a file"),
            (["align", SAMPLE, path, "-o", "/dev/null"], "/dev/null: is no regular file; name a file"),
            (["align", listed, "-o", "/dev/null"], "/dev/null: is no regular file; name a file"),
            (["align", SAMPLE, path, "-o", path], "is named twice"),
            (["align", SAMPLE, path, "-o", SAMPLE], "is named twice"),
            (
                ["align", SAMPLE, path, "-o", tmp_path / "x", "--segments-to", tmp_path / "x"],
                "is named twice",
            ),
            (["align", SAMPLE, path, "--segments-to", tmp_path / "no" / "x"], "there is no folder"),
            (["align", listed, "-o", listed], "is named twice"),
        ]:
            said = ctcasr(*arguments)
            assert (said.code, said.out) == (2, "")
            assert message in said.err
        assert path.read_text() == SPOKEN
        assert listed.read_text() == entry()


class TestPlot:
    @pytest.mark.slow
    def test_a_picture_beside_the_times(self, ctcasr: Run, text: Callable[..., Path], tmp_path: Path) -> None:
        said = ctcasr("align", SAMPLE, text(), "--plot", tmp_path / "a.png")
        assert (said.code, said.out, said.err) == (0, "", "")
        assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
        said = ctcasr("align", SAMPLE, text(), "--plot", tmp_path / "a.svg", "-f", "ctm")
        assert len(said.out.splitlines()) == len(WORDS)
        first = (tmp_path / "a.svg").read_bytes()
        assert b"<svg" in first
        ctcasr("align", SAMPLE, text(), "--plot", tmp_path / "a.svg")
        assert (tmp_path / "a.svg").read_bytes() == first
        # Another text makes another picture.
        ctcasr("align", SAMPLE, text("nine"), "--plot", tmp_path / "a.svg")
        assert (tmp_path / "a.svg").read_bytes() != first

    def test_what_cannot_be_drawn_is_said_before_the_work(
        self, ctcasr: Run, text: Callable[..., Path], tmp_path: Path, long_recording: tuple[Path, np.ndarray]
    ) -> None:
        for audio_file, plot, message in [
            (SAMPLE, tmp_path / "a.jpg", "expected a name that ends in .png or .svg"),
            (SAMPLE, tmp_path / "no" / "a.png", "there is no folder"),
            (SAMPLE, text("", "folder.png").parent, "expected a name"),
            (long_recording[0], tmp_path / "a.png", " s; expected at most 60 s for --plot"),
        ]:
            said = ctcasr("align", audio_file, text(), "--plot", plot)
            assert (said.code, said.out) == (2, "")
            assert message in said.err
        said = ctcasr(
            "align", text(entry(), "list.jsonl"), "-o", tmp_path / "x", "--plot", tmp_path / "a.png"
        )
        assert (said.code, "--plot is for an audio file" in said.err) == (2, True)
        assert not (tmp_path / "a.png").exists()


class TestLongRecordings:
    @pytest.mark.slow
    def test_a_segment_a_line(
        self, ctcasr: Run, text: Callable[..., Path], long_recording: tuple[Path, np.ndarray]
    ) -> None:
        path, starts = long_recording
        said = ctcasr("align", path, text(f"{SPOKEN}\n" * len(starts)), "-f", "json", "--threads", "2")
        assert (said.code, said.err) == (0, "")
        found = json.loads(said.out)
        begins = np.array([segment["start"] for segment in found["segments"]])
        (alone,) = json.loads(ctcasr("align", SAMPLE, text(), "-f", "json").out)["segments"]
        assert np.abs(begins - starts - alone["start"]).max() < 0.25
        assert "skipped_audio" not in found

    @pytest.mark.slow
    def test_segments_become_a_manifest(
        self, ctcasr: Run, text: Callable[..., Path], long_recording: tuple[Path, np.ndarray], tmp_path: Path
    ) -> None:
        path, starts = long_recording
        lines = [SPOKEN] * len(starts)
        lines[5], lines[9] = "four six nine zero", ""  # one is wrong, one is not written down
        to = tmp_path / "lists"
        to.mkdir()
        said = ctcasr(
            "align", path, text("\n".join(lines)), "--skip-audio", "--segments-to", to / "train.jsonl"
        )
        assert (said.code, said.out) == (0, "")
        assert f"{tmp_path / 'talk.txt'}:6: confidence 0." in said.err
        assert "skipped" in said.err
        assert said.err.splitlines()[-1].startswith(f"{to / 'train.jsonl'}: {len(starts) - 2} utterances, ")
        listed = read_manifest(to / "train.jsonl")
        assert [u.id for u in listed[:6]] == [f"book-{line:04}" for line in (1, 2, 3, 4, 5, 7)]
        assert {u.text for u in listed} == {SPOKEN}
        assert all(u.audio_path.resolve() == path and len(u.words or ()) == len(WORDS) for u in listed)
        # What was cut out is what was said; the model may miss the last letter.
        heard = {transcript.text for transcript in Recognizer.load("an4").transcribe(listed[:8])}
        assert heard <= {SPOKEN, SPOKEN[:-1]}

    def test_where_nothing_fits_nothing_is_written(
        self, ctcasr: Run, text: Callable[..., Path], tmp_path: Path
    ) -> None:
        to = tmp_path / "train.jsonl"
        said = ctcasr("align", SAMPLE, text("nine four six"), "--segments-to", to)
        assert (said.code, said.out, to.exists()) == (1, "", False)
        assert "none of the 1 segments has a confidence of 0.2" in said.err


class TestManifests:
    def test_every_utterance_gets_its_words(
        self, ctcasr: Run, text: Callable[..., Path], tmp_path: Path, recognizer: Recognizer
    ) -> None:
        listed = text("\n".join([entry(), entry(id="b", text="", speaker="anna")]), "list.jsonl")
        out = tmp_path / "aligned.jsonl"
        said = ctcasr("align", listed, "-o", out, "--threads", "2")
        assert (said.code, said.out) == (0, "")
        assert said.err == f"{out}: 2 utterances with the times of their words\n"
        first, second = read_manifest(out)
        words = align_recording(recognizer, SAMPLE, SPOKEN, AlignmentOptions()).words
        assert np.array(first.words) == pytest.approx(
            np.array([(word.start_seconds, word.end_seconds) for word in words]), abs=0.6e-3
        )
        assert (second.words, second.speaker, second.text) == ((), "anna", "")
        # Once more: what was aligned is aligned again.
        assert ctcasr("align", out, "-o", tmp_path / "again.jsonl").code == 0
        assert (tmp_path / "again.jsonl").read_text() == out.read_text()

    def test_failures_are_named_and_left_out(
        self, ctcasr: Run, text: Callable[..., Path], tmp_path: Path
    ) -> None:
        lines = [entry(id="c", text="5 2"), entry(id="b", audio_filepath="lost.wav"), entry()]
        out = tmp_path / "aligned.jsonl"
        said = ctcasr("align", text("\n".join(lines), "list.jsonl"), "-o", out)
        assert (said.code, said.out) == (1, "")
        assert [line.split(":")[1] for line in said.errors] == [" c (list.jsonl", " b (list.jsonl"]
        assert said.err.splitlines()[-1] == "2 of 3 utterances failed and are left out"
        assert [utterance.id for utterance in read_manifest(out)] == ["a"]

    def test_where_all_fail_nothing_is_written(
        self, ctcasr: Run, text: Callable[..., Path], tmp_path: Path
    ) -> None:
        out = tmp_path / "aligned.jsonl"
        said = ctcasr("align", text(entry(text="5 2"), "list.jsonl"), "-o", out)
        assert (said.code, out.exists()) == (1, False)
        assert said.errors[-1].endswith("not written, none of the 1 utterances can be aligned")

    def test_low_confidence_and_skipped_characters_are_named(
        self, ctcasr: Run, text: Callable[..., Path], tmp_path: Path
    ) -> None:
        lines = [entry(id="wrong", text="nine four six"), entry(text=f"{SPOKEN}!")]
        listed, out = text("\n".join(lines), "list.jsonl"), tmp_path / "aligned.jsonl"
        said = ctcasr("align", listed, "-o", out, "--skip-unknown")
        assert said.code == 0
        assert re.match(r"wrong \(list\.jsonl:1\): confidence 0\.\d+: nine four six\n", said.err)
        assert (
            "left out the character '!' (once)\n1 of 2 utterances have a confidence below 0.2\n" in said.err
        )
        assert len(read_manifest(out)) == 2
        assert (
            "confidence 0"
            not in ctcasr("align", listed, "-o", out, "--skip-unknown", "--min-confidence", "0").err
        )

    def test_a_bad_manifest(self, ctcasr: Run, text: Callable[..., Path], tmp_path: Path) -> None:
        said = ctcasr("align", text("{", "list.jsonl"), "-o", tmp_path / "out.jsonl")
        assert (said.code, said.out) == (1, "")
        assert "list.jsonl:1: not a JSON object" in said.err
        said = ctcasr("align", tmp_path / "none.jsonl", "-o", tmp_path / "out.jsonl")
        assert (said.code, "none.jsonl: cannot be read" in said.err) == (1, True)
