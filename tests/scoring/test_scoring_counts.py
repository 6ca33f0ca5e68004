"""ErrorCounts: sums, rates and Kaldi's line."""

import math
from dataclasses import FrozenInstanceError

import pytest

from ctcasr.scoring import ErrorCounts


def test_lengths_and_errors():
    counts = ErrorCounts(hits=7, substitutions=1, deletions=2, insertions=4)
    assert counts.reference_length == 10
    assert counts.errors == 7
    assert counts.rate == 0.7


def test_rate_of_insertions_exceeds_one():
    assert ErrorCounts(hits=1, insertions=3).rate == 3.0


def test_rate_of_an_empty_reference():
    assert ErrorCounts().rate == 0.0
    assert ErrorCounts(insertions=1).rate == math.inf


@pytest.mark.parametrize(
    ("counts", "rate", "line"),
    [
        (ErrorCounts(), 0.0, "%MER 0.00 [ 0 / 0 ]"),
        (ErrorCounts(insertions=2), 1.0, "%MER 100.00 [ 2 / 2 ]"),
        (ErrorCounts(hits=1, insertions=3), 0.75, "%MER 75.00 [ 3 / 4 ]"),
        (ErrorCounts(5, 3, 2, 1), 6 / 11, "%MER 54.55 [ 6 / 11 ]"),
    ],
)
def test_match_error_rate(counts, rate, line):
    assert counts.match_error_rate == rate
    assert counts.match_error_line() == line


def test_counts_add_up():
    total = ErrorCounts(1, 2, 3, 4) + ErrorCounts(10, 20, 30, 40)
    assert total == ErrorCounts(11, 22, 33, 44)
    assert total + ErrorCounts() == total


def test_counts_are_frozen():
    with pytest.raises(FrozenInstanceError):
        ErrorCounts().hits = 1


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        (ErrorCounts(hits=7, substitutions=1), "%WER 12.50 [ 1 / 8, 0 ins, 0 del, 1 sub ]"),
        (ErrorCounts(5, 3, 2, 1), "%WER 60.00 [ 6 / 10, 1 ins, 2 del, 3 sub ]"),
        (ErrorCounts(), "%WER 0.00 [ 0 / 0, 0 ins, 0 del, 0 sub ]"),
        (ErrorCounts(insertions=2), "%WER inf [ 2 / 0, 2 ins, 0 del, 0 sub ]"),
    ],
)
def test_kaldi_line(counts, line):
    assert counts.kaldi_line() == line
    assert counts.kaldi_line("word") == line
    assert counts.kaldi_line("char") == line.replace("%WER", "%CER")
    assert counts.kaldi_line("phone") == line.replace("%WER", "%PER")
