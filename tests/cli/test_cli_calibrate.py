"""`ctcasr calibrate`: the table, the plot, what is written, and what is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctcasr.runtime import Recognizer, read_bundle

Run = Callable[..., Any]


@pytest.fixture
def manifest(tiny_bundle: Path, record: Callable[..., Path], tmp_path: Path) -> Path:
    """Recordings whose transcripts are what is recognised, but for the half in which there is less confidence."""
    paths = [record(f"{number}.wav", number, 3.0) for number in range(12)]
    found = list(Recognizer.load(tiny_bundle).transcribe(paths))
    middle = sorted(word.confidence for one in found for word in one.words)
    sure = middle[len(middle) // 2]
    lines = [
        {
            "id": one.id,
            "audio_filepath": Path(one.audio_path).name,
            "duration": 3.0,
            "text": " ".join(word.text if word.confidence >= sure else "nothing" for word in one.words),
        }
        for one in found
    ]
    path = tmp_path / "dev.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def confidences(ctcasr: Run, bundle: Path, manifest: Path) -> list[float]:
    said = ctcasr("transcribe", manifest.with_name("0.wav"), "-m", bundle, "-f", "json")
    return [word["confidence"] for word in json.loads(said.out)["words"]]


class TestTable:
    def test_what_it_prints(self, ctcasr: Run, own_bundle: Path, manifest: Path) -> None:
        said = ctcasr("calibrate", manifest, "-m", own_bundle)
        assert said.code == 0
        head, raw, calibrated, summary = said.out.splitlines()
        assert head.split() == ["decoding", "confidence", "ECE", "Brier", "AUC"]
        assert re.fullmatch(r"greedy +raw( +[01]\.\d{4}){3}", raw)
        assert re.fullmatch(r"greedy +calibrated( +[01]\.\d{4}){3}", calibrated)
        assert re.fullmatch(
            r"greedy: \d+ words, \d\d\.\d % correct; calibrated by 10-fold cross-validation over utterances",
            summary,
        )
        before, after = (float(line.split()[3]) for line in (raw, calibrated))
        assert after < before

    def test_a_bundle_with_a_beam_has_two(self, ctcasr: Run, beam_bundle: Path, manifest: Path) -> None:
        said = ctcasr("calibrate", manifest, "-m", beam_bundle)
        assert [line.split()[0] for line in said.out.splitlines()[1:]] == [
            *["greedy"] * 2,
            *["beam"] * 2,
            "greedy:",
            "beam:",
        ]
        kept = read_bundle(beam_bundle).description.confidence
        assert kept is not None
        assert kept.beam != kept.greedy


class TestWrite:
    def test_from_then_on_transcripts_are_calibrated(
        self, ctcasr: Run, own_bundle: Path, manifest: Path
    ) -> None:
        raw = confidences(ctcasr, own_bundle, manifest)
        said = ctcasr("calibrate", manifest, "-m", own_bundle)
        assert said.err == f"{own_bundle}: confidences are calibrated from now on\n"
        found = confidences(ctcasr, own_bundle, manifest)
        assert found != raw
        assert sorted(range(len(raw)), key=raw.__getitem__) == sorted(range(len(raw)), key=found.__getitem__)
        again = ctcasr("calibrate", manifest, "-m", own_bundle)
        assert again.out == said.out
        assert confidences(ctcasr, own_bundle, manifest) == found

    def test_no_write_leaves_the_bundle_as_it_is(self, ctcasr: Run, own_bundle: Path, manifest: Path) -> None:
        before = contents(own_bundle)
        said = ctcasr("calibrate", manifest, "-m", own_bundle, "--no-write")
        assert (said.code, said.err) == (0, "")
        assert contents(own_bundle) == before
        assert ctcasr("calibrate", manifest, "-m", own_bundle).out == said.out
        assert contents(own_bundle) != before
        assert contents(own_bundle).keys() == before.keys()

    def test_what_does_not_help_is_not_written(self, ctcasr: Run, own_bundle: Path, manifest: Path) -> None:
        ctcasr("calibrate", manifest, "-m", own_bundle)
        # Two utterances, each of which says the opposite of the other.
        lines = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()[:2]]
        texts = [one.text for one in Recognizer.load(own_bundle).transcribe(
            [manifest.with_name("0.wav"), manifest.with_name("1.wav")])]  # fmt: skip
        lines[0]["text"], lines[1]["text"] = texts[0], ""
        manifest.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        said = ctcasr("calibrate", manifest, "-m", own_bundle)
        assert (said.code, said.err) == (0, "greedy: does not help words held out; not written\n")
        kept = read_bundle(own_bundle).description.confidence
        assert kept is not None
        assert kept.greedy is None


class TestPlot:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "begins"), [("r.png", b"\x89PNG"), ("r.svg", b"<?xml"), ("R.SVG", b"<?xml")]
    )
    def test_it_is_drawn(
        self, ctcasr: Run, beam_bundle: Path, manifest: Path, tmp_path: Path, name: str, begins: bytes
    ) -> None:
        arguments = ["calibrate", manifest, "-m", beam_bundle, "--no-write", "--plot"]
        said = ctcasr(*arguments, tmp_path / name)
        assert (said.code, said.err) == (0, "")
        drawn = (tmp_path / name).read_bytes()
        assert drawn.startswith(begins)
        ctcasr(*arguments, tmp_path / ("again" + Path(name).suffix))
        assert (tmp_path / ("again" + Path(name).suffix)).read_bytes() == drawn

    @pytest.mark.slow
    def test_without_matplotlib(self, own_bundle: Path, manifest: Path, tmp_path: Path) -> None:
        def run(*more: str) -> subprocess.CompletedProcess[str]:
            arguments = ["calibrate", str(manifest), "-m", str(own_bundle), "--no-write", *more]
            code = (
                "import sys\nfor name in ('matplotlib', 'torch', 'numba'): sys.modules[name] = None\n"
                f"from ctcasr.cli.main import main; main({arguments})"
            )
            return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

        done = run("--plot", str(tmp_path / "r.png"))
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            "error: pictures need matplotlib; install it with `pip install 'ctcasr[train]'`\n"
        )
        assert run().returncode == 0


class TestWrongUse:
    @pytest.mark.parametrize(
        ("plot", "says"),
        [
            ("r.pdf", "expected a name that ends in .png or .svg"),
            ("none/r.png", "there is no folder"),
            ("folder.svg", "is a folder"),
        ],
    )
    def test_a_plot_that_cannot_be(
        self, ctcasr: Run, own_bundle: Path, manifest: Path, tmp_path: Path, plot: str, says: str
    ) -> None:
        (tmp_path / "folder.svg").mkdir()
        before = contents(own_bundle)
        said = ctcasr("calibrate", manifest, "-m", own_bundle, "--plot", tmp_path / plot)
        assert (said.code, said.out, len(said.errors)) == (2, "", 1)
        assert says in said.err
        assert contents(own_bundle) == before

    @pytest.mark.slow
    def test_a_full_disk(self, ctcasr: Run, own_bundle: Path, manifest: Path, tmp_path: Path) -> None:
        (tmp_path / "full.png").symlink_to("/dev/full")
        said = ctcasr("calibrate", manifest, "-m", own_bundle, "--plot", tmp_path / "full.png")
        assert said.code == 2
        assert "cannot be written (No space left on device)" in said.err

    def test_speech_that_cannot_be_read(self, ctcasr: Run, own_bundle: Path, manifest: Path) -> None:
        manifest.with_name("3.wav").unlink()
        before = contents(own_bundle)
        said = ctcasr("calibrate", manifest, "-m", own_bundle)
        assert (said.code, said.out, len(said.errors)) == (1, "", 1)
        assert "3.wav: cannot be opened" in said.err
        assert contents(own_bundle) == before

    def test_one_utterance(self, ctcasr: Run, own_bundle: Path, manifest: Path) -> None:
        manifest.write_text(manifest.read_text(encoding="utf-8").splitlines()[0], encoding="utf-8")
        said = ctcasr("calibrate", manifest, "-m", own_bundle)
        assert (said.code, said.out) == (1, "")
        assert said.errors == [
            "error: words were recognised in one utterance alone; calibration needs two or more"
        ]

    def test_nothing_named(self, ctcasr: Run, own_bundle: Path, manifest: Path) -> None:
        assert ctcasr("calibrate", manifest, "-m", manifest.with_name("none")).code == 2
        assert ctcasr("calibrate", manifest.with_name("none"), "-m", own_bundle).code == 1
        assert ctcasr("calibrate", manifest).code == 2
