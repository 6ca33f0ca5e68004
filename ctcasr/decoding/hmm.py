"""Viterbi decoding with a hidden Markov model, whose states a network scores, over a lexicon and a language model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ctcasr.ctc.aligning import NEVER, align
from ctcasr.decoding.hypothesis import Hypothesis, Token, WordSpan, check_log_probs
from ctcasr.decoding.lexicon import Lexicon
from ctcasr.decoding.search_graph import SearchGraph, build_graph
from ctcasr.decoding.settings import BeamSettings, HmmSettings
from ctcasr.decoding.topology import Topology, pseudo_log_likelihoods
from ctcasr.decoding.viterbi import advance, best_ending
from ctcasr.decoding.viterbi_types import (
    BEGIN,
    DEAD,
    ENDING,
    NOWHERE,
    RECORD,
    RECORDS,
    SHORT_OF_RECORDS,
    SHORT_OF_TOKENS,
    TOKEN,
    TOKENS,
    HmmGraph,
    HmmWeights,
    Search,
    ViterbiState,
)
from ctcasr.errors import ConfigError, DataError
from ctcasr.lm import NGramModel
from ctcasr.text import BLANK_ID

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]

FIRST_TOKENS, FIRST_RECORDS = 1 << 12, 1 << 10
"""Room at the beginning; it doubles where it is short."""


class HmmSearch:
    """Decode by the best path through the states of words.

    It is not changed by decoding and does not hold the GIL: threads may share one.
    """

    def __init__(
        self,
        topology: Topology,
        priors: Floats,
        settings: HmmSettings | None = None,
        *,
        lexicon: Lexicon,
        model: NGramModel | None = None,
    ) -> None:
        """Lay out the lexicon and the language model.

        Args:
            topology: of the network's outputs.
            priors: `(O,)` of the outputs.
            settings: of the search.
            lexicon: words that may be written.
            model: over the lexicon's words.

        Raises:
            ConfigError: the parts do not fit each other.
        """
        if priors.shape != (topology.output_count,):
            raise ConfigError(
                f"there are priors of {priors.shape} outputs, and the topology has {topology.output_count}; estimate "
                "them with the same network"
            )
        self.settings = settings or HmmSettings()
        self.topology, self.priors, self.lexicon = topology, priors, lexicon
        weights = BeamSettings(lm_weight=self.settings.lm_weight, word_bonus=self.settings.word_bonus)
        base = build_graph(topology.symbols, weights, lexicon, model, None)
        self._base, self._graph = base, _states_of(base, topology)
        self._weights = _weights_of(topology, self.settings)

    def decode(self, log_probs: Floats) -> Hypothesis:
        """Return the words on the best path.

        A path that stops inside a word counts only where no other is left, and then without that word.

        Args:
            log_probs: `(T', O)` normalised natural log-probabilities of the outputs.

        Raises:
            DataError: the input is not normalised log-probabilities of the outputs, or no word fits.
        """
        check_log_probs(log_probs)
        if log_probs.shape[1] != self.topology.output_count:
            raise DataError(
                f"log_probs have {log_probs.shape[1]} outputs, the decoder has {self.topology.output_count}; expected "
                "the log-probabilities of the same model"
            )
        scores: Doubles = np.asarray(
            pseudo_log_likelihoods(log_probs, self.priors, self.settings.prior_scale), np.float64
        )
        search = self._search(scores)
        index, word, total, lm_log_prob = best_ending(search, self._base.end_word)
        state = search.state
        record = NOWHERE
        if index == NOWHERE:  # every path stops inside a word
            index = int(np.argmax(state.tokens["score"][: state.counts[TOKENS]]))
            total = float(state.tokens["score"][index])
        token = state.tokens[index]
        record = int(token["record"])
        spans = _spans(state, record)
        if word != NOWHERE:
            spans.append((word, int(token["node"]), int(token["start"]), len(scores)))
        return self._hypothesis(log_probs, scores, spans, (total, lm_log_prob))

    def _search(self, scores: Doubles) -> Search:
        """Search through all frames, giving more room where it is wanted."""
        state = _empty_state(FIRST_TOKENS, FIRST_RECORDS)
        # The first frame costs no way out of a state.
        state.tokens[0] = (self._base.start_state, 0, BEGIN, NOWHERE, NOWHERE, -self._weights.leave)
        state.counts[TOKENS] = 1
        if not len(scores):
            state.tokens["score"][0] = 0.0
        search = Search(state, self._graph, self._base.model, self._weights)
        done = 0
        while done < len(scores):
            done += advance(scores[done:], search)
            if search.state.counts[DEAD]:
                raise DataError(
                    f"frame {done}: no word of the lexicon fits, every path has probability 0; lower prior_scale, or "
                    "decode without the lexicon"
                )
            if done < len(scores):
                search = search._replace(state=_grown(search.state))
        return search

    def _hypothesis(
        self,
        log_probs: Floats,
        scores: Doubles,
        spans: Sequence[tuple[int, int, int, int]],
        totals: tuple[float, float],
    ) -> Hypothesis:
        """Return what a path wrote.

        Args:
            log_probs: `(T', O)`.
            scores: `(T', O)` of the search.
            spans: word, node of the tree, and frames `[start, end)` of each word.
            totals: score of the path, and log-probability by the language model.
        """
        ids: list[int] = []
        words, places = [], []
        for word, node, start, end in spans:
            symbols = self._spelling(node)
            words.append(WordSpan(self.lexicon.words[word], len(ids), len(ids) + len(symbols)))
            places.append((symbols, start, end))
            ids += symbols
        total, lm_log_prob = totals
        bonus = self.settings.word_bonus * len(words)
        return Hypothesis(
            tuple(ids),
            total,
            total - self.settings.lm_weight * lm_log_prob - bonus,
            lm_log_prob,
            tuple(words),
            lambda: self._locate(log_probs, scores, places),
        )

    def _spelling(self, node: int) -> list[int]:
        """Return the symbols on the way to a node of the tree."""
        trie, symbols = self.lexicon.trie, []
        while node > 0:
            symbols.append(int(trie.entered[node]))
            node = int(trie.parents[node])
        return symbols[::-1]

    def _locate(
        self, log_probs: Floats, scores: Doubles, places: Sequence[tuple[list[int], int, int]]
    ) -> tuple[Token, ...]:
        """Return the symbols' frames: the best path through each word's."""
        topology, tokens = self.topology, []
        probabilities = np.exp(topology.merged(log_probs))
        for symbols, start, end in places:
            part = scores[start:end] - scores[start:end].max(axis=1, keepdims=True)
            outputs = [output for symbol in symbols for output in topology.outputs(symbol)]
            silences = np.full(len(outputs) + 1, NEVER) if topology.kind == "hmm" else None
            found = align(part, outputs, silences=silences)
            count = topology.states
            for number, symbol in enumerate(symbols):
                first = start + int(found.start_frames[number * count])
                last = start + int(found.end_frames[(number + 1) * count - 1])
                confidence = min(1.0, float(probabilities[first:last, symbol].mean()))
                tokens.append(Token(symbol, first, last, confidence))
        return tuple(tokens)


def _states_of(base: SearchGraph, topology: Topology) -> HmmGraph:
    """Return the tree of a lexicon with the outputs of each node's states."""
    words = base.lexicon
    outputs = np.zeros((len(words.entered), topology.states), np.int32)
    for node, symbol in enumerate(words.entered.tolist()):
        if symbol != BLANK_ID:
            outputs[node] = topology.outputs(symbol)
    return HmmGraph(
        words.first,
        words.entered,
        outputs,
        words.look_ahead,
        words.word_first,
        words.words,
        words.lm_words,
        words.lm_shares,
        words.bonus,
    )


def _weights_of(topology: Topology, settings: HmmSettings) -> HmmWeights:
    is_ctc = topology.kind == "ctc"
    return HmmWeights(
        states=topology.states,
        pause=NOWHERE if is_ctc and not topology.parts_words else topology.pause,
        parts_words=topology.parts_words,
        has_blank=is_ctc,
        stay=math.log(settings.self_loop),
        leave=math.log1p(-settings.self_loop),
        lm_weight=settings.lm_weight,
        beam=settings.beam_size,
        threshold=settings.score_threshold,
    )


def _empty_state(tokens: int, records: int) -> ViterbiState:
    table = 1 << (2 * tokens).bit_length()
    return ViterbiState(
        tokens=np.empty(tokens, TOKEN),
        fresh=np.empty(tokens, TOKEN),
        endings=np.empty(tokens, ENDING),
        records=np.empty(records, RECORD),
        order=np.empty(tokens),
        keys=np.empty(table, np.int64),
        slots=np.empty(table, np.int32),
        used=np.zeros(table, bool),
        counts=np.zeros(8, np.int64),
    )


def _grown(state: ViterbiState) -> ViterbiState:
    """Return the state with twice the room of what is short."""
    tokens, records = (
        len(array) << int(state.counts[short])
        for array, short in ((state.fresh, SHORT_OF_TOKENS), (state.records, SHORT_OF_RECORDS))
    )
    grown = _empty_state(tokens, records)
    for old, new, count in ((state.tokens, grown.tokens, TOKENS), (state.records, grown.records, RECORDS)):
        new[: state.counts[count]] = old[: state.counts[count]]
    grown.counts[:] = state.counts
    grown.counts[SHORT_OF_TOKENS] = grown.counts[SHORT_OF_RECORDS] = 0
    return grown


def _spans(state: ViterbiState, record: int) -> list[tuple[int, int, int, int]]:
    """Return word, node and frames of the words up to a record."""
    spans = []
    while record != NOWHERE:
        row = state.records[record]
        spans.append((int(row["word"]), int(row["node"]), int(row["start"]), int(row["end"])))
        record = int(row["before"])
    return spans[::-1]
