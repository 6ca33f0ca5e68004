"""`ctcasr score` and `ctcasr info`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctcasr.features import FeatureSettings

Run = Callable[..., Any]


@pytest.fixture
def texts(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "ref.txt").write_text("u1 the cat sat\nu2 on a mat\nu3\nu4 x\n", encoding="utf-8")
    (tmp_path / "hyp.txt").write_text("u4 y\nu1 the cat sat\nu2 on the mat now\nu3\n", encoding="utf-8")
    return tmp_path / "ref.txt", tmp_path / "hyp.txt"


class TestScore:
    def test_golden(self, ctcasr: Run, texts: tuple[Path, Path]) -> None:
        said = ctcasr("score", *texts)
        assert (
            said.out
            == "%WER 42.86 [ 3 / 7, 1 ins, 0 del, 2 sub ]\n%SER 50.00 [ 2 / 4 ]\n%MER 37.50 [ 3 / 8 ]\n"
        )
        assert (said.code, said.err) == (0, "")

    def test_characters(self, ctcasr: Run, texts: tuple[Path, Path]) -> None:
        first = ctcasr("score", *texts, "--unit", "char").out.splitlines()[0]
        # Of 11 + 8 + 0 + 1 characters: "a" to "the" and " now" are 7 errors, "x" to "y" one.
        assert first == "%CER 40.00 [ 8 / 20, 6 ins, 0 del, 2 sub ]"

    def test_missing_hypotheses_are_refused_or_allowed(self, ctcasr: Run, texts: tuple[Path, Path]) -> None:
        texts[1].write_text("u1 the cat sat\n", encoding="utf-8")
        said = ctcasr("score", *texts)
        assert (said.code, said.out) == (1, "")
        assert "3 of 4 reference ids lack a hypothesis" in said.err
        assert said.err.count("\n") == 1
        assert ctcasr("score", *texts, "--allow-missing").out.splitlines()[0] == (
            "%WER 57.14 [ 4 / 7, 0 ins, 4 del, 0 sub ] [PARTIAL]"
        )

    def test_an_unreadable_file(self, ctcasr: Run, texts: tuple[Path, Path], tmp_path: Path) -> None:
        for path in (tmp_path / "none.txt", tmp_path):
            said = ctcasr("score", texts[0], path)
            assert (said.code, said.out) == (1, "")
            assert said.err.startswith(f"error: {path}: cannot be read")

    def test_json(self, ctcasr: Run, texts: tuple[Path, Path]) -> None:
        said = ctcasr("score", *texts, "--json")
        result = json.loads(said.out)
        assert (said.code, result["utterances"], result["sentence_errors"]) == (0, 4, 2)
        assert result["word"] == {
            "rate": 3 / 7, "match_error_rate": 3 / 8, "errors": 3, "reference_length": 7,
            "hits": 5, "substitutions": 2, "deletions": 0, "insertions": 1,
        }  # fmt: skip
        texts[0].write_text("u1\n")
        texts[1].write_text("u1 um\n")
        assert json.loads(ctcasr("score", *texts, "--json").out)["word"]["rate"] is None

    def test_alignments(self, ctcasr: Run, texts: tuple[Path, Path], tmp_path: Path) -> None:
        said = ctcasr("score", *texts, "--alignments", tmp_path / "ali.txt")
        assert said.out == ctcasr("score", *texts).out
        assert (
            "id: (u2)\nScores: (#C #S #D #I) 2 1 0 1\n"
            "REF:  on a   mat *** \nHYP:  on the mat now \nEval:    S       I   \n\n"
        ) in (tmp_path / "ali.txt").read_text()

    def test_normalisers(self, ctcasr: Run, tmp_path: Path) -> None:
        reference, hypothesis = tmp_path / "ref.txt", tmp_path / "hyp.txt"
        reference.write_text("u1 It can't be 25, Sir.\nu2 你好，世界\n", encoding="utf-8")
        hypothesis.write_text("u1 it cannot be um twenty five sir\nu2 你 好 世 解\n", encoding="utf-8")
        firsts = {
            name: ctcasr("score", reference, hypothesis, "--normalize", name).out.splitlines()[0]
            for name in ("none", "basic", "english", "cjk")
        }
        assert firsts == {
            "none": "%WER 166.67 [ 10 / 6, 5 ins, 0 del, 5 sub ]",
            "basic": "%WER 114.29 [ 8 / 7, 4 ins, 0 del, 4 sub ]",
            "english": "%WER 44.44 [ 4 / 9, 2 ins, 0 del, 2 sub ]",
            "cjk": "%CER 77.27 [ 17 / 22, 13 ins, 0 del, 4 sub ]",
        }
        said = ctcasr("score", reference, hypothesis, "--normalize", "cjk", "--unit", "word")
        assert said.out.startswith("%WER ")
        assert (
            "normalized: cjk (compatibility_form, lower_case, without_punctuation, joined_cjk)\n" in said.out
        )
        result = json.loads(ctcasr("score", reference, hypothesis, "--normalize", "basic", "--json").out)
        assert result["normalize"] == {
            "name": "basic", "rules": ["compatibility_form", "lower_case", "without_punctuation"],
        }  # fmt: skip

    def test_a_report(self, ctcasr: Run, texts: tuple[Path, Path], tmp_path: Path) -> None:
        page = tmp_path / "report.html"
        said = ctcasr("score", *texts, "--report", page, "--known-words", texts[0], "--against", texts[0])
        assert (said.code, said.err) == (0, "")
        content = page.read_text(encoding="utf-8")
        assert "<h1>hyp.txt against ref.txt</h1>" in content
        assert '"kind":"vocabulary","name":"only known words"' in content
        assert "vocabulary" not in self._without_words(ctcasr, texts, page)
        said = ctcasr("score", *texts, "--report", tmp_path / "none" / "r.html")
        assert (said.code, said.out, len(said.errors)) == (2, "", 1)

    @staticmethod
    def _without_words(ctcasr: Run, texts: tuple[Path, Path], page: Path) -> str:
        assert ctcasr("score", *texts, "--report", page).code == 0
        return page.read_text(encoding="utf-8")

    @pytest.mark.slow
    def test_two_systems(self, ctcasr: Run, texts: tuple[Path, Path], tmp_path: Path) -> None:
        (tmp_path / "perfect.txt").write_text(texts[0].read_text(encoding="utf-8"), encoding="utf-8")
        said = ctcasr("score", *texts, "--against", tmp_path / "perfect.txt")
        assert said.out.splitlines()[3:] == [
            "second: %WER 0.00 [ 0 / 7, 0 ins, 0 del, 0 sub ]",
            "first against second: 3 and 0 errors, 3 errors more, in 2 segments; z = 3.00, p = 0.5 (matched pairs): "
            "may be luck",
            "7 words would tell a difference of this size apart four times out of five: this was the fifth",
        ]
        against = json.loads(ctcasr("score", *texts, "--against", tmp_path / "perfect.txt", "--json").out)[
            "against"
        ]
        assert (against["word"]["errors"], against["comparison"]["p"]) == (0, 0.5)

    def test_the_interval_is_over_speakers_where_they_are_known(self, ctcasr: Run, tmp_path: Path) -> None:
        lines = [{"id": f"u{n}", "text": "a b c", "speaker": f"s{n % 10}"} for n in range(40)]
        reference, hypothesis, speakers = (tmp_path / name for name in ("ref.jsonl", "hyp.txt", "utt2spk"))
        reference.write_text("".join(json.dumps(line) + "\n" for line in lines))
        hypothesis.write_text("".join(f"u{n} a b {'cd'[n % 3 == 0]}\n" for n in range(40)))
        speakers.write_text("".join(f"u{n} t{n % 20}\n" for n in range(40)))
        said = ctcasr("score", reference, hypothesis).out.splitlines()[-1]
        assert said.startswith("%WER is ")
        assert said.endswith(" with 95 % confidence (bootstrap over 10 speakers)")
        assert "over 20 speakers" in ctcasr("score", reference, hypothesis, "--speakers", speakers).out
        result = json.loads(ctcasr("score", reference, hypothesis, "--json").out)
        assert result["interval"]["low"] < result["word"]["rate"] < result["interval"]["high"]

    @pytest.mark.parametrize("place", ["missing/ali.txt", ""])
    def test_alignments_that_cannot_be_written(
        self, ctcasr: Run, texts: tuple[Path, Path], tmp_path: Path, place: str
    ) -> None:
        said = ctcasr("score", *texts, "--alignments", tmp_path / place)
        assert (said.code, said.out, len(said.errors)) == (2, "", 1)
        assert "--alignments" in said.err

    def test_words_with_times(self, ctcasr: Run, tmp_path: Path) -> None:
        (tmp_path / "ref.stm").write_text("talk 1 ann 0.0 2.0 hello world\ntalk 1 bob 2.0 4.0 good bye\n")
        (tmp_path / "hyp.ctm").write_text("talk 1 0.1 0.5 hello\ntalk 1 1.9 0.6 world\ntalk 1 3.0 0.5 bye\n")
        # "world" ends up in the second segment, where its middle lies.
        said = ctcasr("score", tmp_path / "ref.stm", tmp_path / "hyp.ctm")
        assert said.out.splitlines()[0] == "%WER 50.00 [ 2 / 4, 0 ins, 1 del, 1 sub ]"


class TestInfo:
    def test_a_bundle(self, ctcasr: Run, tiny_bundle: Path) -> None:
        said = ctcasr("info", tiny_bundle)
        assert (said.code, said.err) == (0, "")
        for fact in (
            f"tiny ({tiny_bundle})", "8000 Hz, 20 log-mel bins", "4 (40 ms a frame)", "<blank> a b <space> c",
            "model.int8.onnx 0.", "model.onnx 0.", "CC0-1.0", "in windows",
        ):  # fmt: skip
            assert fact in said.out

    def test_a_bundle_that_streams_frame_by_frame(
        self, ctcasr: Run, make_bundle: Callable[..., Path], tiny_features: FeatureSettings
    ) -> None:
        features = tiny_features.model_copy(update={"normalization": "none"})
        assert "frame by frame" in ctcasr("info", make_bundle(features, bidirectional=False)).out

    def test_the_bundle_of_the_package(
        self, ctcasr: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        said = ctcasr("info", "an4")
        assert said.code == 0
        for fact in ("an4", "16000 Hz", "parameters", "utterances", "WER"):
            assert fact in said.out

    def test_an_audio_file(self, ctcasr: Run, record: Callable[..., Path]) -> None:
        path = record("talk.wav", seconds=1.5)
        assert ctcasr("info", path).out == (
            f"audio        {path}\nformat       WAV PCM_16\n"
            "sample rate  8000 Hz\nchannels     1\nduration     1.500 s\n"
        )

    def test_a_run(self, ctcasr: Run, tmp_path: Path) -> None:
        records = [
            {
                "epoch": n,
                "train_loss": 3 / n,
                "dev_loss": 2.0,
                "dev_wer": cer * 2,
                "dev_cer": cer,
                "seconds": 90.0,
            }
            for n, cer in ((1, 0.5), (2, 0.125), (3, 0.25))
        ]
        (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        said = ctcasr("info", tmp_path)
        assert said.out == (
            f"run         {tmp_path}\nepochs      3\nbest epoch  2: dev WER 25.00 %, CER 12.50 %\n"
            "last epoch  train loss 1.000, dev loss 2.000\ntime        4.5 minutes\n"
        )

    @pytest.mark.parametrize(
        "content",
        ["", "{", "{}", "3", "null", '{"dev_cer": 1, "dev_loss": 1}', '{"dev_cer": "a", "dev_loss": 1}'],
    )
    def test_a_damaged_run(self, ctcasr: Run, tmp_path: Path, content: str) -> None:
        (tmp_path / "metrics.jsonl").write_text(content + "\n")
        said = ctcasr("info", tmp_path)
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith(f"error: {tmp_path}/metrics.jsonl: cannot be read")
        assert said.err.count("\n") == 1

    def test_nonsense(self, ctcasr: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "text.txt").write_text("no sound\n" * 99)
        (tmp_path / "folder").mkdir()
        for target, code in {"none": 2, "folder": 2, "/dev/null": 2, "x" * 5000: 2, "text.txt": 1}.items():
            said = ctcasr("info", target)
            assert (said.code, said.out) == (code, ""), target
            assert len(said.errors) == len(said.err.splitlines()) == 1
            assert target in said.err
