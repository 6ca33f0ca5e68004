"""The beam search against enumeration of all labellings."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracles.decoding import readings, word_scores

from ctcasr.ctc.exhaustive import labelling_log_probs
from ctcasr.decoding import greedy
from ctcasr.decoding.beam import BeamSearch, BeamSettings
from ctcasr.decoding.lexicon import Lexicon
from ctcasr.errors import ConfigError, DataError
from ctcasr.lm import NGramModel, read_arpa
from ctcasr.text import Vocabulary

UNBOUNDED = {
    "beam_size": 5000,
    "tokens": 100,
    "min_token_log_prob": -math.inf,
    "score_threshold": math.inf,
}
WORD_ARPA = """\\data\\
ngram 1=6
ngram 2=5
ngram 3=1

\\1-grams:
-1.2\t<unk>
-99\t<s>\t-0.4
-0.9\t</s>
-0.5\ta\t-0.3
-0.7\tab\t-0.2
-1.1\tba\t-0.1

\\2-grams:
-0.3\t<s> a\t-0.15
-0.6\ta a
-0.2\ta ba
-0.4\tab </s>
-0.9\tba ab

\\3-grams:
-0.1\t<s> a ba

\\end\\
"""


def log_probs_of(seed: int, frames: int, symbols: int, peak: float = 2.0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(size=(frames, symbols)) * peak
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def word_model(tmp_path_factory: pytest.TempPathFactory) -> NGramModel:
    path = tmp_path_factory.mktemp("lm") / "words.arpa"
    path.write_text(WORD_ARPA, encoding="utf-8")
    return read_arpa(path)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), frames=st.integers(0, 7), symbols=st.integers(2, 4), peak=st.floats(0.1, 6))
def test_unbounded_beam_finds_every_labelling(seed: int, frames: int, symbols: int, peak: float) -> None:
    log_probs = log_probs_of(seed, frames, symbols, peak)
    search = BeamSearch(["<blank>", *"abc"[: symbols - 1]], BeamSettings(**UNBOUNDED))
    expected = labelling_log_probs(log_probs)
    found = search.decode(log_probs, best=10**6)
    assert {hypothesis.ids for hypothesis in found} == set(expected)
    for hypothesis in found:
        assert hypothesis.log_prob == pytest.approx(expected[hypothesis.ids], abs=1e-6)
        assert hypothesis.acoustic_log_prob == pytest.approx(hypothesis.log_prob, abs=1e-9)
    assert [h.log_prob for h in found] == sorted((h.log_prob for h in found), reverse=True)


def symbol_model(tmp_path_factory: pytest.TempPathFactory) -> NGramModel:
    path = tmp_path_factory.mktemp("lm") / "symbols.arpa"
    path.write_text(WORD_ARPA.replace("ab", "b").replace("ba", "c"), encoding="utf-8")
    return read_arpa(path)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), frames=st.integers(1, 6), weight=st.floats(0, 2), bonus=st.floats(-1, 2))
def test_symbol_model_scores_every_labelling(
    tmp_path_factory: pytest.TempPathFactory, seed: int, frames: int, weight: float, bonus: float
) -> None:
    model = symbol_model(tmp_path_factory)
    log_probs = log_probs_of(seed, frames, 4)
    chosen = BeamSettings(**UNBOUNDED, lm_weight=weight, word_bonus=bonus)
    found = BeamSearch(["<blank>", *"abc"], chosen, model=model).decode(log_probs, best=10**6)
    expected = labelling_log_probs(log_probs)
    assert len(found) == len(expected)
    for hypothesis in found:
        lm = sum(model.score_sentence(["_abc"[number] for number in hypothesis.ids]))
        acoustic = expected[hypothesis.ids]
        assert hypothesis.lm_log_prob == pytest.approx(lm, abs=1e-5)
        assert hypothesis.acoustic_log_prob == pytest.approx(acoustic, abs=1e-5)
        total = acoustic + weight * lm + bonus * len(hypothesis.ids)
        assert hypothesis.log_prob == pytest.approx(total, abs=1e-5)


SPELLINGS = {
    "characters": (["<blank>", "<space>", "a", "b"], {"a": ["a"], "ab": ["a b"], "ba": ["b a"], "bb": ["b b"]}),
    "pieces": (["<blank>", "▁a", "▁b", "a", "b"], {"a": ["▁a"], "ab": ["▁a b"], "ba": ["▁b a", "▁b a a"]}),
    "phones": (["<blank>", "A", "B"], {"a": ["A"], "ab": ["A B"], "ba": ["B A"], "ha": ["A"], "bb": ["B", "B B"]}),
}


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    frames=st.integers(0, 6),
    kind=st.sampled_from(sorted(SPELLINGS)),
    with_model=st.booleans(),
    open_=st.booleans(),
    weight=st.floats(0, 2),
    bonus=st.floats(-1, 2),
)
def test_unbounded_lexicon_search_scores_every_word_sequence(
    word_model: NGramModel,
    seed: int,
    frames: int,
    kind: str,
    with_model: bool,
    open_: bool,
    weight: float,
    bonus: float,
) -> None:
    symbols, spelled = SPELLINGS[kind]
    open_ = open_ and kind != "phones"
    frames = min(frames, 5) if kind == "pieces" else frames
    lexicon = Lexicon.of_pieces(spelled, symbols, lambda word: [line.split() for line in spelled[word]])
    log_probs = log_probs_of(seed, frames, len(symbols))
    chosen = BeamSettings(
        **UNBOUNDED, lm_weight=weight, word_bonus=bonus, unknown_cost=-1.5 if open_ else None
    )
    model = word_model if with_model else None
    found = BeamSearch(symbols, chosen, lexicon=lexicon, model=model).decode(log_probs, best=10**6)
    by_spelling: dict[tuple[int, ...], list[str]] = {}
    for word, lines in spelled.items():
        for line in lines:
            by_spelling.setdefault(tuple(symbols.index(piece) for piece in line.split()), []).append(word)

    def worth(words: tuple[str, ...]) -> float:
        lm = sum(word_model.score_sentence(words)) if with_model else 0.0
        return weight * lm + bonus * len(words) - 1.5 * words.count("<unk>")

    expected = word_scores(
        labelling_log_probs(log_probs),
        lambda labelling: readings(labelling, lexicon.kinds.tolist(), by_spelling, open_),
        worth,
    )
    totals: dict[tuple[str, ...], float] = {}
    for hypothesis in found:
        words = tuple(
            word.text if hypothesis.ids[word.start : word.end] in by_spelling else "<unk>"
            for word in hypothesis.words
        )
        totals[words] = float(np.logaddexp(totals.get(words, -np.inf), hypothesis.log_prob))
    assert set(totals) == set(expected)
    for words, log_prob in totals.items():
        assert log_prob == pytest.approx(expected[words], abs=1e-4)

