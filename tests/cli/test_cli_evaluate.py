"""`ctcasr evaluate`: the scores of a manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctcasr.runtime import Recognizer
from ctcasr.scoring import read_texts, score

Run = Callable[..., Any]
Record = Callable[..., Path]
Manifest = Callable[..., Path]


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Write a manifest of paths, ids and texts."""

    def write(*lines: dict[str, object]) -> Path:
        path = tmp_path / "test.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        return path

    return write


def entry(path: Path, text: str, **more: object) -> dict[str, object]:
    return {"audio_filepath": str(path), "duration": 1.0, "text": text} | more


class TestScores:
    def test_the_lines_are_those_of_score(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, manifest: Manifest
    ) -> None:
        paths = [record(f"{name}.wav", number) for number, name in enumerate("abcd")]
        recognised = {t.id: t.text for t in Recognizer.load(tiny_bundle).transcribe(paths)}
        # The first is right, the second has a word too few, the others are wrong.
        references = {"a": recognised["a"], "b": recognised["b"] + " more", "c": "x y z", "d": ""}
        path = manifest(*(entry(path, references[path.stem]) for path in paths))
        said = ctcasr("evaluate", path, "-m", tiny_bundle)
        words, characters = score(references, recognised, "word"), score(references, recognised, "char")
        assert (said.code, said.err) == (0, "")
        assert said.out.splitlines() == [
            *words.kaldi_lines(),
            words.counts.match_error_line(),
            characters.kaldi_lines()[0],
        ]
        assert [line.split()[0] for line in said.out.splitlines()] == ["%WER", "%SER", "%MER", "%CER"]
        assert words.sentence_errors == 3

    def test_perfect_is_zero(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, manifest: Manifest
    ) -> None:
        path = record()
        text = next(Recognizer.load(tiny_bundle).transcribe([path])).text
        words, characters = len(text.split()), len(text)
        assert ctcasr("evaluate", manifest(entry(path, text)), "-m", tiny_bundle).out == (
            f"%WER 0.00 [ 0 / {words}, 0 ins, 0 del, 0 sub ]\n%SER 0.00 [ 0 / 1 ]\n"
            f"%MER 0.00 [ 0 / {words} ]\n"
            f"%CER 0.00 [ 0 / {characters}, 0 ins, 0 del, 0 sub ]\n"
        )

    def test_an_unreadable_recording_counts_as_unrecognised(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, manifest: Manifest, tmp_path: Path
    ) -> None:
        path = record()
        text = next(Recognizer.load(tiny_bundle).transcribe([path])).text
        lost = tmp_path / "lost.wav"
        said = ctcasr("evaluate", manifest(entry(path, text), entry(lost, "ab cd ef")), "-m", tiny_bundle)
        words = len(text.split())
        assert said.code == 1
        assert said.out.startswith(
            f"%WER {300 / (words + 3):.2f} [ 3 / {words + 3}, 0 ins, 3 del, 0 sub ]\n%SER 50.00 [ 1 / 2 ]\n"
        )
        assert said.errors[0].startswith(f"error: {lost}: cannot be opened")
        assert said.err.splitlines()[1:] == ["1 of 2 recordings failed and count as unrecognised"]

    def test_normalisers(self, ctcasr: Run, tiny_bundle: Path, record: Record, manifest: Manifest) -> None:
        path = record()
        text = next(Recognizer.load(tiny_bundle).transcribe([path])).text
        lines = manifest(entry(path, text.upper() + "!"))
        assert not ctcasr("evaluate", lines, "-m", tiny_bundle).out.startswith("%WER 0.00 ")
        said = ctcasr("evaluate", lines, "-m", tiny_bundle, "--normalize", "basic").out
        assert said.startswith("%WER 0.00 ")
        assert "normalized: basic (" in said
        said = ctcasr("evaluate", lines, "-m", tiny_bundle, "--normalize", "cjk").out.splitlines()
        assert [line.split()[0] for line in said[:3]] == ["%CER", "%SER", "%MER"]
        assert not any(line.startswith("%WER") for line in said)

    def test_a_report_has_the_sounds_of_the_worst(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, manifest: Manifest, tmp_path: Path
    ) -> None:
        lines = manifest(entry(record(), "x y z"), entry(tmp_path / "lost.wav", "a"))
        said = ctcasr("evaluate", lines, "-m", tiny_bundle, "--report", tmp_path / "report.html")
        assert said.code == 1
        content = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert "<h1>tiny on test.jsonl</h1>" in content
        assert content.count('"mp3":') == 1

    def test_an_expected_band(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, manifest: Manifest
    ) -> None:
        lines = manifest(entry(record(), "x y z"))
        rate = 100 * json.loads(ctcasr("evaluate", lines, "-m", tiny_bundle, "--json").out)["word"]["rate"]
        assert ctcasr("evaluate", lines, "-m", tiny_bundle, "--expect", f"{rate}:{rate + 1}").code == 0
        for band in (f"0:{rate - 1}", f"{rate + 1}:900"):
            said = ctcasr("evaluate", lines, "-m", tiny_bundle, "--expect", band)
            assert (said.code, said.errors) == (1, [f"error: the rate is {rate:.2f} %, expected {band}"])
            assert said.out.startswith("%WER ")
        for wrong in ("5", "9:5", "a:b", "nan:5", "-1:5", "1:2:3"):
            assert ctcasr("evaluate", lines, "-m", tiny_bundle, "--expect", wrong).code == 2

    def test_segments_of_one_recording(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, manifest: Manifest, tmp_path: Path
    ) -> None:
        path = record("whole.wav", seconds=3.0)
        lines = [entry(path, "a", id=f"seg-{start}", offset=start) for start in (0, 1, 2)]
        ctcasr("evaluate", manifest(*lines), "-m", tiny_bundle, "--hypotheses", tmp_path / "hyp.txt")
        hypotheses = read_texts(tmp_path / "hyp.txt")
        assert list(hypotheses) == ["seg-0", "seg-1", "seg-2"]
        assert len(set(hypotheses.values())) > 1


class TestOptions:
    def test_hypotheses_score_the_same(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, manifest: Manifest, tmp_path: Path
    ) -> None:
        lines = [entry(record(f"{name}.wav", n), "a b c") for n, name in enumerate("ab")]
        path = manifest(*lines, entry(tmp_path / "lost.wav", "a"))
        said = ctcasr("evaluate", path, "-m", tiny_bundle, "--hypotheses", tmp_path / "hyp.txt")
        assert said.code == 1
        assert (tmp_path / "hyp.txt").read_text(encoding="utf-8").splitlines()[2] == "lost"
        assert ctcasr("score", path, tmp_path / "hyp.txt").out.splitlines() == said.out.splitlines()[:3]

    @pytest.mark.parametrize("place", ["missing/hyp.txt", "", "file/hyp.txt"])
    def test_hypotheses_that_cannot_be_written(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, manifest: Manifest, tmp_path: Path, place: str
    ) -> None:
        (tmp_path / "file").touch()
        path = manifest(entry(record(), "a"))
        said = ctcasr("evaluate", path, "-m", tiny_bundle, "--hypotheses", tmp_path / place)
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith(f"error: {tmp_path / place}: ")
        assert said.err.count("\n") == 1

    def test_a_disk_that_is_full_costs_no_scores(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, manifest: Manifest
    ) -> None:
        if not Path("/dev/full").exists():
            pytest.skip("needs /dev/full")
        said = ctcasr(
            "evaluate", manifest(entry(record(), "a")), "-m", tiny_bundle, "--hypotheses", "/dev/full"
        )
        assert said.code == 2
        assert said.out.startswith("%WER ")
        assert said.errors == [
            "error: /dev/full: cannot be written (No space left on device); choose another --hypotheses"
        ]

    def test_precision_threads_and_model(
        self,
        ctcasr: Run,
        tiny_bundle: Path,
        record: Record,
        manifest: Manifest,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        seen: list[tuple[object, ...]] = []
        load, transcribe = Recognizer.load, Recognizer.transcribe

        def spy_load(bundle: Any = None, precision: Any = None, **options: Any) -> Recognizer:
            seen.append((bundle, precision))
            return load(bundle, precision, **options)

        def spy_transcribe(self: Recognizer, recordings: Any, *, threads: int | None = None) -> Any:
            seen.append((self.precision, threads))
            return transcribe(self, recordings, threads=threads)

        monkeypatch.setattr(Recognizer, "load", spy_load)
        monkeypatch.setattr(Recognizer, "transcribe", spy_transcribe)
        path = manifest(entry(record(), "a"))
        ctcasr("evaluate", path, "-m", tiny_bundle)
        ctcasr("evaluate", path, "--model", tiny_bundle, "--precision", "fp32", "--threads", "3")
        assert seen == [(str(tiny_bundle), None), ("int8", None), (str(tiny_bundle), "fp32"), ("fp32", 3)]


class TestBadManifests:
    @pytest.mark.parametrize(
        ("content", "word"),
        [
            ("", "lists no utterance"),
            ("\n\n", "lists no utterance"),
            ("id some text\n", "not a JSON object"),
            ("[1]\n", "expected an object"),
            ('{"audio_filepath": "a.wav", "text": "a"}\n', "`duration`"),
            ('{"audio_filepath": "a.wav", "duration": -1}\n', "`duration`"),
            (
                '{"audio_filepath": "a.wav", "duration": 1}\n{"audio_filepath": "b/a.wav", "duration": 1}\n',
                "'a'",
            ),
        ],
    )
    def test_one_sentence_and_exit_code_1(
        self, ctcasr: Run, tiny_bundle: Path, tmp_path: Path, content: str, word: str
    ) -> None:
        path = tmp_path / "test.jsonl"
        path.write_text(content, encoding="utf-8")
        said = ctcasr("evaluate", path, "-m", tiny_bundle)
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith(f"error: {path}:")
        assert word in said.err
        assert said.err.count("\n") == 1

    def test_a_missing_manifest_and_a_missing_bundle(
        self, ctcasr: Run, tiny_bundle: Path, tmp_path: Path, record: Record, manifest: Manifest
    ) -> None:
        assert ctcasr("evaluate", tmp_path / "none.jsonl", "-m", tiny_bundle).code == 1
        said = ctcasr("evaluate", manifest(entry(record(), "a")), "-m", tmp_path / "none")
        assert said.code == 2
        assert len(said.errors) == len(said.err.splitlines()) == 1
