"""Alignment: hand-worked cases, the oracle, and equality with jiwer."""

import os
import random
import subprocess
import sys
from pathlib import Path

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ctcasr
from ctcasr.errors import ConfigError
from ctcasr.scoring import AlignmentChunk, ErrorCounts, align, align_all, tokenize
from tests.oracles.edit_distance import edit_distance

# Tokens that a scorer which works on text would lose: empty, white space, several code points.
AWKWARD_TOKENS = st.sampled_from(["a", "b", "c", "", " ", "  ", "a b", "0", "1", "\n", "e\u0301", "\u00e9"])


def edited(alignment):
    """Replay an alignment: the hypothesis rebuilt from the reference and what the chunks insert."""
    rebuilt, at_reference, at_hypothesis = [], 0, 0
    for chunk in alignment.chunks:
        assert (chunk.reference_start, chunk.hypothesis_start) == (at_reference, at_hypothesis)
        at_reference, at_hypothesis = chunk.reference_end, chunk.hypothesis_end
        reference = alignment.reference[chunk.reference_start : chunk.reference_end]
        hypothesis = alignment.hypothesis[chunk.hypothesis_start : chunk.hypothesis_end]
        if chunk.kind == "equal":
            rebuilt.extend(reference)
        elif chunk.kind == "substitute":
            assert len(reference) == len(hypothesis)
            assert all(old != new for old, new in zip(reference, hypothesis, strict=True))
            rebuilt.extend(hypothesis)
        elif chunk.kind == "delete":
            assert not hypothesis
        else:
            assert not reference
            rebuilt.extend(hypothesis)
    assert at_reference == len(alignment.reference)
    return tuple(rebuilt)


@given(
    st.lists(
        st.tuples(st.lists(AWKWARD_TOKENS, max_size=8), st.lists(AWKWARD_TOKENS, max_size=8)), max_size=4
    )
)
def test_alignments_are_valid_and_as_short_as_the_oracle_says(pairs):
    alignments = align_all([reference for reference, _ in pairs], [hypothesis for _, hypothesis in pairs])
    assert len(alignments) == len(pairs)
    for (reference, hypothesis), alignment in zip(pairs, alignments, strict=True):
        assert alignment.reference == tuple(reference)
        assert alignment.hypothesis == edited(alignment) == tuple(hypothesis)
        counts = alignment.counts
        assert counts.errors == edit_distance(reference, hypothesis)
        assert counts.reference_length == len(reference)
        assert counts.hits + counts.substitutions + counts.insertions == len(hypothesis)
        assert alignment == align(reference, hypothesis)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),
    [
        ("a", "b", ErrorCounts(substitutions=1)),
        ("a", "a", ErrorCounts(hits=1)),
        ("", "", ErrorCounts()),
        ("", "a b", ErrorCounts(insertions=2)),
        ("a b", "", ErrorCounts(deletions=2)),
        ("a", "x a y z", ErrorCounts(hits=1, insertions=3)),
        ("the cat sat", "the cat", ErrorCounts(hits=2, deletions=1)),
        ("the cat sat", "a cat sat down", ErrorCounts(hits=2, substitutions=1, insertions=1)),
        ("Hello", "hello", ErrorCounts(substitutions=1)),
        ("hello,", "hello", ErrorCounts(substitutions=1)),
        ("[noise] <unk>", "noise unk", ErrorCounts(substitutions=2)),
    ],
)
def test_hand_worked_word_counts(reference, hypothesis, counts):
    assert align(tokenize(reference, "word"), tokenize(hypothesis, "word")).counts == counts


def test_chunks_of_a_hand_worked_alignment():
    alignment = align(["the", "cat", "sat"], ["the", "dog", "sat", "down"])
    assert alignment.chunks == (
        AlignmentChunk("equal", 0, 1, 0, 1),
        AlignmentChunk("substitute", 1, 2, 1, 2),
        AlignmentChunk("equal", 2, 3, 2, 3),
        AlignmentChunk("insert", 3, 3, 3, 4),
    )


def test_chunks_of_empty_sides():
    assert align([], []).chunks == ()
    assert align(["a", "b"], []).chunks == (AlignmentChunk("delete", 0, 2, 0, 0),)
    assert align([], ["a", "b"]).chunks == (AlignmentChunk("insert", 0, 0, 0, 2),)


def test_alignments_keep_their_order_among_empty_pairs():
    references = [["a"], [], ["b"], ["c"], []]
    hypotheses = [["a"], ["x"], [], ["d"], []]
    assert [alignment.counts for alignment in align_all(references, hypotheses)] == [
        ErrorCounts(hits=1),
        ErrorCounts(insertions=1),
        ErrorCounts(deletions=1),
        ErrorCounts(substitutions=1),
        ErrorCounts(),
    ]
    assert align_all([], []) == []


def test_unequal_numbers_of_sentences_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        align_all([["a"], ["b"]], [["a"]])


def test_words_split_at_any_white_space():
    assert tokenize(" a\tb \u00a0 c\n", "word") == ["a", "b", "c"]
    assert tokenize(" \t", "word") == []


def test_characters_include_single_spaces_between_words():
    assert tokenize("  ab \t c ", "char") == ["a", "b", " ", "c"]
    assert tokenize(" \t", "char") == []


def test_characters_are_code_points():
    composed, combining = "caf\u00e9", "cafe\u0301"
    assert len(tokenize(composed, "char")) == 4
    assert len(tokenize(combining, "char")) == 5
    counts = align(tokenize(composed, "char"), tokenize(combining, "char")).counts
    assert counts == ErrorCounts(hits=3, substitutions=1, insertions=1)
    assert align([composed], [combining]).counts == ErrorCounts(substitutions=1)
    assert tokenize("\U0001f600", "char") == ["\U0001f600"]


def test_an_unknown_unit_is_refused():
    with pytest.raises(
        ConfigError, match=r"unit is 'syllable', expected 'word', 'char' or 'phone'; name one"
    ):
        tokenize("a", "syllable")


@pytest.mark.parametrize("seed", range(5))
def test_counts_equal_those_of_jiwer(seed):
    source = random.Random(seed)
    words = ["a", "b", "ab", "ba", "abba", "straße", "日本", "it's", "[noise]"]
    references = [" ".join(source.choices(words, k=source.randint(1, 12))) for _ in range(50)]
    hypotheses = [" ".join(source.choices(words, k=source.randint(0, 12))) for _ in range(50)]
    for unit, theirs in (
        ("word", jiwer.process_words(references, hypotheses)),
        ("char", jiwer.process_characters(references, hypotheses)),
    ):
        alignments = align_all(
            [tokenize(text, unit) for text in references], [tokenize(text, unit) for text in hypotheses]
        )
        ours = sum((alignment.counts for alignment in alignments), start=ErrorCounts())
        assert ours == ErrorCounts(theirs.hits, theirs.substitutions, theirs.deletions, theirs.insertions)
        rate = jiwer.wer(references, hypotheses) if unit == "word" else jiwer.cer(references, hypotheses)
        assert ours.rate == rate


def test_importing_the_package_does_not_load_jiwer():
    code = "import sys, ctcasr.scoring; print(sorted({'jiwer', 'rapidfuzz'} & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": str(Path(ctcasr.__file__).parents[1])}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
