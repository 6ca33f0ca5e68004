"""Score the key terms of Inspec: those that a bundle tags, and TextRank's, each term counted once an abstract.

    python recipes/inspec/phrases.py MANIFEST [-m BUNDLE] [--terms 15]

Without a bundle only TextRank is scored (Mihalcea and Tarau 2004; it needs networkx, of `ctcasr[dev]`). A term is right
if an abstract has it, in the same words whatever their case; precision, recall and F1 are over all abstracts.

TextRank ranks words by PageRank in the graph of words that stand close together. The paper looks at nouns and
adjectives; without a tagger of parts of speech, candidates are here the runs of words between stop words and marks,
and their score is the sum of their words' ranks. How many are taken of each abstract was chosen on dev.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import networkx

from ctcasr.data.sentences import Sentence, read_sentences
from ctcasr.errors import CtcAsrError, DataError
from ctcasr.runtime.understanding import Understander
from ctcasr.scoring.spans import SpanCounts, spans_of

Terms = set[tuple[str, ...]]

WINDOW = 3
"""Words that stand close together are fewer than this apart."""

LONGEST = 4
"""Words of a candidate; longer runs are no term."""

TERMS = 15

_STOP = frozenset(
    """a about above after again all also although an and any are as at be because been before being below between both
    but by can could did do does doing down during each e.g. either et al etc few for from further given had has have
    having he her here hers how however i i.e. if in into is it its itself just less many may me might more most much
    must my near neither no nor not now of off on once one only or other our out over own per rather same several she
    should since so some such than that the their them then there these they this those three through thus to too two
    under until up upon us use used using various very via was we were what when where whether which while who whose why
    will with within without would yet you your propose proposed present presented presents shown show shows discussed
    discusses describes described paper article based obtained found new well first second""".split()  # noqa: SIM905  (140 quoted words are no easier to read)
)
_WORD = re.compile(r"[A-Za-z][\w'/.-]*\Z")


def terms_of(words: Sequence[str], tags: Sequence[str]) -> Terms:
    """Return the tagged terms, in lower case."""
    return {tuple(word.lower() for word in words[span.start : span.end]) for span in spans_of(tags)}


def is_candidate(word: str) -> bool:
    """Tell whether a word may be part of a term."""
    return bool(_WORD.match(word)) and word.lower() not in _STOP


def textrank(words: Sequence[str], count: int) -> Terms:
    """Return the `count` terms of a text whose words rank highest together."""
    lowered = [word.lower() for word in words]
    inside = [is_candidate(word) for word in words]
    graph = networkx.Graph()
    for place, other in ((one, one + gap) for one in range(len(words)) for gap in range(1, WINDOW)):
        if other < len(words) and inside[place] and inside[other] and lowered[place] != lowered[other]:
            graph.add_edge(lowered[place], lowered[other])
    if not graph:
        return set()
    ranks = networkx.pagerank(graph)
    bounds = [place for place, (one, two) in enumerate(pairwise([False, *inside, False])) if one != two]
    terms = {tuple(lowered[start:stop]) for start, stop in zip(bounds[::2], bounds[1::2], strict=True)}
    scores = {term: sum(ranks.get(word, 0.0) for word in term) for term in terms if len(term) <= LONGEST}
    return set(sorted(scores, key=lambda term: (-scores[term], term))[:count])


def score(sentences: Sequence[Sentence], find: Callable[[Sentence], Terms]) -> SpanCounts:
    """Count the terms that are found in all abstracts."""
    total = SpanCounts()
    for sentence in sentences:
        if sentence.tags is None:
            raise DataError(f"{sentence}: has no `tags` to compare with")
        expected, found = terms_of(sentence.words, sentence.tags), find(sentence)
        total += SpanCounts(len(expected & found), len(found), len(expected))
    return total


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", type=Path)
    parser.add_argument("-m", "--model", help="bundle of a tagger")
    parser.add_argument("--terms", type=int, default=TERMS, help="that TextRank takes of an abstract")
    arguments = parser.parse_args()
    try:
        sentences = read_sentences(arguments.manifest)
        systems: dict[str, Callable[[Sentence], Terms]] = {
            "TextRank": lambda one: textrank(one.words, arguments.terms)
        }
        if arguments.model:
            understander = Understander.load(arguments.model)
            systems[arguments.model] = lambda one: terms_of(one.words, understander.read(one.words).tags)
        for name, find in systems.items():
            counts = score(sentences, find)
            print(
                f"{name}: precision {100 * counts.precision:.2f} %, recall {100 * counts.recall:.2f} %, F1 "
                f"{100 * counts.f1:.2f} % [ {counts.correct} right of {counts.found} found, {counts.expected} to find ]"
            )
    except CtcAsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
