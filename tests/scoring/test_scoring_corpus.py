"""Corpus scores: goldens for the lines that other scorers lose, ids, Kaldi's lines."""

import math
import random
import time

import jiwer
import pytest

from ctcasr.errors import ConfigError, DataError
from ctcasr.scoring import CorpusScore, ErrorCounts, UtteranceScore, align, score


def by_id(*texts):
    return {f"utt-{index}": text for index, text in enumerate(texts)}


def test_golden_one_letter_lines():
    # jiwer's command line drops one-character lines and prints 0.0 for these two.
    result = score(by_id("a", "hello world"), by_id("b", "hello world"), "word")
    assert result.rate == 1 / 3
    assert result.kaldi_lines() == ("%WER 33.33 [ 1 / 3, 0 ins, 0 del, 1 sub ]", "%SER 50.00 [ 1 / 2 ]")


def test_golden_empty_lines():
    result = score(by_id("", "", "a b", "c"), by_id("", "x", "", "c"), "word")
    assert [utterance.counts for utterance in result.utterances] == [
        ErrorCounts(),
        ErrorCounts(insertions=1),
        ErrorCounts(deletions=2),
        ErrorCounts(hits=1),
    ]
    assert result.kaldi_lines() == ("%WER 100.00 [ 3 / 3, 1 ins, 2 del, 0 sub ]", "%SER 50.00 [ 2 / 4 ]")


def test_golden_only_insertions():
    result = score(by_id("a", "b"), by_id("a x", "y b z"), "word")
    assert result.counts == ErrorCounts(hits=2, insertions=3)
    assert result.rate == 1.5
    assert result.kaldi_lines() == ("%WER 150.00 [ 3 / 2, 3 ins, 0 del, 0 sub ]", "%SER 100.00 [ 2 / 2 ]")


def test_golden_only_empty_references():
    silent = score(by_id("", " "), by_id("\t", ""), "word")
    assert (silent.rate, silent.sentence_error_rate) == (0.0, 0.0)
    noisy = score(by_id("", ""), by_id("", "um"), "word")
    assert noisy.rate == math.inf
    assert noisy.kaldi_lines() == ("%WER inf [ 1 / 0, 1 ins, 0 del, 0 sub ]", "%SER 50.00 [ 1 / 2 ]")


def test_golden_characters():
    result = score(by_id("a", "ab cd"), by_id("b", "abcd"), "char")
    assert result.counts == ErrorCounts(hits=4, substitutions=1, deletions=1)
    assert result.kaldi_lines() == ("%CER 33.33 [ 2 / 6, 0 ins, 1 del, 1 sub ]", "%SER 100.00 [ 2 / 2 ]")


def test_golden_sentence_errors():
    result = score(by_id("a b", "c", "d"), by_id("a b", "c", "e"), "word")
    assert result.sentence_errors == 1
    assert result.sentence_error_rate == 1 / 3
    assert result.kaldi_lines()[1] == "%SER 33.33 [ 1 / 3 ]"


def test_white_space_never_counts():
    result = score(by_id("a  b", " c d "), by_id(" a b", "c\td"), "char")
    assert result.counts == ErrorCounts(hits=6)


def test_utterances_are_matched_by_id_and_keep_the_order_of_the_references():
    result = score({"b": "one", "a": "two"}, {"a": "two", "b": "won"}, "word")
    assert result == CorpusScore(
        unit="word",
        counts=ErrorCounts(hits=1, substitutions=1),
        utterances=(
            UtteranceScore("b", "one", "won", align(["one"], ["won"])),
            UtteranceScore("a", "two", "two", align(["two"], ["two"])),
        ),
        missing=(),
    )


def test_ids_with_odd_characters_are_matched_exactly():
    ids = ["a b", "é", "e\u0301", "(x)", "", "ID", "id", "日本/1.wav", "'quoted'"]
    references = dict.fromkeys(ids, "word")
    assert score(references, references, "word").counts == ErrorCounts(hits=len(ids))


@pytest.mark.parametrize("unit", ["word", "char"])
@pytest.mark.parametrize("seed", range(3))
def test_rates_equal_those_of_jiwer(seed, unit):
    source = random.Random(seed)
    references = by_id(*(" ".join(source.choices("abcde", k=source.randint(1, 9))) for _ in range(100)))
    hypotheses = by_id(*(" ".join(source.choices("abcde", k=source.randint(0, 9))) for _ in range(100)))
    rate_of = jiwer.wer if unit == "word" else jiwer.cer
    expected = rate_of(list(references.values()), list(hypotheses.values()))
    assert score(references, hypotheses, unit).rate == expected


def test_missing_hypotheses_are_refused_by_name():
    references = by_id(*"abcdefgh")
    with pytest.raises(DataError) as caught:
        score(references, {"utt-0": "a"}, "word")
    assert str(caught.value) == (
        "7 of 8 reference ids lack a hypothesis ('utt-1', 'utt-2', 'utt-3', 'utt-4', 'utt-5' and 2 more), "
        "expected the same ids in both; "
        "add what is missing, or allow missing hypotheses to be counted as empty"
    )


def test_five_ids_are_listed_without_a_count():
    with pytest.raises(DataError, match=r"\('utt-0', 'utt-1', 'utt-2', 'utt-3', 'utt-4'\), expected"):
        score(by_id(*"abcde"), {}, "word")


def test_missing_and_extra_ids_are_told_together():
    with pytest.raises(DataError) as caught:
        score({"a": "x", "b": "y"}, {"a": "x", "c\n": "y"}, "word")
    assert str(caught.value) == (
        "1 of 2 reference ids lack a hypothesis ('b') and 1 of 2 hypothesis ids lack a reference ('c\\n'), "
        "expected the same ids in both; check that both are of the same corpus and write their ids alike"
    )


def test_allowed_missing_hypotheses_count_as_deletions():
    result = score({"a": "one two", "b": "three"}, {"b": "three"}, "word", allow_missing=True)
    assert result.missing == ("a",)
    assert result.utterances[0] == UtteranceScore("a", "one two", "", align(["one", "two"], []))
    assert result.kaldi_lines() == (
        "%WER 66.67 [ 2 / 3, 0 ins, 2 del, 0 sub ] [PARTIAL]",
        "%SER 50.00 [ 1 / 2 ]",
    )


def test_allowing_missing_hypotheses_does_not_allow_extra_ones():
    with pytest.raises(DataError) as caught:
        score({"a": "x", "b": "y"}, {"a": "x", "c": "y"}, "word", allow_missing=True)
    assert str(caught.value).startswith("1 of 2 hypothesis ids lack a reference ('c'), expected")


@pytest.mark.parametrize("hypotheses", [{}, {"a": "x"}])
def test_no_references_are_refused(hypotheses):
    with pytest.raises(DataError, match="the references hold no utterance"):
        score({}, hypotheses, "word")


def test_an_unknown_unit_is_refused():
    with pytest.raises(ConfigError, match="unit is 'frame'"):
        score({"a": "x"}, {"a": "x"}, "frame")


@pytest.mark.slow
def test_ten_thousand_utterances_take_seconds():
    source = random.Random(0)
    references = by_id(*(" ".join(source.choices("abcdefgh", k=15)) for _ in range(10_000)))
    hypotheses = by_id(*(" ".join(source.choices("abcdefgh", k=15)) for _ in range(10_000)))
    started = time.process_time()
    result = score(references, hypotheses, "word")
    assert time.process_time() - started < 10  # about 0.4 s: the bound only catches a change of order
    assert result.counts.reference_length == 150_000


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["word", "char"])
def test_ten_thousand_pairs_equal_jiwer(unit):
    source = random.Random(7)
    references, hypotheses = (
        [
            " ".join(source.choices(["a", "b", "cc", "d"], k=source.randint(shortest, 10)))
            for _ in range(10_000)
        ]
        for shortest in (1, 0)
    )
    measure = jiwer.process_words if unit == "word" else jiwer.process_characters
    theirs = measure(references, hypotheses)
    ours = score(by_id(*references), by_id(*hypotheses), unit)
    counts = ErrorCounts(theirs.hits, theirs.substitutions, theirs.deletions, theirs.insertions)
    assert ours.counts == counts
    assert ours.rate == (theirs.wer if unit == "word" else theirs.cer)
    if unit == "word":
        assert ours.counts.match_error_rate == theirs.mer
