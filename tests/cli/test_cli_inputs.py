"""`ctcasr transcribe`: what its arguments stand for, going on after an interruption, progress."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctcasr.cli.progress import Tally
from ctcasr.runtime import Recognizer

Run = Callable[..., Any]
Record = Callable[..., Path]


class Stdin:
    """Standard input that holds bytes."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def ids(out: str) -> list[str]:
    return [line.split()[0] for line in out.splitlines()]


class TestFolders:
    def test_files_of_all_depths_are_sorted(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, tmp_path: Path
    ) -> None:
        for name in ("in/b.wav", "in/a/z.flac", "in/a.wav", "in/.hidden.wav", "in/.git/x.wav"):
            record(name)
        (tmp_path / "in" / "notes.txt").write_text("no sound")
        (tmp_path / "in" / "speech.raw").write_bytes(b"no header")
        said = ctcasr("transcribe", tmp_path / "in", "-m", tiny_bundle)
        assert (said.code, said.err) == (0, "")
        assert ids(said.out) == ["z", "a", "b"]  # by path: in/a/z, in/a.wav

    def test_a_folder_without_audio(self, ctcasr: Run, tiny_bundle: Path, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        said = ctcasr("transcribe", tmp_path / "in", "-m", tiny_bundle)
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith(f"error: {tmp_path / 'in'}: is a directory")


class TestPatterns:
    def test_matches_are_sorted(self, ctcasr: Run, tiny_bundle: Path, record: Record, tmp_path: Path) -> None:
        for name in ("b.wav", "a.wav", "deep/c.wav", "d.flac"):
            record(name)
        assert ids(ctcasr("transcribe", tmp_path / "*.wav", "-m", tiny_bundle).out) == ["a", "b"]
        assert ids(ctcasr("transcribe", tmp_path / "**" / "*.wav", "-m", tiny_bundle).out) == ["a", "b", "c"]

    def test_a_file_of_that_name_comes_first(self, ctcasr: Run, tiny_bundle: Path, record: Record) -> None:
        record("talk1.wav")
        said = ctcasr("transcribe", record("talk[1].wav"), record("b.wav"), "-m", tiny_bundle)
        assert ids(said.out) == ["talk[1]", "b"]

    def test_no_match_is_an_error(self, ctcasr: Run, tiny_bundle: Path, tmp_path: Path) -> None:
        said = ctcasr("transcribe", tmp_path / "*.wav", "-m", tiny_bundle)
        assert said.code == 1
        assert said.err.startswith(f"error: {tmp_path / '*.wav'}: cannot be opened")


class TestManifests:
    def test_utterances_keep_ids_and_offsets(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, tmp_path: Path
    ) -> None:
        record("a.wav", seconds=3.0)
        entries = [
            {"id": f"u{number}", "audio_filepath": "a.wav", "duration": 1.0, "offset": number, "text": ""}
            for number in (2, 0)
        ]
        manifest = tmp_path / "x.jsonl"
        manifest.write_text("\n".join(map(json.dumps, entries)))
        said = ctcasr("transcribe", manifest, "-m", tiny_bundle, "-f", "json")
        found = [json.loads(line) for line in said.out.splitlines()]
        assert [(entry["id"], entry["duration"]) for entry in found] == [("u2", 1.0), ("u0", 1.0)]
        assert found[0]["audio_filepath"] == str(tmp_path / "a.wav")

    def test_a_damaged_one_stops_the_command(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, tmp_path: Path
    ) -> None:
        (tmp_path / "x.jsonl").write_text("[]")
        said = ctcasr("transcribe", record(), tmp_path / "x.jsonl", "-m", tiny_bundle)
        assert (said.code, said.out, len(said.errors)) == (1, "", 1)


class TestStandardInput:
    def test_it_is_transcribed(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = record(seconds=2.0)
        monkeypatch.setattr(sys, "stdin", Stdin(path.read_bytes()))
        assert (
            ctcasr("transcribe", "-", "-m", tiny_bundle).out
            == ctcasr("transcribe", path, "-m", tiny_bundle).out
        )
        monkeypatch.setattr(sys, "stdin", Stdin(path.read_bytes()))
        fields = json.loads(ctcasr("transcribe", "-", "-m", tiny_bundle, "-f", "json").out)
        assert (fields["id"], fields["audio_filepath"]) == ("stdin", "standard input")

    @pytest.mark.parametrize("content", [b"", b"no sound at all" * 9])
    def test_what_is_no_audio(
        self, ctcasr: Run, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
    ) -> None:
        monkeypatch.setattr(sys, "stdin", Stdin(content))
        said = ctcasr("transcribe", "-", "-m", tiny_bundle)
        assert said.code == 1
        assert said.err.startswith("error: standard input: ")

    def test_twice_is_wrong_usage(self, ctcasr: Run, tiny_bundle: Path) -> None:
        said = ctcasr("transcribe", "-", "-", "-m", tiny_bundle)
        assert (said.code, said.out) == (2, "")
        assert "named twice" in said.err


class TestSkipExisting:
    def test_only_what_is_missing_is_made(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paths = [record(f"{folder}/x.wav", number) for number, folder in enumerate("abc")]
        arguments = ["transcribe", *paths, "-m", tiny_bundle, "-o", tmp_path / "out", "-f", "txt,srt"]
        ctcasr(*arguments)
        whole = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
        (tmp_path / "out" / "x-2.srt").unlink()
        (tmp_path / "out" / "x.txt").write_text("by hand\n")
        seen: list[object] = []
        transcribe = Recognizer.transcribe

        def counting(self: Recognizer, recordings: Any, **options: Any) -> Any:
            seen.extend(recordings := list(recordings))
            return transcribe(self, recordings, **options)

        monkeypatch.setattr(Recognizer, "transcribe", counting)
        said = ctcasr(*arguments, "--skip-existing")
        assert (said.code, said.err) == (0, "2 of 3 recordings were there already\n")
        assert seen == [paths[1]]
        found = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
        assert found == whole | {"x.txt": "by hand\n"}
        assert ctcasr(*arguments).code == 0
        assert (tmp_path / "out" / "x.txt").read_text() == whole["x.txt"]

    def test_without_a_folder_it_is_wrong_usage(self, ctcasr: Run, tiny_bundle: Path, record: Record) -> None:
        said = ctcasr("transcribe", record(), "-m", tiny_bundle, "--skip-existing")
        assert (said.code, said.out) == (2, "")
        assert "add -o DIR" in said.err


class TestProgress:
    def test_a_tally_adds_shares_by_weight(self) -> None:
        tally = Tally([10.0, 30.0])
        tally.told(1, 5.0, 0.5)
        tally.told(0, 2.0, 1.0)
        assert (tally.done, tally.seconds, tally.recordings) == (25.0, 7.0, 1)
        tally.told(1, 10.0, 1.0)
        tally.told(1, 10.0, 1.0)
        assert (tally.done, tally.seconds, tally.recordings) == (40.0, 12.0, 2)

    def test_a_recording_that_failed_counts_as_done(self) -> None:
        tally = Tally([10.0])
        tally.failed(0)
        assert (tally.done, tally.seconds, tally.recordings) == (10.0, 0.0, 1)

    @pytest.mark.slow
    def test_the_bar_shows_speed_and_recordings(self, tiny_bundle: Path, record: Record) -> None:
        paths = [str(record(f"{number}.wav", number, 3.0)) for number in range(3)]
        ours, theirs = pty.openpty()
        try:
            command = [sys.executable, "-m", "ctcasr.cli.main", "transcribe", *paths, "-m", str(tiny_bundle)]
            environment = os.environ | {"COLUMNS": "160"}
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env=environment)
            os.close(theirs)
            shown = os.read(ours, 1 << 16).decode()
        finally:
            os.close(ours)
        assert done.returncode == 0
        assert "x real time" in shown
        assert "/3" in shown
