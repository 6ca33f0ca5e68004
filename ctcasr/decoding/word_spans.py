"""The words of a hypothesis, from its symbols and from what the search noted about them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ctcasr.decoding.confidence import agreeing
from ctcasr.decoding.hypothesis import WordSpan
from ctcasr.decoding.search_graph import SearchGraph
from ctcasr.decoding.search_types import SEPARATOR, WORD_START, Int32
from ctcasr.text import WORD_START_MARK


def spans_of(graph: SearchGraph, ids: Int32, ends: Int32, last_word: int) -> tuple[WordSpan, ...]:
    """Return the words that a search has written, marked where they belong to a hot word.

    Args:
        graph: that was searched.
        ids: `(U,)` symbols.
        ends: `(U,)` the word that ended before or with each symbol; -1 where none did.
        last_word: the word that ends with the utterance; below 0 if none does.

    Returns:
        The words; none without a lexicon and hot words, where symbols alone were searched.
    """
    hot_words = graph.hot_words
    if graph.words is not None:
        spans = _of_lexicon(graph, ids, ends, last_word)
    elif hot_words.phrases:
        bounds = _split(ids, hot_words.kinds)
        spans = [WordSpan(_spelled(graph, ids[start:end]), start, end) for start, end in bounds]
    else:
        return ()
    if hot_words.in_lexicon:
        favoured = {word.casefold() for word, _ in hot_words.words}
        return tuple(span._replace(hot=span.text.casefold() in favoured) for span in spans)
    places = hot_words.found(ids.tolist()) if hot_words.phrases else []
    if not places:
        return tuple(spans)
    return tuple(
        span._replace(hot=True)
        if any(first <= span.start and span.end <= last for first, last in places)
        else span
        for span in spans
    )


def decided(words: Sequence[WordSpan], others: Sequence[str]) -> tuple[WordSpan, ...]:
    """Leave the mark of hot words on those alone that are not among `others`, found without hot words.

    The two are matched by an alignment with the fewest word errors.
    """
    same = {
        place for start, end in agreeing([word.text for word in words], others) for place in range(start, end)
    }
    return tuple(word._replace(hot=word.hot and place not in same) for place, word in enumerate(words))


def _of_lexicon(graph: SearchGraph, ids: Int32, ends: Int32, last_word: int) -> list[WordSpan]:
    assert graph.words is not None
    texts, kinds, spans, start = graph.words.words, graph.words.kinds, [], 0
    places = (ends >= 0).nonzero()[0]
    for end, word in zip([*places.tolist(), len(ids)], [*ends[places].tolist(), last_word], strict=True):
        while start < end and kinds[ids[start]] == SEPARATOR:
            start += 1
        if word >= 0:
            text = texts[word] if word < len(texts) else _spelled(graph, ids[start:end])
            spans.append(WordSpan(text, start, end))
            start = end
    return spans


def _spelled(graph: SearchGraph, ids: Int32) -> str:
    return "".join(graph.symbols[number] for number in ids).replace(WORD_START_MARK, "")


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
