"""Beam search over CTC log-probabilities, with language models, lexicons and hot words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ctcasr.ctc.aligning import align
from ctcasr.decoding.endings import list_endings, spell
from ctcasr.decoding.hot_words import HotWords
from ctcasr.decoding.hypothesis import Hypothesis, Token
from ctcasr.decoding.lexicon import Lexicon
from ctcasr.decoding.search import advance
from ctcasr.decoding.search_graph import SearchGraph, build_graph
from ctcasr.decoding.search_types import (
    BEAM,
    ENDING,
    EndingsWanted,
    Frames,
    Int32,
    SearchState,
)
from ctcasr.decoding.settings import BeamSettings
from ctcasr.decoding.word_spans import decided, spans_of
from ctcasr.errors import DataError
from ctcasr.lm import NGramModel

Floats = npt.NDArray[np.floating]

MAX_NODES = 1 << 22
"""New prefixes that the memory of a search is laid out for at a time: 270 MB."""


class BeamSearch:
    """Decode by prefix beam search.

    >>> search = BeamSearch(vocabulary.symbols)  # doctest: +SKIP
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
        priors: Floats | None = None,
    ) -> None:
        """Prepare the lexicon, the language model and the hot words.

        Args:
            symbols: of the acoustic model, as in `tokens.txt`; the first is the blank.
            settings: of the search.
            lexicon: words that may be written, those of hot words besides; without one, any symbols.
            model: over the lexicon's words, or over symbols where there is no lexicon.
            hot: phrases to favour.
            priors: `(V,)` of the symbols; `settings.prior_scale` says by which power of them posteriors are divided.

        Raises:
            ConfigError: the parts do not fit each other.
        """
        self.settings = settings or BeamSettings()
        self._plain: SearchGraph | None = None
        if hot is not None and hot.phrases:
            plain = replace(hot, boost=0.0)
            self._plain = build_graph(symbols, self.settings, lexicon, model, plain, priors)
            if lexicon is not None:
                lexicon = lexicon.with_spellings(hot.words)
        self._graph = build_graph(symbols, self.settings, lexicon, model, hot, priors)

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
        return BeamStream(self._graph, self._plain)


class BeamStream:
    """A search that is fed piece by piece; it gives what one piece would give."""

    def __init__(self, graph: SearchGraph, plain: SearchGraph | None = None) -> None:
        """Begin a search; `plain` is the same without hot words' worth, if there are any."""
        self._graph, self._plain = graph, plain
        self._pieces: list[npt.NDArray[np.float32]] = []
        self._state: SearchState | None = None
        self._frames = 0

    def feed(self, log_probs: Floats) -> None:
        """Search on through frames `(T', V)`.

        Raises:
            DataError: they are not normalised log-probabilities of this model's symbols, or no word of the
                lexicon fits them.
        """
        graph = self._graph
        # A copy, of one kind: the kernels compile once, and symbols' frames are found after the caller has gone on.
        rows = np.array(log_probs, np.float32, order="C")
        frames = graph.probabilities(rows)
        self._pieces.append(rows)
        step = max(1, MAX_NODES // graph.weights.beam)
        for start in range(0, len(rows), step):
            self._advance(Frames(*(values[start : start + step] for values in frames)))

    def _advance(self, frames: Frames) -> None:
        """Search on; the memory of prefixes that are out of reach by now is given back."""
        graph = self._graph
        state = graph.new_state(len(frames.log_probs), self._state)
        dead = advance(frames, state, graph.arrays)
        if dead >= 0:
            raise DataError(
                f"frame {self._frames + dead}: no word of the lexicon fits, every prefix has probability 0; allow "
                "unknown words, or decode without the lexicon"
            )
        self._state = state
        self._frames += len(frames.log_probs)

    def finish(self, *, best: int = 1) -> list[Hypothesis]:
        """Return the `best` hypotheses of an utterance that ends here; a last word needs no closing frame.

        It changes nothing: the search can be fed further, as if this had not been asked.

        A prefix that stops inside a word counts only where no other does, and then without that word.
        """
        graph = self._graph
        state = self._state = self._state or graph.new_state(0, None)
        listed = np.empty(int(state.counts[BEAM]) * graph.weights.endings, ENDING)
        wanted = EndingsWanted(best, graph.end_word)
        count = list_endings(state, graph.arrays, wanted, listed)
        found = [self._hypothesis(state, ending) for ending in listed[:count].tolist()]
        if count > 1:
            found.sort(key=lambda hypothesis: (-hypothesis.log_prob, hypothesis.ids))
        del found[best:]
        if self._plain is not None and any(word.hot for hypothesis in found for word in hypothesis.words):
            others = self._plain_words(self._plain)
            found = [replace(hypothesis, words=decided(hypothesis.words, others)) for hypothesis in found]
        return found

    def _plain_words(self, plain: SearchGraph) -> list[str]:
        """Return what would have been written without hot words; nothing if that fits no words at all."""
        stream = BeamStream(plain)
        try:
            for piece in self._pieces:
                stream.feed(piece)
        except DataError:
            return []
        return [word.text for word in stream.finish()[0].words]

    def _hypothesis(
        self, state: SearchState, ending: tuple[int, int, float, float, float, int]
    ) -> Hypothesis:
        node, last_word, log_prob, acoustic_log_prob, lm_log_prob, _ = ending
        tokens, ends = np.empty(self._frames, np.int32), np.empty(self._frames, np.int32)
        first = spell(state.tree, node, tokens, ends)
        graph, pieces, ids = self._graph, tuple(self._pieces), tokens[first:]
        return Hypothesis(
            tuple(ids.tolist()),
            log_prob,
            acoustic_log_prob,
            lm_log_prob,
            spans_of(graph, ids, ends[first:], last_word),
            lambda: _locate(pieces, len(graph.symbols), ids),
        )


def _locate(pieces: Sequence[npt.NDArray[np.float32]], symbols: int, ids: Int32) -> tuple[Token, ...]:
    """Return the symbols on the best of the paths that write them."""
    rows = pieces[0] if len(pieces) == 1 else np.concatenate([np.zeros((0, symbols), np.float32), *pieces])
    path = align(rows, ids)
    frames = (path.start_frames.tolist(), path.end_frames.tolist(), path.confidences.tolist())
    return tuple(map(Token, ids.tolist(), *frames))
