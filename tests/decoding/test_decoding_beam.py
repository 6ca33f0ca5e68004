"""The beam search: pieces, threads, pruning, priors, and what is refused."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.ctc.exhaustive import labelling_log_probs
from ctcasr.decoding import greedy
from ctcasr.decoding.beam import BeamSearch
from ctcasr.decoding.lexicon import Lexicon
from ctcasr.decoding.settings import BeamSettings
from ctcasr.errors import ConfigError, DataError
from ctcasr.lm import NGramModel
from ctcasr.text import Vocabulary
from tests.oracles.small_models import log_probs_of

UNBOUNDED = {
    "beam_size": 5000,
    "tokens": 100,
    "min_token_log_prob": -math.inf,
    "score_threshold": math.inf,
}


CHARACTERS = Vocabulary(("<blank>", "<space>", "a", "b", "c", "d"))


def long_log_probs(seed: int, frames: int = 120) -> np.ndarray:
    """Peaky, as a trained model's: mostly blank, symbols here and there."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(frames, len(CHARACTERS))) * 2
    logits[:, 0] += 4
    peaks = np.arange(2, frames, 3)
    logits[peaks, rng.integers(1, len(CHARACTERS), len(peaks))] += 8
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def searches(word_model: NGramModel, **changes: float) -> list[BeamSearch]:
    lexicon = Lexicon.of_characters(["a", "ab", "ba", "cd", "dc", "abba"], CHARACTERS)
    chosen = BeamSettings(beam_size=12, **changes)
    unknown = chosen.model_copy(update={"unknown_cost": -2.0})
    return [
        BeamSearch(CHARACTERS.symbols, chosen),
        BeamSearch(CHARACTERS.symbols, unknown, lexicon=lexicon, model=word_model),
        BeamSearch(CHARACTERS.symbols, unknown, lexicon=lexicon),
    ]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    cuts=st.lists(st.integers(0, 120), max_size=5),
    skip=st.sampled_from([1.0, 0.98]),
)
def test_pieces_give_what_one_piece_gives(
    word_model: NGramModel, seed: int, cuts: list[int], skip: float
) -> None:
    log_probs = long_log_probs(seed)
    for search in searches(word_model, blank_skip=skip):
        stream = search.stream()
        for piece in np.split(log_probs, sorted(cuts)):
            stream.feed(piece)
            assert stream.finish()  # a look in between changes nothing
        found, whole = stream.finish(best=5), search.decode(log_probs, best=5)
        assert found == whole
        assert [hypothesis.tokens for hypothesis in found] == [hypothesis.tokens for hypothesis in whole]


def test_the_callers_array_may_be_used_again() -> None:
    log_probs = long_log_probs(1)
    search = BeamSearch(CHARACTERS.symbols)
    expected = search.decode(log_probs)[0].tokens
    used = log_probs.copy()
    found = search.decode(used)[0]
    used[:] = np.log(1 / len(CHARACTERS))
    assert found.tokens == expected


def test_threads_give_what_one_thread_gives(word_model: NGramModel) -> None:
    inputs = [long_log_probs(seed) for seed in range(40)]
    for search in searches(word_model):
        expected = [search.decode(log_probs, best=3) for log_probs in inputs]
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda rows: search.decode(rows, best=3), inputs)) == expected  # noqa: B023


def test_a_wider_beam_scores_no_worse(word_model: NGramModel) -> None:
    narrow, wide = 0.0, 0.0
    for seed in range(20):
        log_probs = long_log_probs(seed)
        narrow += searches(word_model)[1].decode(log_probs)[0].log_prob
        lexicon = Lexicon.of_characters(["a", "ab", "ba", "cd", "dc", "abba"], CHARACTERS)
        chosen = BeamSettings(beam_size=400, unknown_cost=-2.0)
        search = BeamSearch(CHARACTERS.symbols, chosen, lexicon=lexicon, model=word_model)
        wide += search.decode(log_probs)[0].log_prob
    assert wide > narrow


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": 1},
        {"min_token_log_prob": -1.0},
        {"score_threshold": 0.5},
        {"blank_skip": 0.3},
        {"beam_size": 1},
    ],
)
def test_each_way_of_pruning_prunes(change: dict[str, float]) -> None:
    free = BeamSettings(**UNBOUNDED)
    log_probs = log_probs_of(3, 6, 4, peak=1.0)
    every = BeamSearch(["<blank>", *"abc"], free).decode(log_probs, best=10**6)
    pruned = BeamSearch(["<blank>", *"abc"], free.model_copy(update=change)).decode(log_probs, best=10**6)
    assert len(pruned) < len(every)
    scores = {hypothesis.ids: hypothesis.log_prob for hypothesis in every}
    if "blank_skip" not in change:
        assert all(hypothesis.log_prob <= scores[hypothesis.ids] + 1e-6 for hypothesis in pruned)


def test_a_certain_path_has_times_and_confidence() -> None:
    rows = np.full((7, 4), 1e-9)
    rows[[0, 1, 2, 3, 4, 5, 6], [0, 1, 1, 0, 2, 0, 0]] = 1.0
    log_probs = np.log(rows / rows.sum(axis=1, keepdims=True))
    hypothesis = BeamSearch(["<blank>", *"abc"]).decode(log_probs)[0]
    assert [(t.id, t.start_frame, t.end_frame) for t in hypothesis.tokens] == [(1, 1, 3), (2, 4, 5)]
    assert all(token.confidence > 0.999 for token in hypothesis.tokens)
    assert hypothesis.ids == greedy(log_probs).ids


def test_equal_hypotheses_come_by_their_symbols() -> None:
    log_probs = np.log(np.array([[0.2, 0.4, 0.4]]))
    found = BeamSearch(["<blank>", "b", "a"], BeamSettings(**UNBOUNDED)).decode(log_probs, best=3)
    assert [hypothesis.ids for hypothesis in found] == [(1,), (2,), ()]


def test_the_last_word_needs_no_closing_frame(word_model: NGramModel) -> None:
    lexicon = Lexicon.of_characters(["ab", "abba"], CHARACTERS)
    rows = np.full((3, 6), 1e-6)
    rows[0, 2] = rows[1, 3] = rows[2, 0] = 1.0
    search = BeamSearch(CHARACTERS.symbols, lexicon=lexicon, model=word_model)
    found = search.decode(np.log(rows / rows.sum(axis=1, keepdims=True)))[0]
    assert [word.text for word in found.words] == ["ab"]


def test_where_only_half_a_word_fits_the_whole_ones_remain() -> None:
    lexicon = Lexicon.of_characters(["abc"], CHARACTERS)
    rows = np.zeros((2, 6))
    rows[0, 2] = rows[1, 3] = 1.0
    with np.errstate(divide="ignore"):
        found = BeamSearch(CHARACTERS.symbols, lexicon=lexicon).decode(np.log(rows))
    assert [hypothesis.words for hypothesis in found] == [()]


def test_where_no_word_fits_the_frame_is_named() -> None:
    lexicon = Lexicon.of_characters(["ab"], CHARACTERS)
    rows = np.zeros((3, 6))
    rows[0, 2] = rows[1, 3] = rows[2, 4] = 1.0
    with np.errstate(divide="ignore"), pytest.raises(DataError, match="frame 2: no word of the lexicon"):
        BeamSearch(CHARACTERS.symbols, lexicon=lexicon).decode(np.log(rows))


def test_no_frames_write_nothing(word_model: NGramModel) -> None:
    for search in searches(word_model):
        assert search.decode(np.zeros((0, 6), np.float32))[0].tokens == ()
        assert search.stream().finish()[0].tokens == ()


@pytest.mark.parametrize(
    ("log_probs", "message"),
    [
        (np.zeros((4, 6)), "frame 0 of log_probs sums to 6"),
        (np.full((4, 6), np.nan), "frame 0"),
        (np.full((4, 3), np.log(1 / 3)), "3 symbols, the decoder has 6"),
        (np.zeros(6), "shape"),
    ],
)
def test_wrong_log_probs_are_refused(log_probs: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        BeamSearch(CHARACTERS.symbols).decode(log_probs)


def test_parts_that_do_not_fit_are_refused(word_model: NGramModel) -> None:
    lexicon = Lexicon.of_characters(["ab"], CHARACTERS)
    with pytest.raises(ConfigError, match="6 symbols, the model writes 4"):
        BeamSearch(["<blank>", *"abc"], lexicon=lexicon)
    with pytest.raises(ConfigError, match="unknown_cost is for words outside a lexicon"):
        BeamSearch(CHARACTERS.symbols, BeamSettings(unknown_cost=-1.0))
    with pytest.raises(ConfigError, match="knows words, but not symbols"):
        BeamSearch(["<blank>", "x", "y", "z"], model=word_model)
    phones = Lexicon.of_pieces(["ha"], ["<blank>", "A", "B"], lambda _: [["A", "B"]])
    with pytest.raises(ConfigError, match="where words begin"):
        BeamSearch(["<blank>", "A", "B"], BeamSettings(unknown_cost=-1.0), lexicon=phones)


def with_priors(log_probs: np.ndarray, priors: np.ndarray, scale: float) -> np.ndarray:
    scores = log_probs.astype(np.float64) - scale * np.log(priors)
    return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))


class TestPriors:
    SYMBOLS = ("<blank>", *"abc")

    @pytest.mark.slow
    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 10**6), frames=st.integers(1, 6), scale=st.floats(0, 2))
    def test_scores_are_posteriors_over_a_power_of_the_priors(
        self, seed: int, frames: int, scale: float
    ) -> None:
        log_probs, priors = (
            log_probs_of(seed, frames, 4),
            np.random.default_rng(seed).dirichlet(np.ones(4)) + 1e-6,
        )
        search = BeamSearch(self.SYMBOLS, BeamSettings(**UNBOUNDED, prior_scale=scale), priors=priors)
        expected = labelling_log_probs(with_priors(log_probs, priors, scale))
        for hypothesis in search.decode(log_probs, best=10**6):
            assert hypothesis.log_prob == pytest.approx(expected[hypothesis.ids], abs=1e-4)
        stream = search.stream()
        for row in log_probs:
            stream.feed(row[None])
        assert stream.finish()[0].ids == search.decode(log_probs)[0].ids

    def test_confidences_are_the_networks(self) -> None:
        rows = np.log(np.array([[0.1, 0.5, 0.3, 0.1], [0.7, 0.1, 0.1, 0.1]], np.float32))
        priors = np.array([0.25, 0.6, 0.05, 0.1])
        found = BeamSearch(self.SYMBOLS, BeamSettings(prior_scale=1.0), priors=priors).decode(rows)[0]
        assert [self.SYMBOLS[number] for number in found.ids] == ["b"]
        assert found.tokens[0].confidence == pytest.approx(0.3)

    @pytest.mark.parametrize("priors", [None, np.full(3, 1 / 3), np.array([0.5, 0.5, 0, 0])])
    def test_priors_that_do_not_fit_are_refused(self, priors: np.ndarray | None) -> None:
        with pytest.raises(
            ConfigError, match=r"prior_scale = 0\.5 needs a prior above 0 of each of the 4 symbols"
        ):
            BeamSearch(self.SYMBOLS, BeamSettings(prior_scale=0.5), priors=priors)
        BeamSearch(self.SYMBOLS, BeamSettings(), priors=priors)
