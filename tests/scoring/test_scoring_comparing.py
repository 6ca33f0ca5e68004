"""The matched-pair test: its segments by hand, its probabilities by enumeration, its false alarms by simulation."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcasr.errors import DataError
from ctcasr.scoring import align, align_all, compare, score
from ctcasr.scoring.comparing import matched_pairs, segment_differences


@pytest.mark.parametrize(
    ("reference", "first", "second", "differences"),
    [
        ("a b c d", "a b c d", "a b c d", []),
        ("a b c d", "a x c d", "a b c d", [1]),
        ("a b c d", "a b c d", "a x y d", [-2]),
        ("a b c d e f", "x b c d e f", "a b c d e x", [1, -1]),  # four clean words between
        ("a b c d", "x b c d", "a b c x", [1, -1]),  # two are enough
        ("a b c", "x b c", "a b x", [0]),  # one is not
        ("a b c d", "x b c d", "a b um c x", [-1]),  # an insertion between the two breaks them
        ("a b", "um a b", "a b um", [1, -1]),
        ("a", "um a", "a um", [0]),
        ("", "um er", "um", [1]),
        ("", "", "", []),
    ],
)
def test_segments_by_hand(reference, first, second, differences):
    alignments = [align(reference.split(), text.split()) for text in (first, second)]
    assert list(segment_differences(*alignments)) == differences


WORDS = st.lists(st.sampled_from("abc"), max_size=8)


@given(WORDS, WORDS, WORDS)
def test_no_error_is_lost_between_segments(reference, first, second):
    one, other = align(reference, first), align(reference, second)
    differences = list(segment_differences(one, other))
    assert sum(differences) == one.counts.errors - other.counts.errors
    assert [-difference for difference in differences] == list(segment_differences(other, one))


@given(st.lists(st.integers(-3, 3), max_size=9))
def test_few_segments_are_enumerated(differences):
    signs = list(itertools.product((1, -1), repeat=len(differences)))
    sums = [abs(sum(sign * d for sign, d in zip(row, differences, strict=True))) for row in signs]
    expected = sum(total >= abs(sum(differences)) for total in sums) / len(signs)
    assert matched_pairs(differences)[1] == pytest.approx(expected)


def test_many_segments_are_normal():
    z, p = matched_pairs([1, -1] * 40 + [1] * 20)
    assert z == pytest.approx(0.2 / math.sqrt((100 - 4) / 99 / 100))
    assert p == pytest.approx(math.erfc(z / math.sqrt(2)))
    exact = matched_pairs(([1, -1] * 40 + [1] * 20)[-49:])[1]
    assert 0 < exact < 1


def test_a_difference_that_never_varies():
    assert matched_pairs([]) == (0.0, 1.0)
    assert matched_pairs([1]) == (math.inf, 1.0)  # one segment: luck
    assert matched_pairs([-1] * 10) == (-math.inf, pytest.approx(2**-9))
    assert matched_pairs([1] * 60)[1] < 1e-15


def systems(sets, utterances, words, rates, seed):
    """Return alignments of two systems on simulated test sets: utterances differ in difficulty, errors cluster."""
    source = random.Random(seed)

    def heard(rate):
        wrong, said = False, []
        for _ in range(words):
            wrong = source.random() < (0.4 if wrong else rate)
            said.append("b" if wrong else "a")
        return said

    difficulties = [source.gammavariate(1, 1) for _ in range(sets * utterances)]
    references = [["a"] * words] * len(difficulties)
    alignments = [
        align_all(references, [heard(min(rate * difficulty, 0.9)) for difficulty in difficulties])
        for rate in rates
    ]
    pairs = list(zip(*alignments, strict=True))
    return [pairs[start : start + utterances] for start in range(0, len(pairs), utterances)]


def alarms(test_sets):
    """Share of the test sets in which the systems are found to differ."""
    found = [
        matched_pairs([d for pair in pairs for d in segment_differences(*pair)])[1] < 0.05
        for pairs in test_sets
    ]
    return sum(found) / len(found)


@pytest.mark.slow
def test_false_alarms_of_equally_good_systems():
    assert 0.03 <= alarms(systems(600, 40, 12, (0.05, 0.05), seed=3)) <= 0.07


@pytest.mark.minutes
@pytest.mark.parametrize("utterances", [100, 300])
def test_false_alarms_are_four_to_six_percent(utterances):
    assert 0.04 <= alarms(systems(4000, utterances, 12, (0.05, 0.05), seed=5)) <= 0.06


@pytest.mark.slow
def test_a_better_system_is_found():
    assert alarms(systems(50, 200, 12, (0.04, 0.08), seed=4)) > 0.9


def scored(texts, reference):
    return score(
        {f"u{n}": reference for n in range(len(texts))}, {f"u{n}": t for n, t in enumerate(texts)}, "word"
    )


def test_a_comparison_in_words():
    reference = "a b c d e f"
    first = scored(["a b c d e f"] * 20 + ["a b x d e f"] * 12 + ["a b c d e f"] * 10, reference)
    second = scored(["a b x d e f"] * 20 + ["a b c d e f"] * 12 + ["a b c d e f"] * 10, reference)
    comparison = compare(first, second)
    assert (comparison.first_errors, comparison.second_errors, comparison.segments) == (12, 20, 32)
    assert not comparison.is_significant
    test, interval, power = comparison.lines()
    assert test == (
        "first against second: 12 and 20 errors, 8 errors fewer, in 32 segments; z = -1.44, p = 0.22 "
        "(matched pairs): may be luck"
    )
    assert interval.startswith("difference of the rates: -")
    assert comparison.tokens_needed == math.ceil(252 * (2.801585 / comparison.z) ** 2)
    assert power == (
        f"about {comparison.tokens_needed:,} words like these (3.8 times as many) would tell a difference of this "
        "size apart four times out of five"
    )


def test_a_real_difference_needs_no_more_data():
    first, second = scored(["a b"] * 30, "a b"), scored(["a x"] * 30, "a b")
    lines = compare(first, second).lines()
    assert "p < 0.0001 (matched pairs): a real difference" in lines[0]
    assert "z = " not in lines[0]
    assert not any("would tell" in line for line in lines)


def test_equal_systems_are_never_told_apart():
    same = scored(["a b"] * 3, "a b")
    comparison = compare(same, same)
    assert (comparison.p, comparison.tokens_needed, comparison.interval) == (1.0, None, None)
    assert comparison.lines()[-1] == (
        "the two make the same number of errors: no amount of speech like this tells them apart"
    )


def test_systems_of_other_references_are_refused():
    with pytest.raises(DataError, match="different references"):
        compare(scored(["a"], "a"), scored(["a"], "b"))
