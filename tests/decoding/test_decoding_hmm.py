"""The Viterbi search through HMMs against enumeration of all words and all their timings."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.decoding import HmmSettings
from ctcasr.decoding import hmm as hmm_module
from ctcasr.decoding.hmm import HmmSearch
from ctcasr.decoding.lexicon import Lexicon
from ctcasr.decoding.topology import Topology, TopologyKind, pseudo_log_likelihoods
from ctcasr.errors import ConfigError, DataError
from ctcasr.lm import NGramModel
from tests.oracles.decoding import readings
from tests.oracles.hmm import best_words_of_ctc, best_words_of_hmm
from tests.oracles.small_models import log_probs_of

SPELLINGS = {
    "characters": (
        ["<blank>", "<space>", "a", "b"],
        {"a": ["a"], "ab": ["a b"], "ba": ["b a"], "bb": ["b b"]},
    ),
    "pieces": (["<blank>", "▁a", "▁b", "a"], {"a": ["▁a"], "aa": ["▁a a"], "ba": ["▁b a"]}),
    "phones": (
        ["<blank>", "A", "B"],
        {"a": ["A"], "ab": ["A B"], "ha": ["A"], "bb": ["B", "B B"], "baa": ["B A A"]},
    ),
}
OPEN = {"beam_size": 100_000, "score_threshold": math.inf}


def priors_of(seed: int, outputs: int) -> np.ndarray:
    weights = np.random.default_rng(seed).uniform(0.2, 1, outputs)
    return weights / weights.sum()


def make(name: str, kind: TopologyKind, states: int) -> tuple[Topology, Lexicon]:
    symbols, spellings = SPELLINGS[name]
    lexicon = Lexicon.of_pieces(spellings, symbols, lambda word: [s.split() for s in spellings[word]])
    return Topology(kind, states, tuple(symbols)), lexicon


def expected(
    search: HmmSearch, log_probs: np.ndarray, worth: Callable[[tuple[str, ...]], float]
) -> tuple[float, tuple[str, ...]]:
    """The best words by enumeration."""
    topology, lexicon, chosen = search.topology, search.lexicon, search.settings
    scores = pseudo_log_likelihoods(log_probs.astype(np.float64), search.priors, chosen.prior_scale)
    transitions = (math.log(chosen.self_loop), math.log(1 - chosen.self_loop))
    if topology.kind == "hmm":
        spelled = [
            (lexicon.words[word], [output for symbol in symbols for output in topology.outputs(symbol)])
            for word, symbols in lexicon.spellings
        ]
        return best_words_of_hmm(scores, spelled, (topology.pause, topology.parts_words), transitions, worth)
    texts: dict[tuple[int, ...], list[str]] = {}
    for word, symbols in lexicon.spellings:
        texts.setdefault(symbols, []).append(lexicon.words[word])

    def read(labelling: tuple[int, ...]) -> list[tuple[str, ...]]:
        return readings(labelling, lexicon.kinds.tolist(), texts, False)

    return best_words_of_ctc(scores, read, transitions, worth)


CASES = [
    *[(name, "ctc", 1, 5) for name in SPELLINGS],
    *[(name, "hmm", states, frames) for name in SPELLINGS for states, frames in ((1, 4), (2, 6), (3, 8))],
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind", "states", "most"), CASES)
@pytest.mark.parametrize("with_model", [True, False])
@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    share=st.floats(0, 1),
    peak=st.floats(0.1, 4),
    weights=st.tuples(st.floats(0, 2), st.floats(-1, 2), st.floats(0, 1.5), st.floats(0.1, 0.9)),
)
def test_the_best_words_are_those_of_enumeration(
    word_model: NGramModel,
    name: str,
    kind: TopologyKind,
    states: int,
    most: int,
    with_model: bool,
    seed: int,
    share: float,
    peak: float,
    weights: tuple[float, float, float, float],
) -> None:
    topology, lexicon = make(name, kind, states)
    lm_weight, word_bonus, prior_scale, self_loop = weights
    chosen = HmmSettings(
        **OPEN, lm_weight=lm_weight, word_bonus=word_bonus, prior_scale=prior_scale, self_loop=self_loop
    )
    log_probs = log_probs_of(seed, round(share * most), topology.output_count, peak)
    search = HmmSearch(
        topology,
        priors_of(seed, topology.output_count),
        chosen,
        lexicon=lexicon,
        model=word_model if with_model else None,
    )

    unseen = {word for word in lexicon.words if word not in word_model.words}
    share = math.log(max(1, len(unseen)))  # of what the model says of `<unk>`

    def lm_worth(words: tuple[str, ...]) -> float:
        known = sum(word_model.score_sentence(words)) - share * sum(word in unseen for word in words)
        return known if with_model else 0.0

    def worth(words: tuple[str, ...]) -> float:
        return word_bonus * len(words) + lm_weight * lm_worth(words)

    total, _ = expected(search, log_probs, worth)
    found = search.decode(log_probs)
    assert found.log_prob == pytest.approx(total, abs=1e-5)
    texts = tuple(word.text for word in found.words)
    assert found.lm_log_prob == pytest.approx(lm_worth(texts), abs=1e-5)
    assert found.acoustic_log_prob + worth(texts) == pytest.approx(total, abs=1e-5)
    assert_tokens(found, search, log_probs)


def assert_tokens(found, search: HmmSearch, log_probs: np.ndarray) -> None:
    """Symbols spell the words, in order, in frames of their own, and the path along them has the score."""
    spelled = {(search.lexicon.words[word], symbols) for word, symbols in search.lexicon.spellings}
    for word in found.words:
        assert (word.text, found.ids[word.start : word.end]) in spelled
    assert [token.id for token in found.tokens] == list(found.ids)
    reached = 0
    probabilities = np.exp(search.topology.merged(log_probs))
    for token in found.tokens:
        assert reached <= token.start_frame < token.end_frame <= len(log_probs)
        reached = token.end_frame
        mean = probabilities[token.start_frame : token.end_frame, token.id].mean()
        assert token.confidence == pytest.approx(mean, abs=1e-6)


def planted(path: list[int], outputs: int, probability: float = 0.9) -> np.ndarray:
    rows = np.full((len(path), outputs), (1 - probability) / (outputs - 1), np.float32)
    rows[np.arange(len(path)), path] = probability
    return np.log(rows)


def search_of(name: str, kind: TopologyKind, states: int, **chosen: float) -> HmmSearch:
    topology, lexicon = make(name, kind, states)
    count = topology.output_count
    return HmmSearch(topology, np.full(count, 1 / count), HmmSettings(**chosen), lexicon=lexicon)


class TestPlanted:
    def test_states_and_pauses_are_where_they_were_put(self) -> None:
        search = search_of("phones", "hmm", 2, word_bonus=0.0)
        # silence, A1 A1 A2, silence, B1 B2 B1 B2 (two symbols B), silence
        found = search.decode(planted([0, 0, 1, 1, 2, 0, 3, 4, 3, 4, 0], 5))
        assert found.ids == (1, 2, 2)
        assert [(token.start_frame, token.end_frame) for token in found.tokens] == [(2, 5), (6, 8), (8, 10)]

    def test_double_letters_need_no_blank(self) -> None:
        search = search_of("characters", "hmm", 1, word_bonus=-1.0)
        # In one letter or two: only "bb" and "ba" begin with b.
        assert [w.text for w in search.decode(planted([1, 3, 3, 3, 1], 4)).words] == ["bb"]
        assert [w.text for w in search.decode(planted([3, 3, 2, 1, 2], 4)).words] == ["ba", "a"]

    def test_words_of_characters_are_parted(self) -> None:
        search = search_of("characters", "hmm", 1)
        assert [w.text for w in search.decode(planted([2, 3, 2], 4)).words] != ["ab", "a"]
        assert [w.text for w in search.decode(planted([2, 3, 1, 2], 4)).words] == ["ab", "a"]

    def test_ctc_needs_a_blank_between_equal_symbols(self) -> None:
        search = search_of("characters", "ctc", 1)
        assert [w.text for w in search.decode(planted([3, 0, 3], 4)).words] == ["bb"]
        assert [w.text for w in search.decode(planted([3, 3, 3], 4, 0.99)).words] != ["bb"]

    def test_priors_change_what_is_heard(self) -> None:
        topology, lexicon = make("phones", "hmm", 1)
        log_probs = np.log(np.array([[0.1, 0.6, 0.3]] * 3, np.float32))
        priors = np.array([0.1, 0.8, 0.1])
        texts = [
            [
                word.text
                for word in HmmSearch(topology, priors, HmmSettings(prior_scale=scale), lexicon=lexicon)
                .decode(log_probs)
                .words
            ]
            for scale in (0.0, 1.0)
        ]
        assert texts[0][0] in ("a", "ha")
        assert texts[1][0] == "bb"

    def test_self_loops_make_states_last(self) -> None:
        log_probs = planted([1, 2], 3, 0.5)
        short = search_of("phones", "hmm", 1, self_loop=0.1).decode(log_probs)
        long = search_of("phones", "hmm", 1, self_loop=0.9).decode(log_probs)
        assert len(short.ids) > len(long.ids)


class TestRoom:
    def test_growing_changes_nothing(self, word_model: NGramModel, monkeypatch: pytest.MonkeyPatch) -> None:
        topology, lexicon = make("phones", "hmm", 2)
        log_probs, priors = log_probs_of(3, 120, 5), priors_of(3, 5)
        search = HmmSearch(topology, priors, HmmSettings(**OPEN), lexicon=lexicon, model=word_model)
        whole = search.decode(log_probs)
        monkeypatch.setattr(hmm_module, "FIRST_TOKENS", 1)
        monkeypatch.setattr(hmm_module, "FIRST_RECORDS", 1)
        assert search.decode(log_probs) == whole
        assert whole.words

    def test_beams_only_lose(self, word_model: NGramModel) -> None:
        topology, lexicon = make("characters", "hmm", 1)
        log_probs, priors = log_probs_of(5, 60, 4, 1.0), priors_of(5, 4)

        def total(**chosen: float) -> float:
            found = HmmSettings(**{**OPEN, **chosen})
            return (
                HmmSearch(topology, priors, found, lexicon=lexicon, model=word_model)
                .decode(log_probs)
                .log_prob
            )

        best = total()
        assert [total(beam_size=size) <= best for size in (1, 3, 10)] == [True] * 3
        assert total(beam_size=3) < best
        assert total(score_threshold=0.5) < best
        assert total(beam_size=60) == best

    def test_threads_share_a_search(self, word_model: NGramModel) -> None:
        topology, lexicon = make("phones", "hmm", 1)
        search = HmmSearch(topology, priors_of(1, 3), lexicon=lexicon, model=word_model)
        inputs = [log_probs_of(seed, 40, 3) for seed in range(8)]
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(search.decode, inputs)) == [search.decode(rows) for rows in inputs]


class TestEdges:
    def test_no_frames_are_no_words(self) -> None:
        found = search_of("phones", "hmm", 1).decode(np.zeros((0, 3), np.float32))
        assert (found.ids, found.words, found.tokens) == ((), (), ())

    def test_a_path_that_stops_inside_a_word_loses_it(self) -> None:
        search = search_of("characters", "hmm", 2, beam_size=1)
        # "a", a pause, and the first state of b: the only path left is inside a word.
        found = search.decode(planted([3, 4, 1, 5], 7, 0.999))
        assert [word.text for word in found.words] == ["a"]

    def test_where_nothing_fits(self) -> None:
        search = search_of("characters", "hmm", 1)
        log_probs = np.full((3, 4), -np.inf, np.float32)
        log_probs[:, 0] = 0.0  # the blank, which no character's HMM has
        with pytest.raises(DataError, match="frame 0: no word of the lexicon fits"):
            search.decode(log_probs)

    def test_wrong_input(self) -> None:
        search = search_of("phones", "hmm", 2)
        with pytest.raises(DataError, match="log_probs have 3 outputs, the decoder has 5"):
            search.decode(log_probs_of(0, 3, 3))
        with pytest.raises(DataError, match="sums to"):
            search.decode(np.zeros((3, 5), np.float32))

    def test_parts_that_do_not_fit(self) -> None:
        topology, lexicon = make("phones", "hmm", 2)
        with pytest.raises(ConfigError, match="priors of \\(3,\\) outputs, and the topology has 5"):
            HmmSearch(topology, np.full(3, 1 / 3), lexicon=lexicon)
        _, other = make("pieces", "hmm", 2)
        with pytest.raises(ConfigError, match="spelled in 4 symbols, the model writes 3"):
            HmmSearch(topology, np.full(5, 0.2), lexicon=other)


class TestTopology:
    @settings(max_examples=30, deadline=None, derandomize=True)
    @given(st.integers(0, 999), st.integers(1, 3), st.integers(0, 5))
    def test_merged_states_are_symbols(self, seed: int, states: int, frames: int) -> None:
        topology = Topology("hmm", states, ("<blank>", "A", "B"))
        log_probs = log_probs_of(seed, frames, topology.output_count)
        merged = topology.merged(log_probs)
        assert merged.shape == (frames, 3)
        sums = [np.exp(log_probs[:, list(topology.outputs(symbol))]).sum(axis=1) for symbol in range(3)]
        np.testing.assert_allclose(np.exp(merged), np.stack(sums, axis=1), rtol=1e-5)

    def test_pauses(self) -> None:
        phones = Topology("hmm", 3, ("<blank>", "A", "B"))
        assert (phones.pause, phones.parts_words, phones.outputs(2)) == (0, False, (4, 5, 6))
        letters = Topology("hmm", 2, ("<blank>", "<space>", "a"))
        assert (letters.pause, letters.parts_words) == (1, True)
        assert (letters.outputs(1), letters.outputs(2)) == ((1,), (3, 4))
