"""Beam search over CTC log-probabilities, with language models, lexicons and hot words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from ctcasr.ctc.aligning import align
from ctcasr.decoding.hot_words import HotWords
from ctcasr.decoding.hypothesis import Hypothesis, Token, WordSpan, check_log_probs
from ctcasr.decoding.lexicon import UNKNOWN, WORD_START_MARK, Lexicon, WordScores, lexicon_arrays
from ctcasr.decoding.search import advance
from ctcasr.decoding.search_types import (
    INSIDE,
    LEXICON,
    NO_LM,
    FRESH,
    NODE,
    NODES,
    PICK,
    SLOT,
    SEPARATOR,
    TOKEN_LM,
    HotArrays,
    LexiconArrays,
    SearchState,
    SearchWeights,
)
from ctcasr.decoding.survival import endings, keep_reachable, spell
from ctcasr.errors import ConfigError, DataError
from ctcasr.lm import NGramModel
from ctcasr.lm.automaton import NGramArrays, score_word

Floats = npt.NDArray[np.floating]

_as_token = partial(tuple.__new__, Token)  # skips the Python-level constructor: a token costs 0.1 us, not 0.4


class BeamSettings(BaseModel):
    """Steer the beam search; scores are natural logarithms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    beam_size: int = Field(32, ge=1, le=100_000, description="prefixes that are alive after each frame")
    tokens: int = Field(40, ge=1, description="best symbols of a frame that prefixes may grow by")
    min_token_log_prob: float = Field(
        -12.0, le=0, description="symbols below this are not tried; -inf tries all"
    )
    score_threshold: float = Field(
        16.0, gt=0, description="prefixes so far below the best one are dropped; inf keeps them"
    )
    blank_skip: float = Field(
        1.0, gt=0, le=1, description="frames whose blank is more probable are taken for blanks; 1 takes none"
    )
    lm_weight: float = Field(0.6, ge=0, description="of the language model's log-probability")
    word_bonus: float = Field(0.5, description="added for each word (for a model over symbols: each symbol)")
    unknown_cost: float | None = Field(
        None, le=0, description="added for a word outside the lexicon; none at all are written by default"
    )
    hotword_boost: float = Field(1.0, ge=0, description="added for each symbol of a hot word")


class BeamSearch:
    """Decode by prefix beam search.

    >>> search = BeamSearch(symbols)  # doctest: +SKIP
    >>> search.decode(log_probs)[0].ids  # doctest: +SKIP

    It is not changed by decoding and does not hold the GIL: threads may share one.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        settings: BeamSettings | None = None,
        *,
        lexicon: Lexicon | None = None,
        model: NGramModel | None = None,
        hot: HotWords | None = None,
    ) -> None:
        """Prepare the lexicon, the language model and the hot words.

        Args:
            symbols: of the acoustic model, as in `tokens.txt`; the first is the blank.
            settings: of the search.
            lexicon: words that may be written; without one, any symbols.
            model: over the lexicon's words, or over symbols where there is no lexicon.
            hot: phrases to favour.

        Raises:
            ConfigError: the parts do not fit each other.
        """
        self.settings = settings or BeamSettings()
        self.symbols = tuple(symbols)
        self._lexicon, self._hot_words = lexicon, hot
        self._model = _no_model() if model is None else model.arrays
        self._start = 0 if model is None else model.start_state
        self._end = -1 if model is None else model.end_word
        self._arrays, mode = self._lay_out(lexicon, model)
        self._hot = (hot or HotWords((), np.zeros(len(symbols), np.uint8), 0.0)).arrays()
        self._weights = self._steer(mode)

    def _lay_out(self, lexicon: Lexicon | None, model: NGramModel | None) -> tuple[LexiconArrays, int]:
        settings = self.settings
        if lexicon is None:
            if settings.unknown_cost is not None:
                raise ConfigError("unknown_cost is for words outside a lexicon; give a lexicon, or leave it out")
            numbers = np.zeros(len(self.symbols), np.int32)
            if model is not None:
                known = set(model.words)
                missing = [symbol for symbol in self.symbols[1:] if symbol not in known]
                if len(missing) > len(self.symbols) // 2:
                    raise ConfigError(
                        f"the language model knows words, not symbols such as {missing[:3]}; give a lexicon "
                        "with it"
                    )
                numbers = np.array([model.word_id(symbol) for symbol in self.symbols], np.int32)
            return _no_lexicon(numbers, len(self.symbols)), NO_LM if model is None else TOKEN_LM
        if len(lexicon.kinds) != len(self.symbols):
            raise ConfigError(
                f"the lexicon is spelled in {len(lexicon.kinds)} symbols, the model writes {len(self.symbols)}; "
                "make the lexicon from the model's vocabulary"
            )
        unknown = 0 if model is None else model.unknown_word
        names = [*lexicon.words, UNKNOWN]
        numbers = np.array([unknown if model is None else model.word_id(word) for word in names], np.int32)
        bonus = np.full(len(names), settings.word_bonus)
        bonus[-1] += settings.unknown_cost or 0.0
        unigrams = np.array([score_word(self._model, 0, number)[0] for number in numbers])
        scores = WordScores(numbers, unigrams, bonus, settings.unknown_cost is not None)
        return lexicon_arrays(lexicon, scores, settings.lm_weight), LEXICON

    def _steer(self, mode: int) -> SearchWeights:
        settings = self.settings
        most = float(self._hot.factor.max())
        if mode == TOKEN_LM:
            most *= math.exp(max(0.0, settings.word_bonus))
        elif mode == LEXICON:
            most *= max(1.0, float(self._arrays.factor[1:].max()))
        return SearchWeights(
            mode=mode,
            beam=settings.beam_size,
            tokens=min(settings.tokens, len(self.symbols) - 1),
            min_token_log_prob=settings.min_token_log_prob,
            blank_skip=math.log(settings.blank_skip),
            score_factor=math.exp(-settings.score_threshold),
            lm_weight=settings.lm_weight,
            bonus=settings.word_bonus,
            most_factor=most,
            endings=1 + int(np.diff(self._arrays.word_first).max()),
        )

    def _new_state(self, frames: int, before: SearchState | None) -> SearchState:
        """Return a search with room for so many more frames: at its beginning, or where another stands."""
        weights = self._weights
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
            counts=np.array([1, 1, 0, 0]),
            log_scale=np.zeros(1),
        )
        if before is not None:
            keep_reachable(before, state)
            return state
        state.tree[0] = (-1, -1, -1, 0, self._start, 0, -1, -1, 1.0, 0.0, 0.0)
        state.slots[0] = (0, -1, -1, 0, self._start, 0, 1.0, 1.0, 0.0, 0.0, 0.0, -1.0)
        state.slot_of[0] = 0
        return state

    def decode(self, log_probs: Floats, *, best: int = 1) -> list[Hypothesis]:
        """Return the `best` hypotheses, the most probable first; equal ones by their symbols' numbers.

        Args:
            log_probs: `(T', V)` normalised natural log-probabilities.
            best: hypotheses wanted; there may be fewer.

        Raises:
            DataError: the input is not normalised log-probabilities, or nothing fits the lexicon.
        """
        stream = self.stream()
        stream.feed(log_probs)
        return stream.finish(best=best)

    def stream(self) -> BeamStream:
        """Begin a search that is fed piece by piece."""
        return BeamStream(self)


class BeamStream:
    """A search that is fed piece by piece; it gives what one piece would give.

    `best_so_far` looks at it in between, `finish` ends the utterance.
    """

    def __init__(self, search: BeamSearch) -> None:
        self._search = search
        self._pieces: list[npt.NDArray[np.float32]] = []
        self._state: SearchState | None = None
        self._frames = 0

    def feed(self, log_probs: Floats) -> None:
        """Search on through frames `(T', V)`.

        Raises:
            DataError: they are not normalised log-probabilities of this model's symbols, or no word of the
                lexicon fits them.
        """
        check_log_probs(log_probs)
        search = self._search
        if log_probs.shape[1] != len(search.symbols):
            raise DataError(
                f"log_probs have {log_probs.shape[1]} symbols, the decoder has {len(search.symbols)}; expected "
                "the log-probabilities of the same model"
            )
        rows = np.ascontiguousarray(log_probs, np.float32)
        state = search._new_state(len(rows), self._state)
        dead = advance(rows, state, search._arrays, search._model, search._hot, search._weights)
        if dead >= 0:
            raise DataError(
                f"frame {self._frames + dead}: no word of the lexicon fits, every prefix has probability 0; allow "
                "unknown words, or decode without the lexicon"
            )
        self._state = state
        self._frames += len(rows)
        self._pieces.append(rows)

    def finish(self, *, best: int = 1) -> list[Hypothesis]:
        """Return the `best` hypotheses of an utterance that ends here; a last word needs no closing frame.

        A prefix that stops inside a word counts only where no other does, and then without that word.
        """
        search = self._search
        state = self._state = self._state or search._new_state(0, None)
        nodes, words, scores = endings(
            state, search._arrays, search._model, search._hot, search._weights, search._end
        )
        if len(words) and (words != -2).any():
            kept = words != -2
            nodes, words, scores = nodes[kept], words[kept], scores[kept]
        order = np.argsort(-scores[:, 0], kind="stable")
        # Those that tie with the last one wanted have to be spelled too: symbols decide between them.
        wanted = int((scores[:, 0] >= scores[order[: best][-1], 0]).sum())
        found = [self._hypothesis(state, int(nodes[row]), int(words[row]), scores[row]) for row in order[:wanted]]
        if wanted > 1:
            found.sort(key=lambda hypothesis: (-hypothesis.log_prob, hypothesis.ids))
        return found[:best]

    def _hypothesis(
        self, state: SearchState, node: int, last_word: int, scores: npt.NDArray[np.float64]
    ) -> Hypothesis:
        search = self._search
        ids, ends = spell(state, node)
        rows = self._pieces[0] if len(self._pieces) == 1 else np.concatenate(self._pieces or [_no_frames(search)])
        path = align(rows, ids)
        frames = zip(
            ids.tolist(),
            path.start_frames.tolist(),
            path.end_frames.tolist(),
            path.confidences.tolist(),
            strict=True,
        )
        return Hypothesis(
            tokens=tuple(map(_as_token, frames)),
            log_prob=float(scores[0]),
            acoustic_log_prob=float(scores[1]),
            lm_log_prob=float(scores[2]),
            words=() if search._lexicon is None else self._words(search._lexicon, ids, ends, last_word),
        )

    def _words(
        self, lexicon: Lexicon, ids: npt.NDArray[np.int32], ends: npt.NDArray[np.int32], last_word: int
    ) -> tuple[WordSpan, ...]:
        hot = self._search._hot_words
        places = hot.found(ids.tolist()) if hot else []
        spans, start = [], 0
        for end, word in [*((int(place), int(ends[place])) for place in np.flatnonzero(ends >= 0)), (len(ids), last_word)]:
            while start < end and lexicon.kinds[ids[start]] == SEPARATOR:
                start += 1
            if word < 0:
                continue
            text = self._spelled(ids[start:end]) if word == len(lexicon.words) else lexicon.words[word]
            inside = any(first <= start and end <= last for first, last in places)
            spans.append(WordSpan(text, start, end, inside))
            start = end
        return tuple(spans)

    def _spelled(self, ids: npt.NDArray[np.int32]) -> str:
        symbols = "".join(self._search.symbols[number] for number in ids)
        return symbols.replace(WORD_START_MARK, "")


def _no_frames(search: BeamSearch) -> npt.NDArray[np.float32]:
    return np.zeros((0, len(search.symbols)), np.float32)


def _no_model() -> NGramArrays:
    """Return a language model that finds every word certain."""
    return NGramArrays(
        keys=(np.array([0, -1], np.int64)),
        log_probs=(np.zeros(2, np.float32)),
        next_states=(np.zeros(2, np.int32)),
        backoffs=(np.zeros(1, np.float32)),
        backoff_states=(np.zeros(1, np.int32)),
        unknown=(np.zeros(1, np.int32)),
    )


def _no_lexicon(lm_words: npt.NDArray[np.int32], symbols: int) -> LexiconArrays:
    """Return a lexicon without words: its root alone, and the numbers of the symbols in the language model."""
    none = np.zeros(0, np.int32)
    return LexiconArrays(
        first=np.ones(2, np.int32),
        entered=np.zeros(1, np.int32),
        look_ahead=np.zeros(1),
        factor=np.ones(1),
        word_first=np.zeros(2, np.int32),
        words=none,
        lm_words=lm_words,
        bonus=np.zeros(0),
        kind=np.full(symbols, INSIDE, np.uint8),
        unknown=np.zeros(1, np.int32),
    )
