"""`ctcasr lm tune`: what it finds, what it writes, what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctcasr import lm
from ctcasr.runtime import Recognizer, read_bundle
from ctcasr.runtime.bundle import LANGUAGE_MODEL, LEXICON
from ctcasr.runtime.decoder import DecodingOptions

Run = Callable[..., Any]
LETTERS = "abcdefghij"


@pytest.fixture
def manifest(tiny_bundle: Path, record: Callable[..., Path], tmp_path: Path) -> Path:
    """Recordings with what a search for words of one letter and two recognises without a language model."""
    words = tmp_path / "words.txt"
    words.write_text("".join(f"{a}\n" for a in [*LETTERS, *(f"{a}{b}" for a in LETTERS for b in LETTERS)]))
    paths = [record(f"{number}.wav", number, 2.0) for number in range(6)]
    options = DecodingOptions(lexicon=words, settings={"beam_size": 128, "word_bonus": 2.0})
    lines = [
        {
            "id": one.id,
            "audio_filepath": Path(one.audio_path).name,
            "duration": 2.0,
            "text": one.text,
        }
        for one in Recognizer.load(tiny_bundle, decoding=options).transcribe(paths)
    ]
    path = tmp_path / "dev.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def model(manifest: Path, tmp_path: Path) -> Path:
    """A language model of these transcripts."""
    texts, path = tmp_path / "text.txt", tmp_path / "words.npz"
    lines = [json.loads(line)["text"] for line in manifest.read_text(encoding="utf-8").splitlines()]
    texts.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    counts = lm.count_ngrams([texts], lm.CountSettings(order=2))
    lm.save(lm.NGramModel.from_tables(lm.kneser_ney(counts)), path)
    return path


class TestTune:
    @pytest.mark.slow
    def test_it_finds_the_words_again_and_writes_them_down(
        self, ctcasr: Run, own_bundle: Path, manifest: Path, model: Path
    ) -> None:
        before = float(re.search(r"%WER ([\d.]+)", ctcasr("evaluate", manifest, "-m", own_bundle).out)[1])  # type: ignore[index]
        said = ctcasr("lm", "tune", manifest, "-m", own_bundle, "--lm", model)
        found = re.fullmatch(rf"lm_weight (\S+), word_bonus (\S+): WER (\S+) % on {manifest}\n", said.out)
        assert (said.code, found is not None) == (0, True)
        assert found is not None
        assert float(found[3]) < before
        assert said.err.startswith("round 1: lm_weight ")
        assert said.err.endswith(f"{own_bundle}: decodes with them from now on\n")
        decoding = read_bundle(own_bundle).description.decoding
        assert decoding is not None
        assert (decoding.lm_weight, decoding.word_bonus) == (float(found[1]), float(found[2]))
        assert decoding.beam_size == 128
        assert (own_bundle / LANGUAGE_MODEL).is_file()
        assert (own_bundle / LEXICON).is_file()
        # What it said is what the bundle now does by itself.
        after = ctcasr("evaluate", manifest, "-m", own_bundle).out
        assert f"%WER {found[3]} " in after

    def test_no_write_leaves_the_bundle_as_it_is(
        self, ctcasr: Run, own_bundle: Path, manifest: Path, model: Path
    ) -> None:
        before = {path.name: path.read_bytes() for path in own_bundle.iterdir()}
        said = ctcasr("lm", "tune", manifest, "-m", own_bundle, "--lm", model, "--no-write")
        assert (said.code, "from now on" in said.err) == (0, False)
        assert {path.name: path.read_bytes() for path in own_bundle.iterdir()} == before

    @pytest.mark.slow
    def test_again_with_what_the_bundle_carries(
        self, ctcasr: Run, own_bundle: Path, manifest: Path, model: Path
    ) -> None:
        first = ctcasr("lm", "tune", manifest, "-m", own_bundle, "--lm", model)
        assert ctcasr("lm", "tune", manifest, "-m", own_bundle).out == first.out

    def test_options_are_written_too(
        self, ctcasr: Run, own_bundle: Path, manifest: Path, model: Path, tmp_path: Path
    ) -> None:
        options = ["--lexicon", tmp_path / "words.txt", "--beam-size", "16", "--unknown-cost", "-7"]
        assert ctcasr("lm", "tune", manifest, "-m", own_bundle, "--lm", model, *options).code == 0
        decoding = read_bundle(own_bundle).description.decoding
        assert decoding is not None
        assert (decoding.beam_size, decoding.unknown_cost) == (16, -7.0)
        assert len((own_bundle / LEXICON).read_text(encoding="utf-8").splitlines()) == 110

    def test_a_model_over_symbols(
        self, ctcasr: Run, own_bundle: Path, manifest: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "letters.npz"
        assert ctcasr("lm", "train", manifest, "-o", path, "--unit", "char", "--order", "2").code == 0
        assert ctcasr("lm", "tune", manifest, "-m", own_bundle, "--lm", path, "--beam-size", "32").code == 0
        assert not (own_bundle / LEXICON).exists()
        assert "2-grams of" in ctcasr("info", own_bundle).out

    def test_help(self, ctcasr: Run) -> None:
        said = ctcasr("lm", "tune", "--help")
        assert said.code == 0
        assert "E.g. `ctcasr lm tune " in re.sub(r"\s+", " ", said.out)


class TestRefused:
    def test_without_a_model(self, ctcasr: Run, own_bundle: Path, manifest: Path) -> None:
        said = ctcasr("lm", "tune", manifest, "-m", own_bundle)
        assert (said.code, said.out) == (2, "")
        assert said.errors == [f"error: {own_bundle}: carries no language model; name one with --lm"]

    def test_without_words(self, ctcasr: Run, own_bundle: Path, manifest: Path, model: Path) -> None:
        lines = [json.loads(line) | {"text": ""} for line in manifest.read_text().splitlines()]
        manifest.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        said = ctcasr("lm", "tune", manifest, "-m", own_bundle, "--lm", model)
        assert (said.code, said.out) == (1, "")
        assert "no words to tune on" in said.err

    def test_speech_that_cannot_be_read(
        self, ctcasr: Run, own_bundle: Path, manifest: Path, model: Path
    ) -> None:
        manifest.with_name("3.wav").unlink()
        said = ctcasr("lm", "tune", manifest, "-m", own_bundle, "--lm", model)
        assert (said.code, said.out, len(said.errors)) == (1, "", 1)
        assert "3.wav: cannot be opened" in said.err
        assert read_bundle(own_bundle).description.decoding is None

    @pytest.mark.parametrize("options", [["--beam-size", "0"], ["--unknown-cost", "1"]], ids=" ".join)
    def test_options_out_of_range(
        self, ctcasr: Run, own_bundle: Path, manifest: Path, model: Path, options: list[str]
    ) -> None:
        said = ctcasr("lm", "tune", manifest, "-m", own_bundle, "--lm", model, *options)
        assert (said.code, said.out, len(said.errors)) == (2, "", 1)
