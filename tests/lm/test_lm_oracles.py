"""The plain-Python n-gram models, on cases worked by hand."""

import math
from collections import Counter

import pytest

from tests.oracles import ngrams

TEXT = [["a", "b"], ["a"], ["b", "a"]]
VOCABULARY = ["<unk>", "<s>", "</s>", "a", "b"]


def test_counts_stop_at_the_ends_of_sentences():
    unigrams, bigrams, trigrams = ngrams.ngrams_of(TEXT, 3)
    assert unigrams == {("a",): 3, ("b",): 2, ("</s>",): 3}
    assert bigrams == {
        ("<s>", "a"): 2,
        ("<s>", "b"): 1,
        ("a", "b"): 1,
        ("b", "</s>"): 1,
        ("a", "</s>"): 2,
        ("b", "a"): 1,
    }
    assert trigrams[("<s>", "a", "</s>")] == 1
    assert trigrams[("a", "b", "</s>")] == 1
    assert sum(trigrams.values()) == 5


def test_adjusted_counts_are_of_different_words_before():
    unigrams, bigrams, _ = ngrams.adjusted(ngrams.ngrams_of(TEXT, 3))
    assert unigrams == {("a",): 2, ("b",): 2, ("</s>",): 2}
    assert bigrams == {
        ("<s>", "a"): 2,  # as often as it came: nothing can come before <s>
        ("<s>", "b"): 1,
        ("a", "b"): 1,
        ("b", "</s>"): 1,
        ("a", "</s>"): 2,  # after <s> and after b
        ("b", "a"): 1,
    }


def test_discounts_of_chen_and_goodman():
    # n1 = 8, n2 = 4, n3 = 2, n4 = 1: Y = 8 / 16
    found = Counter({(str(number),): count for number, count in enumerate([1] * 8 + [2] * 4 + [3] * 2 + [4])})
    take = ngrams.discount(found)
    assert [take(count) for count in (0, 1, 2, 3, 9)] == [0, 0.5, 1.25, 2, 2]


def test_discounts_fall_back():
    take = ngrams.discount(Counter({("a",): 1, ("b",): 2}))
    assert [take(count) for count in (1, 2, 3, 4)] == [0.5, 1, 1.5, 1.5]


def test_kneser_ney_by_hand():
    prob = ngrams.kneser_ney(TEXT, 2, VOCABULARY)
    # Unigrams: a, b and </s> each came after two words, of 6; each loses 1, which 4 words share.
    assert prob("<unk>", ()) == pytest.approx(3 / 6 / 4)
    assert prob("a", ()) == pytest.approx(1 / 6 + 3 / 6 / 4)
    # After b came </s> and a, once each; each loses 0.5.
    assert prob("a", ("b",)) == pytest.approx(0.5 / 2 + 1 / 2 * prob("a", ()))
    assert prob("b", ("b",)) == pytest.approx(1 / 2 * prob("b", ()))
    assert prob("b", ("<unk>",)) == prob("b", ())


def test_witten_bell_by_hand():
    prob = ngrams.witten_bell(TEXT, 2, VOCABULARY)
    # 8 tokens of 3 kinds: 3 of 11 go to the 4 words alike.
    assert prob("a", ()) == pytest.approx((3 + 3 / 4) / 11)
    assert prob("a", ("<s>",)) == pytest.approx((2 + 2 * prob("a", ())) / 5)


@pytest.mark.parametrize("method", [ngrams.kneser_ney, ngrams.witten_bell])
@pytest.mark.parametrize("context", [(), ("a",), ("<s>",), ("<s>", "a"), ("b", "b"), ("<unk>", "a")])
def test_probabilities_sum_to_one(method, context):
    prob = method(TEXT, 3, VOCABULARY)
    assert sum(prob(word, context) for word in VOCABULARY if word != "<s>") == pytest.approx(1)


def test_back_off_by_hand():
    model = {("<unk>",): (-4.0, 0.0), ("a",): (-1.0, -0.5), ("b",): (-2.0, 0.0), ("a", "b"): (-0.25, -0.125)}
    assert ngrams.log_prob(model, "b", ("a",)) == -0.25
    assert ngrams.log_prob(model, "a", ("a",)) == -1.5
    assert ngrams.log_prob(model, "a", ("a", "b")) == -1.125
    assert ngrams.log_prob(model, "zebra", ("a",)) == -4.5


def test_a_bigram_that_says_what_the_unigram_says_is_not_missed():
    half, third = math.log(0.5), math.log(1 / 3)
    model = {
        ("<unk>",): (math.log(0.2), 0.0),
        ("</s>",): (math.log(0.3), 0.0),
        ("a",): (half, 0.0),
        ("a", "a"): (half, 0.0),
    }
    assert ngrams.perplexity_rise(model, ("a", "a")) == pytest.approx(0, abs=1e-12)
    # p(a | a) = 1/3 instead: the divergence is 1/3 log(1/3 / 1/2) + 2/3 log(2/3 / 1/2), weighted with p(a) = 1/2.
    model[("a", "a")] = (third, 0.0)
    model[("a",)] = (half, math.log(4 / 3))
    divergence = 0.5 * (math.log(2 / 3) / 3 + 2 * math.log(4 / 3) / 3)
    assert ngrams.perplexity_rise(model, ("a", "a")) == pytest.approx(math.expm1(divergence))
