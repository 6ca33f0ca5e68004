"""Spans and their F1, as conlleval counts them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctcasr.scoring.spans import Span, SpanCounts, count_spans, spans_of


def tags_of(length: int) -> st.SearchStrategy[list[str]]:
    tags = st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"])
    return st.lists(tags, min_size=length, max_size=length)


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O O", []),
        ("B-a", [("a", 0, 1)]),
        ("B-a I-a O", [("a", 0, 2)]),
        ("B-a B-a", [("a", 0, 1), ("a", 1, 2)]),
        ("I-a I-a", [("a", 0, 2)]),  # an I- that begins a span
        ("B-a I-b", [("a", 0, 1), ("b", 1, 2)]),  # an I- of another kind
        ("O I-b B-b I-b I-a", [("b", 1, 2), ("b", 2, 4), ("a", 4, 5)]),
        ("B-toloc.city_name I-toloc.city_name", [("toloc.city_name", 0, 2)]),
        ("B-a-b I-a-b", [("a-b", 0, 2)]),
        ("", []),
    ],
)
def test_spans_begin_and_end(tags: str, spans: list[tuple[str, int, int]]) -> None:
    assert spans_of(tags.split()) == [Span(*span) for span in spans]


def conlleval(pairs: list[tuple[list[str], list[str]]]) -> SpanCounts:
    """Count as the script does, word by word: a span is right if both begin, go on and end together."""

    def begins(before: str, tag: str) -> bool:
        if tag == "O":
            return False
        return before == "O" or tag[0] == "B" or before[2:] != tag[2:]

    def ends(tag: str, following: str) -> bool:
        return tag != "O" and (following == "O" or following[0] == "B" or tag[2:] != following[2:])

    correct = found = expected = 0
    for truth, guess in pairs:
        inside, before = False, ("O", "O")
        for place in range(len(truth)):
            tags = (truth[place], guess[place])
            following = (truth[place + 1], guess[place + 1]) if place + 1 < len(truth) else ("O", "O")
            starts = [begins(old, tag) for old, tag in zip(before, tags, strict=True)]
            expected += starts[0]
            found += starts[1]
            if all(starts) and tags[0][2:] == tags[1][2:]:
                inside = True
            elif any(starts) or "O" in tags:
                inside = False
            stops = [ends(tag, after) for tag, after in zip(tags, following, strict=True)]
            if inside and all(stops):
                correct += 1
            if any(stops):
                inside = False
            before = tags
    return SpanCounts(correct, found, expected)


@st.composite
def tagged_pairs(draw: st.DrawFn) -> list[tuple[list[str], list[str]]]:
    lengths = draw(st.lists(st.integers(0, 12), max_size=4))
    return [(draw(tags_of(length)), draw(tags_of(length))) for length in lengths]


@pytest.mark.slow
@settings(max_examples=300, deadline=None, derandomize=True)
@given(tagged_pairs())
def test_counts_are_those_of_the_script(pairs: list[tuple[list[str], list[str]]]) -> None:
    assert count_spans(pairs) == conlleval(pairs)


def test_scores_of_a_worked_example() -> None:
    truth = ["O", "B-a", "I-a", "O", "B-b", "O", "B-a"]
    guess = ["O", "B-a", "I-a", "O", "B-a", "O", "O"]
    counts = count_spans([(truth, guess)])
    assert counts == SpanCounts(correct=1, found=2, expected=3)
    assert counts.precision == pytest.approx(1 / 2)
    assert counts.recall == pytest.approx(1 / 3)
    assert counts.f1 == pytest.approx(0.4)


def test_nothing_to_find_is_no_division() -> None:
    assert (SpanCounts().precision, SpanCounts().recall, SpanCounts().f1) == (0.0, 0.0, 0.0)
