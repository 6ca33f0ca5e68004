"""Learning frames from alignments: what the targets are, and that phones, pieces and HMM states train to bundles."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.cli.main import main
from ctcasr.data import read_manifest, write_manifest
from ctcasr.decoding.topology import Topology
from ctcasr.errors import BundleError, ConfigError, DataError
from ctcasr.models import frame_loss
from ctcasr.runtime import Recognizer, read_bundle
from ctcasr.runtime.aligned import AlignedSegment, AlignedToken, AlignedTranscript, AlignedWord
from ctcasr.text import BLANK, SPACE, Vocabulary
from ctcasr.training.config_files import read_config
from ctcasr.training.export import export_bundle
from ctcasr.training.frame_targets import UNKNOWN, Timeline, frame_targets, parts_of
from ctcasr.training.loop import Trainer
from ctcasr.training.objectives import FrameObjective
from ctcasr.training.splicing import Piece
from ctcasr.training.stepping import Stepper
from ctcasr.training.tensor_files import read_tensors
from tests.training.conftest import write_corpus

LETTERS = Vocabulary((BLANK, SPACE, "a", "b", "c"))
BARE = Vocabulary((BLANK, "a", "b", "c"))


def aligned(*words: list[tuple[str, float, float]], seconds: float = 2.0) -> AlignedTranscript:
    """Return words of symbols with their times."""
    spans = [
        AlignedWord(
            "x", "x", word[0][1], word[-1][2], 1.0, tuple(AlignedToken(*token, 1.0) for token in word)
        )
        for word in words
    ]
    segment = AlignedSegment("x", spans[0].start_seconds, spans[-1].end_seconds, 1.0, tuple(spans), 1)
    return AlignedTranscript((segment,), seconds, 0.0)


def parts(found: AlignedTranscript, vocabulary: Vocabulary, growth: float) -> list[tuple[str, float]]:
    topology = Topology("hmm", 1, vocabulary.symbols)
    return [
        (vocabulary.symbols[symbol], round(end, 6))
        for symbol, end in parts_of(found, vocabulary, topology, growth)
    ]


class TestParts:
    def test_symbols_meet_halfway_and_grow_into_pauses(self) -> None:
        found = aligned([("a", 0.4, 0.5), ("b", 0.7, 0.8)], [("c", 1.4, 1.5)])
        assert parts(found, LETTERS, 0.1) == [
            (SPACE, 0.3), ("a", 0.6), ("b", 0.9), (SPACE, 1.3), ("c", 1.6), (SPACE, np.inf)
        ]  # fmt: skip
        assert parts(found, BARE, 0.1) == [
            (BLANK, 0.3), ("a", 0.6), ("b", 0.9), (BLANK, 1.3), ("c", 1.6), (BLANK, np.inf)
        ]  # fmt: skip

    def test_a_third_of_a_short_pause_is_left_where_words_are_parted(self) -> None:
        found = aligned([("a", 0.0, 0.5)], [("b", 0.56, 1.95)])
        assert parts(found, LETTERS, 0.1) == [("a", 0.52), (SPACE, 0.54), ("b", 2.0), (SPACE, np.inf)]
        assert parts(found, BARE, 0.1) == [("a", 0.53), ("b", 2.0), (BLANK, np.inf)]

    def test_symbols_of_an_hmm_stay_as_they_are(self) -> None:
        found = aligned([("a", 0.4, 0.6), ("b", 0.6, 0.8)], [("c", 0.8, 1.5)], [("c", 1.6, 1.7)])
        assert parts(found, BARE, 0.0) == [
            (BLANK, 0.4), ("a", 0.6), ("b", 0.8), ("c", 1.5), (BLANK, 1.6), ("c", 1.7), (BLANK, np.inf)
        ]  # fmt: skip


class TestTargets:
    def test_frames_take_what_is_said_in_their_middle(self) -> None:
        timeline = Timeline(np.array([1, 5, 2]), np.array([0.1, 0.14, np.inf]))
        whole = (Piece(0, 0.0, 0.3),)
        assert frame_targets([timeline], whole, 8, 0.04).tolist() == [1, 1, 5, 2, 2, 2, 2, 2]
        # Twice as fast: half as many frames.
        assert frame_targets([timeline], whole, 4, 0.08).tolist() == [1, 5, 2, 2]

    def test_pieces_follow_each_other(self) -> None:
        one, two = (
            Timeline(np.array([1, 2]), np.array([0.5, np.inf])),
            Timeline(np.array([3]), np.array([np.inf])),
        )
        origin = (Piece(0, 0.4, 0.2), Piece(1, 1.0, 0.1), Piece(0, 0.0, 0.1))
        assert frame_targets([one, two], origin, 10, 0.05).tolist() == [1, 1, 2, 2, 3, 3, 1, 1, 1, 1]

    def test_nothing_is_known_of_what_could_not_be_aligned(self) -> None:
        timeline = Timeline(np.array([3]), np.array([np.inf]))
        origin = (Piece(0, 0.0, 0.1), Piece(1, 0.0, 0.1))
        assert frame_targets(["broken", timeline], origin, 4, 0.05).tolist() == [UNKNOWN, UNKNOWN, 3, 3]
        assert frame_targets(["broken"], (), 2, 0.05).tolist() == [UNKNOWN, UNKNOWN]

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.lists(st.floats(0.01, 0.5), min_size=1, max_size=6), st.integers(0, 40), st.floats(0.01, 0.1))
    def test_outputs_come_in_order(self, lengths: list[float], frames: int, frame_seconds: float) -> None:
        ends = np.append(np.cumsum(lengths[:-1]), np.inf)
        found = frame_targets(
            [Timeline(np.arange(len(lengths)), ends)], (Piece(0, 0.0, 1.0),), frames, frame_seconds
        )
        assert all(one <= other for one, other in pairwise(found.tolist()))
        for frame, target in enumerate(found.tolist()):
            assert target == int(np.sum(ends <= (frame + 0.5) * frame_seconds))


class TestLoss:
    def test_frames_of_which_nothing_is_known_do_not_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        targets = torch.tensor([[0, UNKNOWN, 2, 1], [1, 1, UNKNOWN, 0]])
        monkeypatch.setattr(FrameObjective, "_targets", lambda *_: targets)
        objective = object.__new__(FrameObjective)
        lengths = torch.tensor([4, 2])
        counted = objective.counted(torch.zeros(4, 4, 3), lengths.repeat(2), None)
        assert counted.tolist() == [[True, False, True, True], [True, True, False, False]] * 2
        assert objective.sizes(lengths, None).tolist() == counted[:2].sum(1).tolist()

    def test_it_is_torchs_where_frames_count(self) -> None:
        generator = torch.Generator().manual_seed(0)
        log_probs = torch.randn(3, 5, 4, generator=generator).log_softmax(-1).requires_grad_()
        targets = torch.randint(0, 4, (3, 5), generator=generator)
        targets[0, 1] = UNKNOWN
        lengths = torch.tensor([5, 3, 0])
        losses = frame_loss(log_probs, lengths, targets)
        for row, length in enumerate(lengths.tolist()):
            expected = torch.nn.functional.nll_loss(
                log_probs[row, :length], targets[row, :length], reduction="sum", ignore_index=UNKNOWN
            )
            torch.testing.assert_close(losses[row], expected)
        (gradient,) = torch.autograd.grad(losses.sum(), log_probs)
        assert not gradient[0, 1].any()
        assert not gradient[1, 3:].any()


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
