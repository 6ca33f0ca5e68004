"""Hot words: favoured while they grow, paid back where they fail."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.decoding.beam import BeamSearch
from ctcasr.decoding.hot_words import HotWords, hot_words
from ctcasr.decoding.hypothesis import WordSpan
from ctcasr.decoding.lexicon import Lexicon, kinds_of
from ctcasr.decoding.settings import BeamSettings
from ctcasr.errors import ConfigError
from ctcasr.text import PhoneVocabulary, Pronunciations, Vocabulary

VOCABULARY = Vocabulary(("<blank>", "<space>", "a", "b", "c", "d"))
KINDS = kinds_of(VOCABULARY.symbols)


def automaton(*phrases: str, boost: float = 1.0) -> HotWords:
    return hot_words(phrases, VOCABULARY.encode, KINDS, boost)


def gain_of(hot: HotWords, text: str) -> float:
    arrays, state, total = hot.arrays(), 0, 0.0
    for token in VOCABULARY.encode(text):
        total += arrays.gain[state, token]
        state = arrays.next_state[state, token]
    return float(total + arrays.final_gain[state])


@pytest.mark.parametrize(
    ("phrases", "text", "gain"),
    [
        (["ab"], "ab", 2),
        (["ab"], "ab ", 2),
        (["ab"], " ab c", 2),
        (["ab"], "abc", 0),  # the word goes on: it was another one
        (["ab"], "cab", 0),  # begins inside a word
        (["ab"], "a", 0),
        (["ab"], "ab ab", 4),
        (["ab", "ab c"], "ab c", 4),
        (["ab", "ab c"], "ab d", 2),  # the longer one fails, the shorter one stays
        (["ab", "ab cd"], "ab c", 2),
        (["ab cd"], "ab c cd", 0),
        (["ab ab c"], "ab ab ab c", 7),  # begins anew in the middle of itself
        (["a b", "b c"], "a b c", 6),
        ([], "abc", 0),
    ],
)
def test_gain_of_a_text(phrases: list[str], text: str, gain: float) -> None:
    assert gain_of(automaton(*phrases), text) == pytest.approx(gain)
    assert gain_of(automaton(*phrases, boost=2.5), text) == pytest.approx(2.5 * gain)


words = st.text("abcd", min_size=1, max_size=3)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(
    phrases=st.lists(words, min_size=1, max_size=4),
    text=st.lists(words, max_size=6).map(" ".join),
)
def test_single_words_gain_once_for_each_time_they_are_written(phrases: list[str], text: str) -> None:
    expected = sum(len(word) for word in text.split() if word in phrases)
    assert gain_of(automaton(*phrases), text) == pytest.approx(expected)


@settings(max_examples=100, deadline=None)
@given(phrases=st.lists(st.lists(words, min_size=1, max_size=3).map(" ".join), min_size=1, max_size=3))
def test_every_phrase_is_found_and_gains(phrases: list[str]) -> None:
    hot = automaton(*phrases)
    for phrase in phrases:
        symbols = VOCABULARY.encode(f"d {phrase} d").tolist()
        assert (2, 2 + len(phrase)) in hot.found(symbols)
        assert gain_of(hot, phrase) >= len(phrase)


@pytest.mark.parametrize(("phrase", "reason"), [("xy", "'x'"), ("", "empty"), (" ", "empty")])
def test_a_phrase_that_cannot_be_spelled_is_refused_with_the_reason(phrase: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        automaton(phrase)


def separator() -> np.ndarray:
    """A space, and a blank."""
    rows = np.full((2, 6), 1e-3)
    rows[0, 1] = rows[1, 0] = 1.0
    return np.log(rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)


def close_call() -> np.ndarray:
    """`ab` or `ac`, the latter a little more probable."""
    rows = np.full((5, 6), 1e-3)
    rows[0, 2] = rows[2, 0] = rows[4, 0] = 1.0
    rows[1, 0] = 1.0
    rows[3, 3], rows[3, 4] = 0.45, 0.55
    return np.log(rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)


def test_every_case_that_can_be_written_is_favoured() -> None:
    both = Vocabulary(("<blank>", "<space>", *"abAB"))
    hot = hot_words(["aB b"], both.encode, kinds_of(both.symbols), 1.0)
    assert {both.decode(phrase) for phrase in hot.phrases} == {"aB b", "ab b", "AB B", "Ab B", "Ab b"}
    assert [automaton(phrase).phrases for phrase in ("AB c", "ab C")] == [automaton("ab c").phrases] * 2
    assert automaton("AB  c").words == (("ab", (2, 3)), ("c", (4,)))


@pytest.mark.parametrize("with_lexicon", [False, True])
def test_a_hot_word_wins_a_close_call_and_is_marked(with_lexicon: bool) -> None:
    lexicon = Lexicon.of_characters(["ab", "ac"], VOCABULARY) if with_lexicon else None
    plain = BeamSearch(VOCABULARY.symbols, lexicon=lexicon).decode(close_call())[0]
    assert VOCABULARY.decode(plain.ids) == "ac"
    search = BeamSearch(VOCABULARY.symbols, lexicon=lexicon, hot=automaton("ab"))
    favoured = search.decode(close_call())[0]
    assert VOCABULARY.decode(favoured.ids) == "ab"
    assert favoured.acoustic_log_prob < plain.acoustic_log_prob
    assert [(word.text, word.hot) for word in favoured.words] == [("ab", True)]
    if with_lexicon:
        assert [(word.text, word.hot) for word in plain.words] == [("ac", False)]


@pytest.mark.parametrize("with_lexicon", [False, True])
def test_a_hot_word_that_would_have_been_written_anyway_is_not_marked(with_lexicon: bool) -> None:
    lexicon = Lexicon.of_characters(["ab", "ac"], VOCABULARY) if with_lexicon else None
    search = BeamSearch(VOCABULARY.symbols, lexicon=lexicon, hot=automaton("ac"))
    twice = np.concatenate([close_call(), separator(), close_call()])
    assert [(word.text, word.hot) for word in search.decode(twice)[0].words] == [("ac", False)] * 2
    both = BeamSearch(VOCABULARY.symbols, lexicon=lexicon, hot=automaton("ac ab", boost=3.0))
    marks = [(word.text, word.hot) for word in both.decode(twice)[0].words]
    assert marks == [("ac", False), ("ab", True)]


def test_a_hot_word_that_the_lexicon_lacks_is_marked() -> None:
    lexicon = Lexicon.of_characters(["ac"], VOCABULARY)
    search = BeamSearch(VOCABULARY.symbols, lexicon=lexicon, hot=automaton("ab", boost=3.0))
    assert [(word.text, word.hot) for word in search.decode(close_call())[0].words] == [("ab", True)]
    # Also where nothing could be written without it, and also piece by piece.
    rows = np.full((3, 6), 1e-30)
    rows[0, 2] = rows[1, 3] = rows[2, 0] = 1.0
    certain = np.log(rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    narrow = BeamSearch(
        VOCABULARY.symbols,
        BeamSettings(min_token_log_prob=-20.0),
        lexicon=Lexicon.of_characters(["cc"], VOCABULARY),
        hot=automaton("ab"),
    )
    stream = narrow.stream()
    for row in certain:
        stream.feed(row[None])
    assert stream.finish()[0].words == narrow.decode(certain)[0].words == (WordSpan("ab", 0, 2, True),)


def test_a_longer_word_does_not_profit() -> None:
    """`acd` only begins as the hot word `ac` does."""
    hot = BeamSearch(VOCABULARY.symbols, BeamSettings(beam_size=500), hot=automaton("a", boost=5.0))
    scores = {h.ids: h.log_prob for h in hot.decode(close_call(), best=500)}
    plain = BeamSearch(VOCABULARY.symbols, BeamSettings(beam_size=500)).decode(close_call(), best=500)
    for hypothesis in plain:
        if hypothesis.ids == tuple(VOCABULARY.encode("ac")):
            assert scores[hypothesis.ids] == pytest.approx(hypothesis.log_prob)


class TestPhones:
    """A model that writes phones: the lexicon favours single words."""

    PRONUNCIATIONS = Pronunciations({"two": (("T", "U"),), "too": (("T", "U"),), "toy": (("T", "O"),)})
    VOCABULARY = PhoneVocabulary.of(PRONUNCIATIONS)

    def hot(self, *phrases: str, boost: float = 1.0) -> HotWords:
        return hot_words(phrases, self.VOCABULARY.encode, kinds_of(self.VOCABULARY.symbols), boost)

    def heard(self, hot: HotWords | None, *words: str) -> list[tuple[str, bool]]:
        _, o, t, u = map(self.VOCABULARY.symbols.index, ("<blank>", "O", "T", "U"))
        rows = np.full((3, 4), 0.01)
        rows[0, t], rows[1, u], rows[1, o], rows[2, 0] = 0.97, 0.53, 0.45, 0.97
        search = BeamSearch(
            self.VOCABULARY.symbols, lexicon=Lexicon.of_words(words, self.VOCABULARY), hot=hot
        )
        log_probs = np.log(rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
        return [(word.text, word.hot) for word in search.decode(log_probs)[0].words]

    def test_a_hot_word_wins_a_close_call_and_is_marked(self) -> None:
        assert self.heard(None, "two", "toy") == [("two", False)]
        assert self.heard(self.hot("toy"), "two", "toy") == [("toy", True)]
        assert self.heard(self.hot("TOY"), "two", "toy") == [("toy", True)]
        assert self.heard(self.hot("toy", boost=0.01), "two", "toy") == [("two", False)]

    def test_of_words_that_are_said_alike_the_hot_one_is_written(self) -> None:
        (plain, _), *_ = self.heard(None, "too", "two")
        other = "two" if plain == "too" else "too"
        assert self.heard(self.hot(other), "too", "two") == [(other, True)]

    def test_a_word_that_the_lexicon_lacks_can_be_written(self) -> None:
        assert self.heard(self.hot("toy"), "two") == [("toy", True)]

    def test_what_cannot_be_favoured_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="name single words"):
            self.hot("two toy")
        with pytest.raises(ConfigError, match="cannot be spelled: the words"):
            self.hot("boy")
        with pytest.raises(ConfigError, match="need a lexicon"):
            BeamSearch(self.VOCABULARY.symbols, hot=self.hot("toy"))
        with pytest.raises(ConfigError, match="too much for a hot word of 2 symbols; expected at most 200"):
            self.heard(self.hot("toy", boost=201), "toy")
