"""Beam search over CTC log-probabilities, with language models, lexicons and hot words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ctcasr.ctc.aligning import align
from ctcasr.decoding.hot_words import HotWords
from ctcasr.decoding.hypothesis import Hypothesis, Token, WordSpan, check_log_probs
from ctcasr.decoding.lexicon import WORD_START_MARK, Lexicon
from ctcasr.decoding.search import advance
from ctcasr.decoding.search_graph import SearchGraph, build_graph
from ctcasr.decoding.search_types import SEPARATOR, WORD_START, Int32, SearchState
from ctcasr.decoding.settings import BeamSettings
from ctcasr.decoding.survival import endings, spell
from ctcasr.errors import DataError
from ctcasr.lm import NGramModel

Floats = npt.NDArray[np.floating]

MAX_NODES = 1 << 22
"""New prefixes that the memory of a search is laid out for at a time: 270 MB."""

STOPPED_INSIDE = -2
"""What `endings` says of a prefix that stops inside a word."""


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
        self._graph = build_graph(symbols, self.settings, lexicon, model, hot)

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
        return BeamStream(self._graph)


class BeamStream:
    """A search that is fed piece by piece; it gives what one piece would give.

    `best_so_far` looks at it in between, `finish` ends the utterance.
    """

    def __init__(self, graph: SearchGraph) -> None:
        self._graph = graph
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
        graph = self._graph
        if log_probs.shape[1] != len(graph.symbols):
            raise DataError(
                f"log_probs have {log_probs.shape[1]} symbols, the decoder has {len(graph.symbols)}; expected "
                "the log-probabilities of the same model"
            )
        rows = np.require(log_probs, np.float32, ["C", "W"])  # one kind of array: the kernels compile once
        self._pieces.append(rows)
        step = max(1, MAX_NODES // graph.weights.beam)
        for start in range(0, len(rows), step):
            self._advance(rows[start : start + step])

    def _advance(self, rows: npt.NDArray[np.float32]) -> None:
        """Search on; the memory of prefixes that are out of reach by now is given back."""
        graph = self._graph
        state = graph.new_state(len(rows), self._state)
        dead = advance(rows, state, graph.lexicon, graph.model, graph.hot, graph.weights)
        if dead >= 0:
            raise DataError(
                f"frame {self._frames + dead}: no word of the lexicon fits, every prefix has probability 0; allow "
                "unknown words, or decode without the lexicon"
            )
        self._state = state
        self._frames += len(rows)

    def finish(self, *, best: int = 1) -> list[Hypothesis]:
        """Return the `best` hypotheses of an utterance that ends here; a last word needs no closing frame.

        A prefix that stops inside a word counts only where no other does, and then without that word.
        """
        graph = self._graph
        state = self._state = self._state or graph.new_state(0, None)
        nodes, words, scores = endings(
            state, graph.lexicon, graph.model, graph.hot, graph.weights, graph.end_word
        )
        whole = words != STOPPED_INSIDE
        if not whole.all() and whole.any():
            nodes, words, scores = nodes[whole], words[whole], scores[whole]
        order = np.argsort(-scores[:, 0], kind="stable")
        # Those that tie with the last one wanted have to be spelled too: symbols decide between them.
        wanted = int((scores[:, 0] >= scores[order[:best][-1], 0]).sum())
        found = [
            self._hypothesis(state, int(nodes[row]), int(words[row]), scores[row]) for row in order[:wanted]
        ]
        if wanted > 1:
            found.sort(key=lambda hypothesis: (-hypothesis.log_prob, hypothesis.ids))
        return found[:best]

    def _hypothesis(
        self, state: SearchState, node: int, last_word: int, scores: npt.NDArray[np.float64]
    ) -> Hypothesis:
        ids, ends = spell(state, node)
        pieces, symbols = tuple(self._pieces), len(self._graph.symbols)
        return Hypothesis(
            tuple(ids.tolist()),
            float(scores[0]),
            float(scores[1]),
            float(scores[2]),
            self._words(ids, ends, last_word),
            lambda: _locate(pieces, symbols, ids),
        )

    def _words(self, ids: Int32, ends: Int32, last_word: int) -> tuple[WordSpan, ...]:
        graph = self._graph
        if graph.words is None and not graph.hot_words.phrases:
            return ()
        if graph.words is None:
            spans = [
                (self._spelled(ids[start:end]), start, end)
                for start, end in _split(ids, graph.hot_words.kinds)
            ]
            return self._marked(spans, ids)
        texts, kinds, spans, start = graph.words.words, graph.words.kinds, [], 0
        places = (ends >= 0).nonzero()[0]
        for end, word in zip([*places.tolist(), len(ids)], [*ends[places].tolist(), last_word], strict=True):
            while start < end and kinds[ids[start]] == SEPARATOR:
                start += 1
            if word >= 0:
                spans.append(
                    (texts[word] if word < len(texts) else self._spelled(ids[start:end]), start, end)
                )
                start = end
        return self._marked(spans, ids)

    def _marked(self, spans: Sequence[tuple[str, int, int]], ids: Int32) -> tuple[WordSpan, ...]:
        """Mark the words that hot words brought in."""
        hot_words = self._graph.hot_words
        places = hot_words.found(ids.tolist()) if hot_words.phrases else ()
        return tuple(
            WordSpan(text, start, end, any(first <= start and end <= last for first, last in places))
            for text, start, end in spans
        )

    def _spelled(self, ids: Int32) -> str:
        return "".join(self._graph.symbols[number] for number in ids).replace(WORD_START_MARK, "")


def _locate(pieces: Sequence[npt.NDArray[np.float32]], symbols: int, ids: Int32) -> tuple[Token, ...]:
    """Return the symbols on the best of the paths that write them."""
    rows = pieces[0] if len(pieces) == 1 else np.concatenate([np.zeros((0, symbols), np.float32), *pieces])
    path = align(rows, ids)
    frames = (path.start_frames.tolist(), path.end_frames.tolist(), path.confidences.tolist())
    return tuple(map(Token, ids.tolist(), *frames))


def _split(ids: Int32, kinds: npt.NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Return the bounds of the words that separators or first symbols of words show."""
    spans, start = [], 0
    for place in range(len(ids) + 1):
        kind = SEPARATOR if place == len(ids) else kinds[ids[place]]
        if kind not in (SEPARATOR, WORD_START):
            continue
        if place > start:
            spans.append((start, place))
        start = place + (kind == SEPARATOR)
    return spans
