"""Priors: occupancies against enumeration of all paths, counts of states, and what a bundle makes of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.ctc import collapse
from ctcasr.data import Utterance
from ctcasr.errors import BundleError, ConfigError, DataError
from ctcasr.runtime import Bundle, Recognizer, read_bundle
from ctcasr.runtime.decoder import make_decoder, method_of
from ctcasr.runtime.decoding_parts import DecodingOptions
from ctcasr.runtime.priors import estimate_priors, occupancy, write_priors
from ctcasr.text import BLANK, SPACE, Vocabulary

LETTERS = Vocabulary((BLANK, SPACE, "a", "b"))
Record = Callable[..., Path]


def bundle_of(folder: Path, **fields: object) -> Bundle:
    read = read_bundle(folder)
    return Bundle(folder, read.description.model_copy(update=fields), LETTERS)


def log_probs_of(seed: int, frames: int, outputs: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=(frames, outputs)) * 2
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


class TestOccupancy:
    @settings(max_examples=30, deadline=None, derandomize=True)
    @given(
        seed=st.integers(0, 999), frames=st.integers(3, 6), text=st.sampled_from(["", "a", "a b", "bb", "ab"])
    )
    def test_of_ctc_it_is_that_of_enumeration(
        self, tiny_bundle: Path, seed: int, frames: int, text: str
    ) -> None:
        log_probs = log_probs_of(seed, frames, 4)
        targets = LETTERS.encode(text).tolist()
        counts, total = np.zeros(4), 0.0
        for path in itertools.product(range(4), repeat=frames):
            if collapse(path) == targets:
                probability = float(
                    np.exp(sum(log_probs[frame, symbol] for frame, symbol in enumerate(path)))
                )
                total += probability
                counts += probability * np.bincount(path, minlength=4)
        found = occupancy(bundle_of(tiny_bundle), log_probs, text)
        np.testing.assert_allclose(found, counts / total, rtol=1e-4, atol=1e-6)
        assert found.sum() == pytest.approx(frames, abs=1e-4)

    def test_of_an_hmm_states_are_counted(self, tiny_bundle: Path) -> None:
        bundle = bundle_of(tiny_bundle, topology="hmm", states=2, symbols=7)
        # Outputs: silence 0, space 1 (2 is never used), a 3 4, b 5 6.
        path = [1, 1, 3, 4, 4, 1, 5, 5, 6]
        rows = np.full((len(path), 7), 0.01, np.float32)
        rows[np.arange(len(path)), path] = 0.94
        assert occupancy(bundle, np.log(rows), "a b").tolist() == [0, 3, 0, 1, 2, 2, 1]
        assert occupancy(bundle, np.log(rows), "").tolist() == [0, 9, 0, 0, 0, 0, 0]

    def test_what_cannot_be_said(self, tiny_bundle: Path) -> None:
        with pytest.raises(DataError, match="cannot write the character 'x'"):
            occupancy(bundle_of(tiny_bundle), log_probs_of(0, 5, 4), "ax")
        with pytest.raises(DataError, match="need at least"):
            occupancy(bundle_of(tiny_bundle), log_probs_of(0, 5, 4), "ababab")


@pytest.fixture
def utterances(record: Record) -> list[Utterance]:
    """Recordings, with what the tiny bundle recognises in them."""
    return [
        Utterance(f"u{number}", record(f"{number}.wav", number), 1.0, "a b", where=f"train.jsonl:{number}")
        for number in range(3)
    ]


class TestEstimate:
    def test_all_frames_are_shared_out(self, own_bundle: Path, utterances: list[Utterance]) -> None:
        recognizer = Recognizer.load(own_bundle)
        counts = sum(
            occupancy(recognizer.bundle, recognizer.log_probs_of(utterance), utterance.text)
            for utterance in utterances
        )
        steps: list[None] = []
        priors = estimate_priors(recognizer, utterances, lambda: steps.append(None), threads=2)
        assert len(steps) == 3
        assert priors.frames == 3 * 26
        np.testing.assert_allclose(priors.values, (counts + 1) / (3 * 26 + 12), rtol=1e-5)
        assert priors.values.sum() == pytest.approx(1)
        write_priors(recognizer.bundle, priors)
        read = read_bundle(own_bundle).priors()
        assert read is not None
        np.testing.assert_allclose(read, priors.values, rtol=1e-6)

    def test_problems_are_named_and_do_not_count(
        self, own_bundle: Path, utterances: list[Utterance], tmp_path: Path
    ) -> None:
        recognizer = Recognizer.load(own_bundle)
        bad = [
            Utterance("lost", tmp_path / "lost.wav", 1.0, "a"),
            Utterance("odd", utterances[0].audio_path, 1.0, "xyz"),
            Utterance("long", utterances[0].audio_path, 1.0, "ab" * 20),
        ]
        priors = estimate_priors(recognizer, [*bad, *utterances], lambda: None)
        assert [problem.split(":")[0] for problem in priors.problems] == ["lost", "odd", "long"]
        assert (priors.values == estimate_priors(recognizer, utterances, lambda: None).values).all()
        with pytest.raises(
            DataError, match="none of 3 utterances can be used to estimate priors; the first: lost"
        ):
            estimate_priors(recognizer, bad, lambda: None)


class TestDamage:
    @pytest.mark.parametrize(
        ("priors", "message"),
        [
            (
                np.full(11, 1 / 11, np.float32),
                r"float32 of shape \(11,\); expected a number for each of the 12",
            ),
            (np.full((12, 1), 1 / 12), r"shape \(12, 1\)"),
            (np.ones(12, np.int64), "int64"),
            (np.full(12, 1.0), "with the sum 12; expected probabilities above 0"),
            (np.array([0.0] + [1 / 11] * 11), "from 0 to"),
            (np.full(12, np.nan), "from nan to nan"),
            (np.array([None] * 12), "cannot be read"),
        ],
    )
    def test_bad_priors(self, own_bundle: Path, priors: np.ndarray, message: str) -> None:
        np.save(own_bundle / "priors.npy", priors, allow_pickle=True)
        with pytest.raises(BundleError, match=rf"priors\.npy: .*{message}.*run `ctcasr priors` again"):
            read_bundle(own_bundle).priors()

    def test_no_array(self, own_bundle: Path) -> None:
        (own_bundle / "priors.npy").write_bytes(b"no array")
        with pytest.raises(BundleError, match="cannot be read"):
            read_bundle(own_bundle).priors()

    def test_topologies_that_do_not_fit(self, own_bundle: Path) -> None:
        text = (own_bundle / "bundle.json").read_text()
        (own_bundle / "bundle.json").write_text(text.replace('"topology": "ctc"', '"topology": "hmm"'))
        assert read_bundle(own_bundle).topology.kind == "hmm"
        (own_bundle / "bundle.json").write_text(text.replace('"states": 1', '"states": 2'))
        with pytest.raises(BundleError, match="CTC has one output a symbol, found 2"):
            read_bundle(own_bundle)
        both = text.replace('"topology": "ctc"', '"topology": "hmm"').replace('"states": 1', '"states": 2')
        (own_bundle / "bundle.json").write_text(both)
        with pytest.raises(BundleError, match=r"names 12 symbols, but tokens\.txt has 12, 23 outputs"):
            read_bundle(own_bundle)


class TestMethod:
    def options(self, **fields: object) -> DecodingOptions:
        return DecodingOptions(**fields)  # type: ignore[arg-type]

    def test_what_a_bundle_is_decoded_with(self, own_bundle: Path) -> None:
        ctc = read_bundle(own_bundle)
        hmm = Bundle(own_bundle, ctc.description.model_copy(update={"topology": "hmm"}), ctc.vocabulary)
        assert [method_of(bundle, self.options()) for bundle in (ctc, hmm)] == ["greedy", "greedy"]
        assert method_of(ctc, self.options(is_beam=True)) == "beam"
        assert method_of(hmm, self.options(lexicon=Path("words.txt"))) == "hmm"
        for name in ("greedy", "trim", "hmm"):
            wanted = self.options(is_greedy=True) if name == "greedy" else self.options(method=name)
            assert method_of(ctc, wanted) == method_of(hmm, wanted) == name
        (own_bundle / "lexicon.txt").write_text("ab\n", encoding="utf-8")
        assert [method_of(bundle, self.options()) for bundle in (ctc, hmm)] == ["beam", "greedy"]
        np.save(own_bundle / "priors.npy", np.full(12, 1 / 12, np.float32))
        assert [method_of(bundle, self.options()) for bundle in (ctc, hmm)] == ["beam", "hmm"]

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"is_greedy": True, "method": "hmm"}, "--greedy and --decoder hmm are two ways"),
            ({"is_greedy": True, "is_beam": True}, "greedy decoding has no beam"),
            ({"method": "trim", "lexicon": Path("words.txt")}, "trimming has no beam"),
            ({"method": "hmm", "hot_words": ("ab",)}, "the HMM decoder has no hot words"),
            ({"method": "hmm", "is_beam": True}, "the HMM decoder has no several hypotheses"),
            ({"method": "hmm"}, r"has no priors\.npy, which an HMM needs"),
        ],
    )
    def test_contradictions(self, own_bundle: Path, fields: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            make_decoder(read_bundle(own_bundle), self.options(**fields))

    def test_an_hmm_needs_words(self, own_bundle: Path) -> None:
        np.save(own_bundle / "priors.npy", np.full(12, 1 / 12, np.float32))
        bundle = read_bundle(own_bundle)
        with pytest.raises(ConfigError, match="the HMM decoder needs words"):
            make_decoder(bundle, self.options(method="hmm"))
        (own_bundle / "words.txt").write_text("ab\nba\n", encoding="utf-8")
        words = self.options(method="hmm", lexicon=own_bundle / "words.txt", settings={"lm_weight": 2.0})
        with pytest.raises(ConfigError, match="lm_weight needs a language model"):
            make_decoder(bundle, words)
