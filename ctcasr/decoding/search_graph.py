"""What a beam search stands on: settings, lexicon, language model and hot words, laid out for the kernels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel
from ctcasr.decoding.hot_words import HotWords
from ctcasr.decoding.hypothesis import probabilities_of
from ctcasr.decoding.lexicon import UNKNOWN, Lexicon, WordScores, lexicon_arrays
from ctcasr.decoding.lexicon_reading import shown
from ctcasr.decoding.search_types import (
    FRESH,
    INSIDE,
    LEXICON,
    NO_LM,
    NODE,
    NODES,
    PICK,
    SLOT,
    TOKEN_LM,
    Frames,
    HotArrays,
    Int32,
    LexiconArrays,
    SearchArrays,
    SearchState,
    SearchWeights,
)
from ctcasr.decoding.settings import BeamSettings
from ctcasr.decoding.survival import keep_reachable
from ctcasr.errors import ConfigError, DataError
from ctcasr.lm import NGramModel
from ctcasr.lm.automaton import NGramArrays, score_word


@dataclass(frozen=True)
class SearchGraph:
    """Everything that a search does not change.

    Attributes:
        symbols: of the acoustic model; the first is the blank.
        words: the lexicon, if there is one.
        hot_words: the phrases to favour.
        lexicon, model, hot, weights: the same and the settings, for the kernels.
        start_state: of the language model at the beginning of an utterance.
        end_word: of the language model, scored at the end of an utterance; -1 without a model.
        log_priors: `(V,)` of the symbols, times their scale; None where posteriors are searched as they are.
    """

    symbols: tuple[str, ...]
    words: Lexicon | None
    hot_words: HotWords
    lexicon: LexiconArrays
    model: NGramArrays
    hot: HotArrays
    weights: SearchWeights
    start_state: int
    end_word: int
    log_priors: npt.NDArray[np.float32] | None = None

    def probabilities(self, log_probs: npt.NDArray[np.float32]) -> Frames:
        """Return what is searched: log-probabilities `(T', V)`, divided by priors if there are any, and their values.

        A symbol's score is its posterior over a power of its prior, as in a hybrid of network and HMM (Bourlard and
        Morgan 1994; for networks trained with CTC, Miao et al. 2015, "EESEN", section 3); here a frame's scores are
        normalised again, so that thresholds and weights keep their meaning.

        Raises:
            DataError: they are not normalised log-probabilities of this model's symbols.
        """
        values = probabilities_of(log_probs)
        if log_probs.shape[1] != len(self.symbols):
            raise DataError(
                f"log_probs have {log_probs.shape[1]} symbols, the decoder has {len(self.symbols)}; expected "
                "the log-probabilities of the same model"
            )
        if self.log_priors is None:
            return Frames(log_probs, values)
        scores = log_probs - self.log_priors
        scores -= np.logaddexp.reduce(scores, axis=1, keepdims=True)
        return Frames(scores, np.exp(scores))

    @cached_property
    def arrays(self) -> SearchArrays:
        """All that the kernels read."""
        return SearchArrays(self.lexicon, self.model, self.hot, self.weights)

    def new_state(self, frames: int, before: SearchState | None) -> SearchState:
        """Return a search with room for so many more frames: at its beginning, or where another stands."""
        weights = self.weights
        beam, tokens = weights.beam, weights.tokens
        fresh = beam * tokens * weights.endings
        nodes = 1 + beam * frames + (0 if before is None else int(before.counts[NODES]))
        state = SearchState(
            tree=np.empty(nodes, NODE),
            slot_of=np.empty(nodes, np.int32),
            slots=np.empty(2 * beam, SLOT),
            fresh=np.empty(fresh, FRESH),
            total=np.empty(beam + fresh),
            order=np.empty(beam + fresh),
            picks=np.empty(tokens, PICK),
            place_of=np.full(len(self.symbols), -1, np.int32),
            taken=np.empty(beam * tokens, bool),
            counts=np.array([1, 1, 0, 0, 0, 0]),
            log_scale=np.zeros(1),
        )
        if before is not None:
            keep_reachable(before, state, np.empty(before.counts[NODES], np.int32))
            return state
        state.tree[0] = (-1, -1, -1, 0, self.start_state, 0, -1, -1, 1.0, 0.0, 0.0)
        state.slots[0] = (0, -1, -1, 0, self.start_state, 0, 1.0, 1.0, 0.0, 0.0, 0.0, -1.0)
        state.slot_of[0] = 0
        return state


def build_graph(
    symbols: Sequence[str],
    settings: BeamSettings,
    lexicon: Lexicon | None,
    model: NGramModel | None,
    hot_words: HotWords | None,
    priors: npt.NDArray[np.floating] | None = None,
) -> SearchGraph:
    """Lay out the parts of a search; see `BeamSearch`.

    Raises:
        ConfigError: the parts do not fit each other.
    """
    hot_words = hot_words or HotWords((), np.zeros(len(symbols), np.uint8), 0.0)
    arrays = _no_model() if model is None else model.arrays
    hot = hot_words.arrays()
    if lexicon is None and hot_words.phrases and hot_words.in_lexicon:
        raise ConfigError(
            "hot words of a model that writes phones need a lexicon, which gives their words; name one"
        )
    if lexicon is None:
        words, mode = _symbols_alone(symbols, settings, model), NO_LM if model is None else TOKEN_LM
    else:
        words, mode = _lay_out(symbols, settings, lexicon, model, hot_words), LEXICON
    most = float(hot.factor.max())
    if mode == TOKEN_LM:
        most *= math.exp(max(0.0, settings.word_bonus))
    elif mode == LEXICON:
        most *= _most_gain(words)
    weights = SearchWeights(
        mode=mode,
        beam=settings.beam_size,
        tokens=min(settings.tokens, len(symbols) - 1),
        min_token_log_prob=settings.min_token_log_prob,
        blank_skip=math.log(settings.blank_skip) if settings.blank_skip < 1 else math.inf,
        score_factor=math.exp(-settings.score_threshold),
        lm_weight=settings.lm_weight,
        bonus=settings.word_bonus,
        most_factor=most,
        endings=1 + int(np.diff(words.word_first).max()),
    )
    return SearchGraph(
        symbols=tuple(symbols),
        words=lexicon,
        hot_words=hot_words,
        lexicon=words,
        model=arrays,
        hot=hot,
        weights=weights,
        start_state=0 if model is None else model.start_state,
        end_word=-1 if model is None else model.end_word,
        log_priors=_log_priors(symbols, settings, priors),
    )


def _log_priors(
    symbols: Sequence[str], settings: BeamSettings, priors: npt.NDArray[np.floating] | None
) -> npt.NDArray[np.float32] | None:
    if not settings.prior_scale:
        return None
    if priors is None or priors.shape != (len(symbols),) or not (priors > 0).all():
        found = "none" if priors is None else f"an array of shape {priors.shape}, from {priors.min():.3g} on"
        raise ConfigError(
            f"prior_scale = {settings.prior_scale:g} needs a prior above 0 of each of the {len(symbols)} symbols, "
            f"found {found}; estimate them with `ctcasr priors`, or set prior_scale to 0"
        )
    return np.asarray(settings.prior_scale * np.log(priors), np.float32)


def _symbols_alone(symbols: Sequence[str], settings: BeamSettings, model: NGramModel | None) -> LexiconArrays:
    if settings.unknown_cost is not None:
        raise ConfigError("unknown_cost is for words outside a lexicon; give a lexicon, or leave it out")
    if model is None:
        return _no_lexicon(np.zeros(len(symbols), np.int32))
    missing = sorted(set(symbols[1:]) - set(model.words))
    if len(missing) > len(symbols) // 2:
        raise ConfigError(
            f"the language model knows words, but not symbols such as {missing[:3]}; give a lexicon with it"
        )
    return _no_lexicon(model.word_ids(symbols))


def _lay_out(
    symbols: Sequence[str],
    settings: BeamSettings,
    lexicon: Lexicon,
    model: NGramModel | None,
    hot_words: HotWords,
) -> LexiconArrays:
    """Lay out the lexicon for the kernels; some words are worth more than others."""
    if len(lexicon.kinds) != len(symbols):
        raise ConfigError(
            f"the lexicon is spelled in {len(lexicon.kinds)} symbols, the model writes {len(symbols)}; "
            "make the lexicon from the model's vocabulary"
        )
    names = [*lexicon.words, UNKNOWN]
    numbers = np.zeros(len(names), np.int32) if model is None else model.word_ids(names)
    if model is not None and (numbers == model.unknown_word).all():
        raise ConfigError(
            f"the language model knows none of the lexicon's {len(lexicon.words)} words, such as "
            f"{shown(lexicon.words[0])}; give a model over words that are written as the lexicon's are"
        )
    bonus = np.full(len(names), settings.word_bonus)
    bonus[-1] += settings.unknown_cost or 0.0
    if worth := hot_words.worth():
        bonus += [worth.get(word.casefold(), 0.0) for word in names]
    shares = (
        np.zeros(len(names)) if model is None else _shares(names, numbers == model.unknown_word, hot_words)
    )
    unigrams = np.empty(len(names))
    _write_unigrams(_no_model() if model is None else model.arrays, numbers, unigrams)
    scores = WordScores(numbers, shares, unigrams + shares, bonus, settings.unknown_cost is not None)
    return lexicon_arrays(lexicon, scores, settings.lm_weight)


def _shares(
    names: Sequence[str], unknown: npt.NDArray[np.bool_], hot_words: HotWords
) -> npt.NDArray[np.float64]:
    """Return the logarithm of each word's share in what the model says of its number.

    What it says of `<unk>` is of all words together that it does not know: each has its share, but for the hot ones,
    which are expected, and for the last one, which stands for those outside of the lexicon.
    """
    expected = {word.casefold() for word, _ in hot_words.words}
    sharing = unknown.copy()
    sharing[-1] = False
    if expected:
        sharing &= [word.casefold() not in expected for word in names]
    return np.where(sharing, -math.log(max(1, int(sharing.sum()))), 0.0)


@bare_kernel
def _write_unigrams(model: NGramArrays, words: Int32, scores: npt.NDArray[np.float64]) -> None:
    """Write the score of each word without a context."""
    for place in range(len(words)):
        scores[place] = score_word(model, 0, words[place])[0]


def _most_gain(words: LexiconArrays) -> float:
    """Return the largest change of the look-ahead within a word, as a factor."""
    gains = [1.0, float(words.factor[1:].max())]
    unknown = words.unknown[0]
    if unknown > 0:  # any node leads to it
        gains.append(math.exp(words.look_ahead[unknown] - float(words.look_ahead.min())))
    return max(gains)


def _no_model() -> NGramArrays:
    """Return a language model that finds every word certain; read-only as all are, for one kind of kernel."""
    model = NGramArrays(
        keys=np.array([0, -1], np.int64),
        log_probs=np.zeros(2, np.float32),
        next_states=np.zeros(2, np.int32),
        backoffs=np.zeros(1, np.float32),
        backoff_states=np.zeros(1, np.int32),
        unknown=np.zeros(1, np.int32),
    )
    for array in model:
        array.flags.writeable = False
    return model


def _no_lexicon(lm_words: Int32) -> LexiconArrays:
    """Return a lexicon without words: its root alone, and the numbers of the symbols in the language model."""
    none = np.zeros(0, np.int32)
    return LexiconArrays(
        first=np.ones(2, np.int32),
        entered=np.zeros(1, np.int32),
        children=np.zeros(0, np.uint64),
        look_ahead=np.zeros(1),
        factor=np.ones(1),
        word_first=np.zeros(2, np.int32),
        words=none,
        lm_words=lm_words,
        lm_shares=np.zeros(0),
        bonus=np.zeros(0),
        kind=np.full(len(lm_words), INSIDE, np.uint8),
        unknown=np.zeros(1, np.int32),
    )
