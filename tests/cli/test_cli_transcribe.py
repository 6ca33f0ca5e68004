"""`ctcasr transcribe`: every option."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest

from ctcasr.runtime import Recognizer
from ctcasr.runtime import recognizer as recognizer_module

Run = Callable[..., Any]
Record = Callable[..., Path]
COMMAND = [sys.executable, "-m", "ctcasr.cli.main"]


@pytest.fixture
def text(tiny_bundle: Path) -> Callable[[Path], str]:
    """Tell what the library recognises in a file."""
    recognizer = Recognizer.load(tiny_bundle)
    return lambda path: next(recognizer.transcribe([path])).text


class TestOutput:
    def test_one_recording_prints_its_text(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, text: Callable[[Path], str]
    ) -> None:
        path = record()
        said = ctcasr("transcribe", path, "-m", tiny_bundle)
        assert (said.code, said.err) == (0, "")
        assert said.out == text(path) + "\n" != "\n"

    def test_several_recordings_print_ids_in_order(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, text: Callable[[Path], str]
    ) -> None:
        paths = [record(f"{name}.wav", number) for number, name in enumerate("cab")]
        said = ctcasr("transcribe", *paths, "-m", tiny_bundle)
        assert said.out == "".join(f"{path.stem} {text(path)}\n" for path in paths)
        assert (said.code, said.err) == (0, "")

    def test_json(self, ctcasr: Run, tiny_bundle: Path, record: Record, text: Callable[[Path], str]) -> None:
        paths = [record("a.wav", 1), record("b.wav", 2)]
        lines = ctcasr("transcribe", *paths, "-m", tiny_bundle, "-f", "json").out.splitlines()
        fields = [json.loads(line) for line in lines]
        assert [(entry["id"], entry["audio_filepath"]) for entry in fields] == [
            ("a", str(paths[0])),
            ("b", str(paths[1])),
        ]
        assert [entry["text"] for entry in fields] == [text(path) for path in paths]
        assert all(" ".join(word["word"] for word in entry["words"]) == entry["text"] for entry in fields)

    @pytest.mark.parametrize("form", ["txt", "json"])
    def test_a_folder(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, tmp_path: Path, form: str
    ) -> None:
        paths = [record("a/talk.wav", 1), record("b/talk.wav", 2), record("ü.wav", 3)]
        output = tmp_path / "out" / "deep"
        said = ctcasr("transcribe", *paths, "-m", tiny_bundle, "-o", output, "-f", form)
        assert (said.code, said.out, said.err) == (0, "", "")
        # Another folder's ids are numbered as its files are.
        names = [f"talk.{form}", f"talk-2.{form}", f"ü.{form}"]
        assert sorted(path.name for path in output.iterdir()) == sorted(names)
        for path, name in zip(paths, names, strict=True):
            expected = ctcasr("transcribe", path, "-m", tiny_bundle, "-f", form).out
            if form == "json" and name == "talk-2.json":
                expected = expected.replace('"id": "talk"', '"id": "talk-2"')
            assert (output / name).read_text(encoding="utf-8") == expected

    def test_recordings_of_one_name_have_ids_of_their_own(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, tmp_path: Path
    ) -> None:
        names = ["a/x.wav", "b/x.wav", "c/X.wav", "x-2.wav", "my talk.wav", "my_talk.wav", "d/x.flac"]
        paths = [record(name, number) for number, name in enumerate(names)]
        ids = ["x", "x-2", "X-3", "x-2-2", "my talk", "my_talk-2", "x-4"]
        arguments = ["transcribe", *paths, "-m", tiny_bundle]
        lines = ctcasr(*arguments).out.splitlines()
        assert [line.split()[0] for line in lines] == ["_".join(name.split()) for name in ids]
        entries = [json.loads(line) for line in ctcasr(*arguments, "-f", "json").out.splitlines()]
        assert [(entry["id"], entry["audio_filepath"]) for entry in entries] == [
            (name, str(path)) for name, path in zip(ids, paths, strict=True)
        ]
        ctcasr(*arguments, "-f", "json", "-o", tmp_path / "out")
        written = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "out").iterdir()}
        assert written == dict(zip(ids, entries, strict=True))

    def test_a_recording_that_fails_changes_no_others_id(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, tmp_path: Path
    ) -> None:
        paths = [tmp_path / "gone" / "x.wav", record("a/x.wav"), record("b/x.wav")]
        said = ctcasr("transcribe", *paths, "-m", tiny_bundle)
        assert said.code == 1
        assert [line.split()[0] for line in said.out.splitlines()] == ["x-2", "x-3"]
        ctcasr("transcribe", *paths, "-m", tiny_bundle, "-o", tmp_path / "out")
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["x-2.txt", "x-3.txt"]

    def test_a_name_with_spaces_stays_one_id(self, ctcasr: Run, tiny_bundle: Path, record: Record) -> None:
        said = ctcasr("transcribe", record("my own\ntalk.wav"), record("b.wav"), "-m", tiny_bundle)
        assert [line.split()[0] for line in said.out.splitlines()] == ["my_own_talk", "b"]


class TestOptions:
    def test_precision_picks_the_network(self, ctcasr: Run, tiny_bundle: Path, record: Record) -> None:
        path = record("a.wav", seconds=3.0)
        outs = {
            name: ctcasr("transcribe", path, "-m", tiny_bundle, "-f", "json", *options).out
            for name, options in {
                "": [],
                "int8": ["--precision", "int8"],
                "fp32": ["--precision", "fp32"],
            }.items()
        }
        assert outs[""] == outs["int8"] != outs["fp32"]

    def test_threads_bound_the_pool(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sizes = []

        class Pool(futures.ThreadPoolExecutor):
            def __init__(self, size: int) -> None:
                sizes.append(size)
                super().__init__(size)

        monkeypatch.setattr(recognizer_module, "ThreadPoolExecutor", Pool)
        outs = {
            ctcasr("transcribe", record("a.wav"), record("b.wav", 1), "-m", tiny_bundle, *options).out
            for options in ([], ["--threads", "1"], ["--threads", "3"])
        }
        # One for recordings, and one for the windows of long recordings where there are threads for it.
        assert sizes == [os.cpu_count()] * (2 if (os.cpu_count() or 1) > 1 else 1) + [1, 3, 3]
        assert len(outs) == 1

    def test_timings_go_to_stderr(self, ctcasr: Run, tiny_bundle: Path, record: Record) -> None:
        paths = [record("a.wav", seconds=1.5), record("b.wav", seconds=1.0)]
        said = ctcasr("transcribe", *paths, "-m", tiny_bundle, "--timings")
        assert said.out == ctcasr("transcribe", *paths, "-m", tiny_bundle).out
        stages = ["start", "load model", "read", "features", "network", "decode", "wall clock"]
        assert [line[:12].strip() for line in said.err.splitlines()] == stages
        assert said.err.splitlines()[-1].endswith(" s for 2.5 s of audio")

    def test_model_picks_the_bundle(
        self, ctcasr: Run, tiny_bundle: Path, own_bundle: Path, record: Record
    ) -> None:
        tokens = (own_bundle / "tokens.txt").read_text(encoding="utf-8")
        (own_bundle / "tokens.txt").write_text(
            tokens.translate(str.maketrans("cdefghij", "CDEFGHIJ")).replace("<spaCE>", "<space>"),
            encoding="utf-8",
        )
        path = record("a.wav", seconds=3.0)
        ours = ctcasr("transcribe", path, "--model", own_bundle).out
        assert ours.lower() == ctcasr("transcribe", path, "-m", tiny_bundle).out != ours

    @pytest.mark.parametrize("name", ["none", "", "x" * 5000])
    def test_no_such_bundle(
        self, ctcasr: Run, record: Record, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        said = ctcasr("transcribe", record(), "-m", name)
        assert (said.code, said.out) == (2, "")
        assert len(said.errors) == len(said.err.splitlines()) == 1


class TestProcess:
    """What only a real process shows."""

    def run(self, *arguments: object, **options: Any) -> subprocess.CompletedProcess[Any]:
        return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, **options)

    @pytest.mark.slow
    def test_the_installed_command(
        self, tiny_bundle: Path, record: Record, text: Callable[[Path], str]
    ) -> None:
        path = record()
        command = Path(sys.executable).with_name("ctcasr")
        done = subprocess.run(
            [command, "transcribe", path, "-m", tiny_bundle], capture_output=True, text=True
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, text(path) + "\n", "")
        done = subprocess.run(
            [command, "transcribe", "none", "-m", tiny_bundle], capture_output=True, text=True
        )
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)

    @pytest.mark.slow
    def test_names_of_every_kind(self, tiny_bundle: Path, record: Record, tmp_path: Path) -> None:
        path = record("talk.wav")
        names = ["-dash.wav", "naïve 日本.wav", "dot.dot.wav", ".hidden"]
        for name in names:
            (tmp_path / name).write_bytes(path.read_bytes())
        for form in ("txt", "json"):
            done = self.run(
                "transcribe",
                "-m",
                tiny_bundle,
                "-f",
                form,
                "-o",
                "out",
                "--",
                *names,
                cwd=tmp_path,
                text=True,
            )
            assert (done.returncode, done.stderr) == (0, "")
        done = self.run("transcribe", "-m", tiny_bundle, "-f", "json", "--", *names, cwd=tmp_path, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        entries = [json.loads(line) for line in done.stdout.splitlines()]
        assert [entry["audio_filepath"] for entry in entries] == names
        assert len({entry["text"] for entry in entries}) == 1
        done = self.run("transcribe", "-m", tiny_bundle, "--", *names, cwd=tmp_path, text=True)
        stems = ["-dash", "naïve_日本", "dot.dot", ".hidden"]
        assert [line.split()[0] for line in done.stdout.splitlines()] == stems

    @pytest.mark.slow
    def test_a_name_that_is_no_unicode(self, tiny_bundle: Path, record: Record, tmp_path: Path) -> None:
        path, odd = record("talk.wav"), tmp_path / os.fsdecode(b"caf\xe9.wav")
        odd.write_bytes(path.read_bytes())
        done = self.run("transcribe", "-m", tiny_bundle, path, odd, path, text=True)
        assert "Traceback" not in done.stderr
        assert [line.split()[0] for line in done.stdout.splitlines() if "udce9" not in line] == [
            "talk",
            "talk-2",
        ]
        assert "caf\\udce9" in done.stdout + done.stderr

    @pytest.mark.slow
    def test_a_terminal_that_knows_ascii_only(self, tiny_bundle: Path, record: Record) -> None:
        environment = os.environ | {"PYTHONIOENCODING": "ascii"}
        done = self.run(
            "transcribe", record("ü.wav"), record("b.wav"), "-m", tiny_bundle, env=environment, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("\\xfc ")

    @pytest.mark.slow
    def test_a_reader_that_goes_away(self, tiny_bundle: Path, record: Record) -> None:
        path = record(seconds=0.1)
        process = subprocess.Popen(
            [*COMMAND, "transcribe", *[path] * 300, "-m", tiny_bundle, "-f", "json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        error = process.stderr.read().decode()
        process.stderr.close()
        process.wait(timeout=60)
        assert "Traceback" not in error
        assert "BrokenPipe" not in error

    @pytest.mark.slow
    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_disk(self, tiny_bundle: Path, record: Record) -> None:
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [*COMMAND, "transcribe", record(), "-m", tiny_bundle],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
            )
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        assert "No space left on device" in done.stderr

    @pytest.mark.slow
    def test_stdout_is_data_where_stderr_is_a_terminal(self, tiny_bundle: Path, record: Record) -> None:
        """A progress bar must not take stdout with it."""
        paths = [record("a.wav", 1), record("b.wav", 2)]
        expected = self.run("transcribe", *paths, "-m", tiny_bundle).stdout
        ours, theirs = pty.openpty()
        try:
            done = subprocess.run(
                [*COMMAND, "transcribe", *map(str, paths), "-m", str(tiny_bundle)],
                stdout=subprocess.PIPE,
                stderr=theirs,
            )
            os.close(theirs)
            shown = os.read(ours, 1 << 16)
        finally:
            os.close(ours)
        assert done.stdout == expected
        assert b"transcribing" in shown

    @pytest.mark.slow
    def test_hundreds_of_files(self, tiny_bundle: Path, record: Record, tmp_path: Path) -> None:
        path = record("talk.wav", seconds=0.05)
        folder = tmp_path / "many"
        folder.mkdir()
        for number in range(500):
            (folder / f"{number:04}.wav").hardlink_to(path)
        done = self.run("transcribe", *sorted(folder.iterdir()), "-m", tiny_bundle, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert [line.split()[0] for line in done.stdout.splitlines()] == [
            f"{number:04}" for number in range(500)
        ]
        assert len({line.split(" ", 1)[-1] for line in done.stdout.splitlines() if " " in line}) <= 1
