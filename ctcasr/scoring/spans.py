"""Tagged spans, and how many of them are right, as the CoNLL shared tasks count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

OUTSIDE = "O"


class Span(NamedTuple):
    """Words `[start, end)` of one kind."""

    kind: str
    start: int
    end: int


def spans_of(tags: Sequence[str]) -> list[Span]:
    """Return the spans of tags `B-kind`, `I-kind` and `O`, as `conlleval` reads them (Tjong Kim Sang 2002).

    A span begins at a `B-`, and at an `I-` that does not go on with a span of its own kind.
    """
    spans: list[Span] = []
    kind, start = "", 0
    for place, tag in enumerate([*tags, OUTSIDE]):
        position, _, new = tag.partition("-")
        if position == "I" and kind == new and kind:
            continue
        if kind:
            spans.append(Span(kind, start, place))
        kind, start = (new, place) if position in ("B", "I") else ("", place)
    return spans


@dataclass(frozen=True)
class SpanCounts:
    """How many spans are right, were found, and are there to be found."""

    correct: int = 0
    found: int = 0
    expected: int = 0

    def __add__(self, other: SpanCounts) -> SpanCounts:
        return SpanCounts(
            self.correct + other.correct, self.found + other.found, self.expected + other.expected
        )

    @property
    def precision(self) -> float:
        """Share of what was found that is right; 0 where nothing was found."""
        return self.correct / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of what is there that was found; 0 where nothing is there."""
        return self.correct / self.expected if self.expected else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall (van Rijsbergen 1979)."""
        both = self.found + self.expected
        return 2 * self.correct / both if both else 0.0


def count_spans(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> SpanCounts:
    """Count the spans of sentences; right is one with the kind, the beginning and the end of one that is expected.

    Args:
        pairs: expected tags and those that were found, of each sentence.
    """
    total = SpanCounts()
    for expected_tags, found_tags in pairs:
        expected, found = set(spans_of(expected_tags)), set(spans_of(found_tags))
        total += SpanCounts(len(expected & found), len(found), len(expected))
    return total
