"""Decoders by name, priors, and the tuning of the HMM decoder, from the command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ctcasr import audio
from ctcasr.decoding import trim
from ctcasr.runtime import Recognizer, read_bundle
from tests.heard import arpa

Run = Callable[..., Any]
Record = Callable[..., Path]

WORDS = ("ab", "ba", "cab", "dig", "face", "j", "a", "bee", "hid")


@pytest.fixture
def recordings(record: Record) -> list[Path]:
    return [record(f"{number}.wav", number, 2.0) for number in range(4)]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "words.arpa"
    path.write_text(arpa(dict.fromkeys(WORDS, -0.9)), encoding="utf-8")
    return path


@pytest.fixture
def manifest(tmp_path: Path, recordings: list[Path]) -> Path:
    path = tmp_path / "dev.jsonl"
    texts = ("cab", "a bee", "hid face", "")
    path.write_text(
        "".join(
            json.dumps({"audio_filepath": str(recording), "duration": 2.0, "text": text}) + "\n"
            for recording, text in zip(recordings, texts, strict=True)
        ),
        encoding="utf-8",
    )
    return path


@pytest.fixture
def hybrid(ctcasr: Run, own_bundle: Path, manifest: Path) -> Path:
    """Return a bundle with priors."""
    said = ctcasr("priors", manifest, "-m", own_bundle)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(f"{own_bundle}: priors of 12 outputs, 204 frames; ")
    return own_bundle


class TestNamedDecoders:
    def test_trimming_writes_the_best_symbols_without_the_blank(
        self, ctcasr: Run, tiny_bundle: Path, recordings: list[Path]
    ) -> None:
        recognizer = Recognizer.load(tiny_bundle)
        vocabulary = recognizer.bundle.vocabulary
        for path in recordings:
            said = ctcasr("transcribe", path, "-m", tiny_bundle, "--decoder", "trim")
            found = trim(recognizer.log_probs(audio.load(path, 8000)))
            assert said.out.strip() == " ".join(vocabulary.decode(found.ids).split())
            assert said.out != ctcasr("transcribe", path, "-m", tiny_bundle).out

    def test_greedy_and_beam_by_name(self, ctcasr: Run, own_bundle: Path, recordings: list[Path]) -> None:
        plain = ctcasr("transcribe", *recordings, "-m", own_bundle, "-f", "json").out
        named = ["transcribe", *recordings, "-m", own_bundle, "-f", "json", "--decoder"]
        assert ctcasr(*named, "greedy").out == plain
        beam = ctcasr(*named, "beam").out
        assert (
            beam == ctcasr("transcribe", *recordings, "-m", own_bundle, "-f", "json", "--beam-size", "32").out
        )
        assert beam != plain
        (own_bundle / "lexicon.txt").write_text("\n".join(WORDS), encoding="utf-8")
        assert ctcasr(*named, "greedy").out == plain

    def test_the_hmm_writes_words_of_its_lexicon(
        self, ctcasr: Run, hybrid: Path, recordings: list[Path], words: Path
    ) -> None:
        said = ctcasr(
            "transcribe", *recordings, "-m", hybrid, "-f", "json", "--decoder", "hmm", "--lexicon", words
        )
        assert said.code == 0
        found = [json.loads(line) for line in said.out.splitlines()]
        assert any(entry["words"] for entry in found)
        for entry in found:
            assert {word["word"] for word in entry["words"]} <= set(WORDS)
            times = [second for word in entry["words"] for second in (word["start"], word["end"])]
            assert times == sorted(times)
            assert all(0 <= word["confidence"] <= 1 for word in entry["words"])
            assert all(seconds <= entry["duration"] for seconds in times)

    @pytest.mark.parametrize(
        ("option", "low", "high"),
        [
            ("--prior-scale", 0, 2),
            ("--word-bonus", -20, 20),
            ("--lm-weight", 0, 20),
            ("--beam-size", 1, 1000),
        ],
    )
    def test_every_option_changes_something(
        self, ctcasr: Run, hybrid: Path, recordings: list[Path], model: Path, option: str, low: int, high: int
    ) -> None:
        common = ["transcribe", *recordings, "-m", hybrid, "-f", "json", "--decoder", "hmm", "--lm", model]
        assert ctcasr(*common, option, low).out != ctcasr(*common, option, high).out

    def test_the_beam_search_divides_by_priors_too(
        self, ctcasr: Run, hybrid: Path, recordings: list[Path], manifest: Path, words: Path, model: Path
    ) -> None:
        common = ["transcribe", *recordings, "-m", hybrid, "-f", "json", "--lexicon", words]
        plain = ctcasr(*common).out
        assert ctcasr(*common, "--prior-scale", 0).out == plain
        assert ctcasr(*common, "--prior-scale", 1.5).out != plain
        said = ctcasr("lm", "tune", manifest, "-m", hybrid, "--lm", model, "--beam-size", 16)
        found = re.match(r"prior_scale (\S+), lm_weight (\S+), word_bonus (\S+): WER (\S+) % on ", said.out)
        assert (said.code, found is not None) == (0, True)
        assert found is not None
        assert f"%WER {found[4]} " in ctcasr("evaluate", manifest, "-m", hybrid).out
        decoding = read_bundle(hybrid).description.decoding
        assert decoding is not None
        assert decoding.prior_scale == float(found[1])

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--decoder", "viterbi"], "viterbi"),
            (["--decoder", "hmm"], "has no priors.npy"),
            (["--greedy", "--decoder", "trim"], "are two ways to decode"),
            (["--greedy", "--decoder", "beam"], "greedy decoding has no beam"),
            (["--decoder", "trim", "--beam-size", "3"], "trimming has no beam"),
            (["--decoder", "hmm", "--hotword", "ab"], "the HMM decoder has no hot words"),
            (["--decoder", "hmm", "--unknown-cost", "-3"], "the HMM decoder has no unknown_cost"),
            (["--prior-scale", "0.5"], "has no priors.npy, which prior_scale = 0.5 needs"),
            (["--decoder", "hmm", "--prior-scale", "3"], "prior_scale = 3.0: input should be less than"),
            (["--decoder", "hmm", "--nbest", "2", "-f", "json"], "the HMM decoder has no several hypotheses"),
        ],
    )
    def test_contradictions_are_wrong_usage(
        self, ctcasr: Run, tiny_bundle: Path, record: Record, options: list[str], message: str
    ) -> None:
        said = ctcasr("transcribe", record(), "-m", tiny_bundle, *options)
        assert (said.code, said.out) == (2, "")
        assert message in said.err


class TestPriors:
    def test_failures_are_named_and_the_others_count(
        self, ctcasr: Run, own_bundle: Path, manifest: Path
    ) -> None:
        lines = manifest.read_text().splitlines()
        bad = [
            lines[0].replace("0.wav", "lost.wav"),
            lines[1].replace("a bee", "zebra").replace("wav", "wav"),
        ]
        bad[1] = bad[1].replace("{", '{"id": "odd", ', 1)
        manifest.write_text("\n".join([*lines, *bad]) + "\n")
        said = ctcasr("priors", manifest, "-m", own_bundle, "--threads", "1")
        assert said.code == 1
        assert [error.split(" ")[1] for error in said.errors] == ["lost", "odd"]
        assert said.err.splitlines()[-1] == "2 of 6 utterances failed and do not count"
        priors = read_bundle(own_bundle).priors()
        assert priors is not None
        assert ctcasr("info", own_bundle).out.count("priors       of 12 outputs") == 1

    def test_a_folder_that_cannot_be_written_to(
        self, ctcasr: Run, own_bundle: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr(np, "save", refuse)
        said = ctcasr("priors", manifest, "-m", own_bundle)
        assert (said.code, said.out) == (2, "")
        assert "cannot be written (Read-only file system)" in said.err

    def test_nothing_to_count(self, ctcasr: Run, own_bundle: Path, tmp_path: Path) -> None:
        (tmp_path / "bad.jsonl").write_text('{"audio_filepath": "lost.wav", "duration": 1, "text": "a"}\n')
        said = ctcasr("priors", tmp_path / "bad.jsonl", "-m", own_bundle)
        assert (said.code, said.out) == (1, "")
        assert "none of 1 utterances can be used to estimate priors" in said.err
        assert not (own_bundle / "priors.npy").exists()


class TestTuning:
    def test_the_hmms_settings_are_found_and_used(
        self, ctcasr: Run, hybrid: Path, manifest: Path, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ctcasr.runtime import hmm_tuning

        grids = {"lm_weight": (0, 1), "prior_scale": (0, 1), "word_bonus": (-20, 0)}
        monkeypatch.setattr(hmm_tuning, "GRIDS", grids)
        said = ctcasr("lm", "tune", manifest, "-m", hybrid, "--lm", model, "--decoder", "hmm")
        assert said.code == 0
        assert said.err.startswith("round 1: lm_weight ")
        chosen = read_bundle(hybrid).description.hmm
        assert chosen is not None
        named = f"lm_weight {chosen.lm_weight:g}, prior_scale {chosen.prior_scale:g}"
        assert f"{named}, word_bonus {chosen.word_bonus:g}: WER " in said.out
        rate = said.out.split("WER ")[1].split(" %")[0]
        evaluated = ctcasr("evaluate", manifest, "-m", hybrid, "--decoder", "hmm").out
        assert evaluated.startswith(f"%WER {rate} ")
        assert (hybrid / "lm.npz").is_file()
        assert (hybrid / "lexicon.txt").read_text().startswith("ab a b\n")
        assert "HMM decoding" in ctcasr("info", hybrid).out

    def test_nothing_is_written_where_nothing_is_wanted(
        self, ctcasr: Run, hybrid: Path, manifest: Path, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ctcasr.runtime import hmm_tuning

        monkeypatch.setattr(hmm_tuning, "GRIDS", {"word_bonus": (0, 1)})
        before = sorted(path.name for path in hybrid.iterdir())
        arguments = ["lm", "tune", manifest, "-m", hybrid, "--lm", model, "--decoder", "hmm", "--no-write"]
        assert ctcasr(*arguments).code == 0
        assert sorted(path.name for path in hybrid.iterdir()) == before
        assert read_bundle(hybrid).description.hmm is None

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--decoder", "greedy"], "--decoder greedy has nothing to tune"),
            (["--decoder", "trim"], "--decoder trim has nothing to tune"),
            (["--decoder", "hmm"], "has no priors.npy"),
            (["--decoder", "hmm", "--unknown-cost", "-1"], "the HMM decoder has no unknown_cost"),
        ],
    )
    def test_wrong_usage(
        self, ctcasr: Run, tiny_bundle: Path, manifest: Path, options: list[str], message: str
    ) -> None:
        said = ctcasr("lm", "tune", manifest, "-m", tiny_bundle, *options)
        assert (said.code, said.out) == (2, "")
        assert message in said.err
