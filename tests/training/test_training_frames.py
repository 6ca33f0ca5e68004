"""Learning frames from alignments: phones, pieces and HMM states train to bundles."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ctcasr.cli.main import main
from ctcasr.data import read_manifest, write_manifest
from ctcasr.errors import BundleError, ConfigError, DataError
from ctcasr.runtime import Recognizer, read_bundle
from ctcasr.text import BLANK
from ctcasr.training.config_files import read_config
from ctcasr.training.export import export_bundle
from ctcasr.training.loop import Trainer
from ctcasr.training.stepping import Stepper
from ctcasr.training.tensor_files import read_tensors
from tests.training.conftest import write_corpus


def trained(config: Path, folder: Path, *overrides: str) -> Path:
    """Train, export, and return the bundle."""
    Trainer(read_config(config, [*overrides, f"run.folder={folder.name}"])).run()
    export_bundle(folder, folder.with_name(f"{folder.name}-bundle"))
    return folder.with_name(f"{folder.name}-bundle")


LONG_ENOUGH: dict[str, object] = {
    "optimizer__epochs": 40,
    "batches__seconds": 0.8,
    "model__dropout": 0.0,
    "augment__frequency_masks": 0,
}


@pytest.fixture(scope="module")
def ctc_bundle(audio_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle of a model that CTC taught the tones."""
    folder = tmp_path_factory.mktemp("ctc")
    return trained(write_corpus(folder, audio_folder, **LONG_ENOUGH), folder / "ctc")


@pytest.fixture
def learned(corpus, ctc_bundle: Path) -> tuple[Path, Path]:
    """Return a configuration, and the bundle that aligns."""
    return corpus(**LONG_ENOUGH), ctc_bundle


def letters(text: str) -> str:
    """Merge repeats: what trimming can write at most."""
    return "".join(letter for place, letter in enumerate(text) if not place or text[place - 1] != letter)


@pytest.mark.slow
class TestTraining:
    def test_trimming_learns_all_but_double_letters(self, learned: tuple[Path, Path], tmp_path: Path) -> None:
        config, aligner = learned
        bundle = trained(config, tmp_path / "trim", "optimizer.objective=frames", f"frames.aligner={aligner}")
        description = read_bundle(bundle).description
        assert (description.topology, description.states, description.symbols) == ("hmm", 1, 4)
        utterances = read_manifest(tmp_path / "train.jsonl")
        texts = [transcript.text for transcript in Recognizer.load(bundle).transcribe(utterances)]
        expected = [letters(utterance.text) for utterance in utterances]
        assert sum(text == right for text, right in zip(texts, expected, strict=True)) >= 10
        assert texts[11] != "cc"
        assert "frame-wise cross-entropy" in (bundle / "README.md").read_text()

    def test_states_of_an_hmm(self, learned: tuple[Path, Path], tmp_path: Path, capsys) -> None:
        config, aligner = learned
        sets = ["optimizer.objective=frames", f"frames.aligner={aligner}", "frames.states=2"]
        bundle = trained(config, tmp_path / "hmm", *sets)
        found = read_bundle(bundle)
        assert (found.description.symbols, found.topology.output_count, len(found.vocabulary)) == (7, 7, 4)
        (tmp_path / "words.txt").write_text("ab\nc\ncb\na\n", encoding="utf-8")
        manifest = tmp_path / "train.jsonl"

        def run(*arguments: object) -> str:
            with pytest.raises(SystemExit) as raised:
                main([str(argument) for argument in arguments])
            assert raised.value.code in (0, None)
            return capsys.readouterr().out

        assert "priors of 7 outputs" in run("priors", manifest, "-m", bundle)
        said = run(
            "evaluate",
            manifest,
            "-m",
            bundle,
            "--decoder",
            "hmm",
            "--lexicon",
            spaced(tmp_path / "words.txt"),
        )
        assert said.startswith("%WER ")
        assert "7 HMM states, 2 a symbol" in run("info", bundle)

    def test_resuming_is_exact(
        self, learned: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config, aligner = learned
        sets = ["optimizer.objective=frames", f"frames.aligner={aligner}", "optimizer.epochs=3"]
        sets.append("optimizer.consistency=0.2")  # two maskings of each utterance
        Trainer(read_config(config, [*sets, "run.folder=whole"])).run()
        step, calls = Stepper.step, iter(range(100))

        def killing(self: Stepper, *arguments: Any) -> None:
            if next(calls) == 9:
                raise KeyboardInterrupt
            step(self, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(Stepper, "step", killing)
            with pytest.raises(KeyboardInterrupt):
                Trainer(read_config(config, [*sets, "run.folder=broken"])).run()
        Trainer(read_config(config, [*sets, "run.folder=broken"]), resume=True).run()
        whole, broken = (
            read_tensors(tmp_path / name / "checkpoints" / "averaged.safetensors")
            for name in ("whole", "broken")
        )
        assert all(torch.equal(whole[name], broken[name]) for name in whole)

    def test_the_aligner_has_to_fit(self, learned: tuple[Path, Path], tmp_path: Path) -> None:
        config, good = learned
        aligner = Path(shutil.copytree(good, tmp_path / "other"))
        with pytest.raises(BundleError, match="no bundle"):
            Trainer(read_config(config, ["optimizer.objective=frames", "frames.aligner=none"]))
        (aligner / "tokens.txt").write_text("<blank>\na\nb\nd\n", encoding="utf-8")
        with pytest.raises(
            ConfigError, match=r"writes 3 symbols \(a b d \.\.\.\), the transcripts have 3 symbols \(a b c"
        ):
            Trainer(read_config(config, ["optimizer.objective=frames", f"frames.aligner={aligner}"]))

    def test_what_cannot_be_aligned_is_left_out(
        self, learned: tuple[Path, Path], tmp_path: Path, caplog
    ) -> None:
        config, aligner = learned
        utterances = read_manifest(tmp_path / "train.jsonl")
        write_manifest(
            tmp_path / "train.jsonl", [*utterances, replace(utterances[0], id="bad", text="ab" * 40)]
        )
        sets = [
            "optimizer.objective=frames",
            f"frames.aligner={aligner}",
            "optimizer.epochs=1",
            "run.folder=few",
        ]
        Trainer(read_config(config, [*sets, "data.max_bad_share=0.2"])).run()
        assert f"left out: bad (train.jsonl:13): cannot be aligned by {aligner}" in caplog.text


def spaced(path: Path) -> Path:
    """Spell the words of a list, a symbol after the other: the tones have no space."""
    lines = path.read_text(encoding="utf-8").split()
    path.write_text("".join(f"{word} {' '.join(word)}\n" for word in lines), encoding="utf-8")
    return path


class TestUnits:
    @pytest.mark.slow
    def test_phones(self, corpus, tmp_path: Path, capsys) -> None:
        (tmp_path / "words.dict").write_text(
            "".join(
                f"{word} {' '.join(word.upper())}\n" for word in ["ab", "ba", "ac", "ca", "bc", "cb", "abc"]
            )
            + "cab C A B\nbca B C A\ncba C B A\na A\na(2) A A\ncc C C\n",
            encoding="utf-8",
        )
        config = corpus(**LONG_ENOUGH)
        units = ["text.units=phone", "text.lexicon=words.dict"]
        bundle = trained(config, tmp_path / "phones", *units)
        found = read_bundle(bundle)
        assert found.vocabulary.symbols == (BLANK, "A", "B", "C")
        utterances = read_manifest(tmp_path / "train.jsonl")
        spoken = [utterance.text for utterance in utterances]
        words = [transcript.text for transcript in Recognizer.load(bundle).transcribe(utterances)]
        # "abc" may be heard as "a bc": it is said alike.
        said = [[found.vocabulary.encode(text).tolist() for text in texts] for texts in (words, spoken)]
        assert sum(one == other for one, other in zip(*said, strict=True)) >= 10
        capsys.readouterr()
        with pytest.raises(SystemExit):
            main(["evaluate", str(tmp_path / "train.jsonl"), "-m", str(bundle), "--greedy"])
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("%PER ")
        assert float(lines[0].split()[1]) < 20
        # What was trained goes on, and only with the same dictionary.
        Trainer(read_config(config, [*units, "run.folder=phones"]), resume=True)
        (tmp_path / "words.dict").write_text(
            (tmp_path / "words.dict").read_text() + "d D\n", encoding="utf-8"
        )
        with pytest.raises(ConfigError, match=r"tokens\.txt: differs from the symbols"):
            Trainer(read_config(config, [*units, "run.folder=phones"]), resume=True)

    def test_pieces(self, corpus, tmp_path: Path) -> None:
        config = corpus(optimizer__epochs=2)
        bundle = trained(config, tmp_path / "pieces", "text.units=bpe", "text.pieces=8")
        found = read_bundle(bundle)
        assert found.vocabulary.units == "bpe"
        assert len(found.vocabulary) == 9
        assert found.vocabulary.decode(found.vocabulary.encode("abc ca")) == "abc ca"
        utterances = read_manifest(tmp_path / "train.jsonl")
        assert len(list(Recognizer.load(bundle).transcribe(utterances))) == 12

    def test_words_that_the_dictionary_lacks(self, corpus, tmp_path: Path) -> None:
        (tmp_path / "words.dict").write_text("ab A B\n", encoding="utf-8")
        with pytest.raises(
            DataError, match=r"u01 \(train\.jsonl:2\): the words \['ba'\] are not among the 1"
        ):
            Trainer(read_config(corpus(), ["text.units=phone", "text.lexicon=words.dict"]))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["text.units=phone"],
            "text.lexicon is missing: it is needed for text.units = 'phone'; found units = 'phone'",
        ),
        (["text.lexicon=words.dict"], "text.lexicon is for text.units = 'phone'; found units = 'char'"),
        (["text.units=bpe"], "text.pieces is missing"),
        (["text.pieces=100"], "text.pieces is for text.units = 'bpe'"),
        (["text.units=syllable"], 'text.units = "syllable"'),
        (["optimizer.objective=frames"], "frames.aligner is missing"),
        (["frames.states=2"], "the section frames is for optimizer.objective = 'frames'; found 'ctc'"),
        (["frames.aligner=bundle"], "the section frames is for optimizer.objective"),
        (["optimizer.objective=frames", "frames.aligner=b", "frames.states=4"], "frames.states = 4"),
    ],
)
def test_settings_that_contradict_each_other(corpus, overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_config(corpus(), overrides)
    assert message in str(raised.value)
