"""`ctcasr transcribe`: every kind of bad input."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from ctcasr.cli.main import main
from ctcasr.errors import CtcAsrError
from tests.cli.test_cli_transcribe import COMMAND, Record, Run


def _nan(path: Path) -> None:
    sf.write(path, np.array([0.1, np.nan, 0.1] * 999), 8000, subtype="FLOAT")


def _truncated(path: Path) -> None:
    sf.write(path, np.zeros(8000), 8000)
    path.write_bytes(path.read_bytes()[:5000])


def _huge_header(path: Path) -> None:
    """Promise 4 GB of sound in a file of 44 bytes."""
    sizes = struct.pack(
        "<4sI8sIHHIIHH4sI",
        b"RIFF",
        0xFFFFFFF0,
        b"WAVEfmt ",
        16,
        1,
        1,
        8000,
        16000,
        2,
        16,
        b"data",
        0xFFFFFF00,
    )
    path.write_bytes(sizes)


BAD: dict[str, Callable[[Path], object]] = {
    "missing": lambda _: None,
    "directory": Path.mkdir,
    "empty": Path.touch,
    "text": lambda path: path.write_text("this is no sound\n" * 50),
    "random": lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
    "truncated": _truncated,
    "nan": _nan,
    "no-samples": lambda path: sf.write(path, np.zeros(0), 8000),
    "huge-header": _huge_header,
    "pipe": os.mkfifo,
    "dangling-link": lambda path: path.symlink_to("nowhere"),
    "below-a-file": lambda _: None,
    "long-name": lambda _: None,
}


class TestBadInput:
    def path(self, kind: str, folder: Path) -> Path:
        if kind == "below-a-file":
            (folder / "file").touch()
            return folder / "file" / "bad.wav"
        path = folder / ("x" * 300 + ".wav" if kind == "long-name" else f"{kind}.wav")
        BAD[kind](path)
        return path

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", BAD)
    def test_one_sentence_and_exit_code_1(
        self, ctcasr: Run, tiny_bundle: Path, tmp_path: Path, kind: str
    ) -> None:
        path = self.path(kind, tmp_path)
        said = ctcasr("transcribe", path, "-m", tiny_bundle)
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith(f"error: {path}: ")
        assert said.err.count("\n") == 1

    def test_the_others_are_still_transcribed(
        self, ctcasr: Run, tiny_bundle: Path, tmp_path: Path, record: Record
    ) -> None:
        good = [record("good-1.wav", 1), record("good-2.wav", 2)]
        bad = [self.path(kind, tmp_path) for kind in BAD]
        said = ctcasr("transcribe", good[0], *bad, good[1], "-m", tiny_bundle)
        assert said.code == 1
        assert said.out == ctcasr("transcribe", *good, "-m", tiny_bundle).out
        assert len(said.errors) == len(BAD)
        for path, error in zip(bad, said.errors, strict=True):
            assert error.startswith(f"error: {path}: ")
        summary = [f"{len(BAD)} of {len(BAD) + 2} recordings failed:", *(f"  {path}" for path in bad)]
        assert said.err.splitlines()[-len(summary) :] == summary

    def test_the_others_are_still_written(
        self, ctcasr: Run, tiny_bundle: Path, tmp_path: Path, record: Record
    ) -> None:
        (tmp_path / "out" / "b.txt").mkdir(parents=True)
        paths = [record(f"{name}.wav") for name in "abc"]
        said = ctcasr("transcribe", *paths, "-m", tiny_bundle, "-o", tmp_path / "out")
        assert said.code == 1
        assert said.errors == [f"error: {tmp_path / 'out' / 'b.txt'}: cannot be written (Is a directory)"]
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "b.txt", "c.txt"]

    def test_an_output_folder_that_cannot_be(
        self, ctcasr: Run, tiny_bundle: Path, tmp_path: Path, record: Record
    ) -> None:
        (tmp_path / "file").touch()
        for output in (tmp_path / "file", tmp_path / "file" / "below"):
            said = ctcasr("transcribe", record(), "-m", tiny_bundle, "-o", output)
            assert (said.code, said.out) == (2, "")
            assert said.err.startswith(f"error: {output}: cannot be made a folder")
            assert said.err.count("\n") == 1

    @pytest.mark.slow
    def test_debug_shows_the_traceback(self, tmp_path: Path) -> None:
        with pytest.raises(CtcAsrError, match="no bundle"):
            main(["--debug", "transcribe", "a.wav", "-m", str(tmp_path / "none")])
        done = subprocess.run(
            [*COMMAND, "--debug", "transcribe", "a.wav", "-m", tmp_path / "none"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert "BundleError" in done.stderr
