"""sclite's layout, and sclite's counts beside ours: equal, or different for the reason that is written down."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcasr.scoring import ErrorCounts, align, as_sclite, score
from tests.oracles.edit_distance import edit_distance
from tests.scoring.sclite_witness import EDGE_CASES, GOLDEN, command, counts_of, random_pairs, run_sclite

ROWS = json.loads(GOLDEN.read_text(encoding="utf-8"))


def ours(reference, hypothesis):
    """Our block of an utterance, without its line of the id."""
    result = score({"u": reference}, {"u": hypothesis}, "word")
    (block,) = as_sclite(result.utterances)
    return block.partition("\n")[2]


def check_against_sclite(reference, hypothesis, block):
    """Check that both agree, or that sclite's weights (4 a substitution, 3 a gap) explain the difference."""
    hits, substitutions, deletions, insertions = counts_of(block)
    counts = align(reference.split(), hypothesis.split()).counts
    sclite = ErrorCounts(hits, substitutions, deletions, insertions)
    if counts == sclite:
        return "same"
    weighted = 4 * substitutions + 3 * (deletions + insertions)
    assert weighted == edit_distance(reference.split(), hypothesis.split(), substitution=4, gap=3)
    assert counts.errors == edit_distance(reference.split(), hypothesis.split()) <= sclite.errors
    return "more" if counts.errors < sclite.errors else "split"


@pytest.mark.parametrize(("reference", "hypothesis", "block"), ROWS[: len(EDGE_CASES)])
def test_edge_cases_equal_sclite(reference, hypothesis, block):
    if (reference, hypothesis) == ("a b", "b a"):  # two substitutions (8) cost sclite more than two gaps (6)
        assert counts_of(block) == (1, 0, 1, 1)
        assert align(["a", "b"], ["b", "a"]).counts.errors == 2
    elif (reference, hypothesis) == ("a a a", "a"):  # which of three alike is left is a matter of taste
        assert sorted(ours(reference, hypothesis)) == sorted(block)
    else:
        assert ours(reference, hypothesis) == block


def test_the_golden_examples_are_ours():
    assert [tuple(row[:2]) for row in ROWS] == EDGE_CASES + random_pairs(300, seed=1)


def test_random_pairs_equal_sclite_or_its_weights_explain_why_not():
    verdicts = [check_against_sclite(*row) for row in ROWS]
    assert verdicts.count("same") > 0.9 * len(ROWS)


def test_more_errors_for_less_weight():
    # Five substitutions weigh 20; two hits, three deletions and three insertions, one error more, weigh 18.
    pair = "1 2 3 a b", "a b 4 5 6"
    assert align(*(text.split() for text in pair)).counts == ErrorCounts(substitutions=5)
    block = "Scores: (#C #S #D #I) 2 0 3 3\n"
    assert check_against_sclite(*pair, block) == "more"
    if command():
        assert run_sclite([pair])[0].startswith(block)


@pytest.mark.minutes
@pytest.mark.skipif(command() is None, reason="sclite (Debian's package sctk) is not installed")
def test_ten_thousand_random_pairs_beside_sclite():
    pairs = random_pairs(10_000, seed=5)
    verdicts = [
        check_against_sclite(*pair, block) for pair, block in zip(pairs, run_sclite(pairs), strict=True)
    ]
    assert verdicts.count("same") > 0.9 * len(pairs)
    assert verdicts.count("more") < 0.01 * len(pairs)


@pytest.mark.skipif(command() is None, reason="sclite (Debian's package sctk) is not installed")
def test_the_golden_blocks_are_what_sclite_says_today():
    assert run_sclite([tuple(row[:2]) for row in ROWS[:40]]) == [row[2] for row in ROWS[:40]]


WORDS = st.lists(st.sampled_from(["a", "bb", "ccc", "好", "é"]), max_size=6)


@given(WORDS, WORDS)
def test_rows_are_columns(reference, hypothesis):
    block = ours(" ".join(reference), " ".join(hypothesis))
    rows = block.split("\n")[1:4]
    if not (reference or hypothesis):
        assert rows == [""]
        return
    shown = [[token for token in row.split()[1:] if set(token) != {"*"}] for row in rows[:2]]
    assert shown == [reference, hypothesis]
    letters = rows[2].split()[1:]
    counts = align(reference, hypothesis).counts
    assert (letters.count("S"), letters.count("D"), letters.count("I")) == (
        counts.substitutions, counts.deletions, counts.insertions,
    )  # fmt: skip


def test_wide_characters_take_two_columns_and_spaces_are_named():
    result = score({"u": "你 b"}, {"u": "c b"}, "char")
    assert next(iter(as_sclite(result.utterances))).split("\n")[2:5] == [
        "REF:  你 <space> b ",
        "HYP:  c  <space> b ",
        "Eval: S            ",
    ]
