"""Confidence intervals: they cover what they promise, in simulations; and what they are taken over."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctcasr.errors import DataError
from ctcasr.scoring import rate_interval, score
from ctcasr.scoring.uncertainty import difference_interval, ratio_interval


def simulated_set(rng, speakers, utterances, rate, spread=0.5):
    """Draw errors and lengths by speaker: speakers differ, utterances differ in length and in difficulty."""
    rates = rate * rng.gamma(1 / spread**2, spread**2, speakers)
    lengths = rng.geometric(1 / 12, (speakers, utterances))
    errors = rng.poisson(rates[:, None] * lengths * rng.gamma(1, 1, (speakers, utterances)))
    return errors.sum(axis=1).astype(float), lengths.sum(axis=1).astype(float)


def coverage(sets, speakers, utterances, rate, resamples=1000):
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(sets):
        low, high = ratio_interval(*simulated_set(rng, speakers, utterances, rate), resamples=resamples)
        covered += low <= rate <= high
    return covered / sets


@pytest.mark.slow
def test_the_interval_covers_the_truth():
    # One utterance a speaker: what resampling utterances means.
    assert 0.93 <= coverage(1000, 150, 1, 0.08, resamples=300) <= 0.97


@pytest.mark.minutes
@pytest.mark.parametrize(
    ("speakers", "utterances", "rate"),
    [
        (200, 1, 0.08),
        (1000, 1, 0.08),
        (500, 1, 0.02),
        (10, 30, 0.08),
        (20, 30, 0.08),
        (40, 20, 0.08),
        (100, 10, 0.03),
    ],
)
def test_the_interval_covers_the_truth_with_few_and_many_speakers(speakers, utterances, rate):
    assert 0.93 <= coverage(1000, speakers, utterances, rate) <= 0.97


def corpus(errors, words=10):
    """Score utterances of ten words with so many of them wrong."""
    references = {f"u{n}": " ".join(["a"] * words) for n in range(len(errors))}
    hypotheses = {
        f"u{n}": " ".join(["b"] * wrong + ["a"] * (words - wrong)) for n, wrong in enumerate(errors)
    }
    return score(references, hypotheses, "word")


def test_an_interval_is_around_the_rate_and_the_same_every_time():
    result = corpus([0, 1, 2, 3, 0, 5, 1, 0, 2, 4] * 5)
    interval = rate_interval(result)
    assert interval == rate_interval(result)
    assert 0 < interval.low < result.rate < interval.high < 1
    assert (interval.unit, interval.count) == ("utterance", 50)
    assert str(interval).endswith("with 95 % confidence (bootstrap over 50 utterances)")


def test_speakers_who_differ_widen_the_interval():
    errors = [0] * 50 + [5] * 50
    speakers = {f"u{n}": f"s{n // 10}" for n in range(100)}
    alone, together = rate_interval(corpus(errors)), rate_interval(corpus(errors), speakers)
    assert (together.unit, together.count) == ("speaker", 10)
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_few_or_unknown_speakers_are_not_resampled():
    result = corpus([0, 1] * 20)
    few = {f"u{n}": f"s{n % 7}" for n in range(40)}
    one_unknown = {f"u{n}": f"s{n}" for n in range(39)}
    assert rate_interval(result, few).unit == rate_interval(result, one_unknown).unit == "utterance"
    assert rate_interval(result, few | {"u0": "s7"}).unit == "speaker"


def test_too_little_gives_no_interval():
    assert rate_interval(corpus([1, 2, 0, 1])) is None
    assert rate_interval(corpus([1, 2, 0, 1, 0])) is not None
    assert rate_interval(score(dict.fromkeys("abcdef", ""), dict.fromkeys("abcdef", "x"), "word")) is None


def test_no_errors_do_not_promise_perfection():
    interval = rate_interval(corpus([0] * 100))
    assert interval.low == 0
    assert interval.high == pytest.approx(3.689 / 1000, rel=1e-3)


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=12))
def test_any_counts_give_finite_ends_around_the_ratio(units):
    errors, lengths = (np.array(column, float) for column in zip(*units, strict=True))
    if not lengths.sum():
        return
    low, high = ratio_interval(errors, lengths, resamples=200)
    assert np.isfinite([low, high]).all()
    assert low <= high


def test_what_is_hard_for_both_systems_does_not_widen_their_difference():
    rng = np.random.default_rng(1)
    hard = rng.integers(0, 8, 200)
    first, second = corpus(hard), corpus(np.minimum(hard + rng.integers(0, 2, 200), 10))
    single, paired = rate_interval(first), difference_interval(first, second)
    assert paired.high - paired.low < (single.high - single.low) / 3
    assert paired.high < 0


def test_systems_of_other_references_are_refused():
    with pytest.raises(DataError, match="different references"):
        difference_interval(corpus([1] * 9), corpus([1] * 8))
