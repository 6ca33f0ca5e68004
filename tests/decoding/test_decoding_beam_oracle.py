"""The beam search against enumeration of all labellings and word sequences."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.ctc.exhaustive import labelling_log_probs
from ctcasr.decoding.beam import BeamSearch
from ctcasr.decoding.hot_words import hot_words
from ctcasr.decoding.lexicon import Lexicon, kinds_of
from ctcasr.decoding.settings import BeamSettings
from ctcasr.errors import DataError
from ctcasr.lm import NGramModel, read_arpa
from tests.decoding.test_decoding_beam import UNBOUNDED
from tests.oracles.decoding import readings, word_scores
from tests.oracles.small_models import WORD_ARPA, log_probs_of


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6), frames=st.integers(0, 7), symbols=st.integers(2, 4), peak=st.floats(0.1, 6)
)
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
    "characters": (
        ["<blank>", "<space>", "a", "b"],
        {"a": ["a"], "ab": ["a b"], "ba": ["b a"], "bb": ["b b"]},
    ),
    "pieces": (["<blank>", "▁a", "▁b", "a", "b"], {"a": ["▁a"], "ab": ["▁a b"], "ba": ["▁b a", "▁b a a"]}),
    "phones": (
        ["<blank>", "A", "B"],
        {"a": ["A"], "ab": ["A B"], "ba": ["B A"], "ha": ["A"], "bb": ["B", "B B"], "baa": ["B A A"]},
    ),
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

    # Words that the lexicon has and the language model has not share what the model says of `<unk>`.
    unseen = set(spelled) - set(word_model.words) if with_model else set()
    share = math.log(max(1, len(unseen)))

    def worth(words: tuple[str, ...]) -> float:
        lm = sum(word_model.score_sentence(words)) if with_model else 0.0
        lm -= share * sum(word in unseen for word in words)
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
        apart = weight * hypothesis.lm_log_prob + bonus * len(words) - 1.5 * words.count("<unk>")
        assert hypothesis.log_prob == pytest.approx(hypothesis.acoustic_log_prob + apart, abs=1e-4)
    assert set(totals) == set(expected)
    for words, log_prob in totals.items():
        assert log_prob == pytest.approx(expected[words], abs=1e-4)


@pytest.mark.parametrize("kind", ["characters", "phones"])
def test_words_that_the_model_does_not_know_share_what_it_says_of_them_but_for_hot_ones(
    word_model: NGramModel, kind: str
) -> None:
    symbols = SPELLINGS[kind][0]
    spelled = {"ab": [2, 3], "bb": [3, 3], "bbb": [3, 3, 3], "bbbb": [3] * 4}  # the first one is known
    if kind == "phones":
        spelled = {word: [number - 1 for number in numbers] for word, numbers in spelled.items()}
    log_probs = log_probs_of(3, 5, len(symbols))

    def encode(text: str) -> list[int]:
        if text not in spelled:
            raise DataError(text)
        return spelled[text]

    def log_prob(words: list[str], hot: bool) -> float:
        lexicon = Lexicon.of_pieces(words, symbols, lambda word: [[symbols[n] for n in spelled[word]]])
        favoured = hot_words(["bb"] if hot else [], encode, kinds_of(symbols), 0.5)
        search = BeamSearch(
            symbols, BeamSettings(**UNBOUNDED), lexicon=lexicon, model=word_model, hot=favoured
        )
        return next(h.log_prob for h in search.decode(log_probs, best=10**6) if list(h.ids) == spelled["bb"])

    alone = log_prob(["ab", "bb"], hot=False)
    assert log_prob([*spelled], hot=False) == pytest.approx(alone - 0.6 * math.log(3), abs=1e-4)
    assert log_prob([*spelled], hot=True) == pytest.approx(alone + 2 * 0.5, abs=1e-4)
