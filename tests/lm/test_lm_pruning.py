"""Pruning leaves out what Stolcke's divergence says, and what is left still sums up to one."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ctcasr.errors import ConfigError
from ctcasr.lm import (
    CountSettings,
    NGramModel,
    NGramTables,
    count_ngrams,
    kneser_ney,
    perplexity,
    prune,
    read_arpa,
)
from ctcasr.lm.pruning import normalized
from tests.lm.samples import TINY_ARPA, as_dict, random_sentences
from tests.oracles.ngrams import perplexity_rise

Write = Callable[..., Path]
TrainModel = Callable[..., NGramTables]


@pytest.fixture
def train(write_text: Write) -> TrainModel:
    def train_model(order: int = 3, seed: int = 1, count: int = 150, words: int = 15) -> NGramTables:
        text = write_text(random_sentences(seed, count, words))
        return kneser_ney(count_ngrams([text], CountSettings(order=order)))

    return train_model


def sums(tables: NGramTables) -> list[float]:
    """Return what the probabilities of all words but `<s>` sum up to, for each state."""
    model = NGramModel.from_tables(tables)
    words = [word for word in range(len(model.words)) if model.words[word] != "<s>"]
    return [
        float(np.exp([model.score(state, word)[0] for word in words]).sum())
        for state in range(len(model.arrays.backoffs))
    ]


class TestWhatIsLeftOut:
    @pytest.mark.parametrize("order", [2, 3])
    def test_longest_n_grams_by_the_divergence(self, train: TrainModel, order: int) -> None:
        tables = train(order, count=60, words=8)
        listed = as_dict(tables)
        rises = {words: perplexity_rise(listed, words) for words in listed if len(words) == order}
        # Between two of them, so that rounding does not decide.
        ordered = sorted(rises.values())
        middle = max(range(len(ordered) // 2, len(ordered) - 1), key=lambda at: ordered[at + 1] / ordered[at])
        threshold = math.sqrt(ordered[middle] * ordered[middle + 1])
        stays = {words for words, rise in rises.items() if rise >= threshold}
        pruned = as_dict(prune(tables, threshold))
        assert {words for words in pruned if len(words) == order} == stays
        assert 0 < len(stays) < len(rises)

    def test_contexts_of_what_stays_stay(self, train: TrainModel) -> None:
        pruned = as_dict(prune(train(4), 1e-3))
        assert {len(words) for words in pruned} >= {1, 2, 3}
        for words in pruned:
            assert len(words) == 1 or words[:-1] in pruned

    def test_probabilities_do_not_change(self, train: TrainModel) -> None:
        tables = train()
        listed = as_dict(tables)
        for words, (log_prob, _) in as_dict(prune(tables, 1e-4)).items():
            assert log_prob == listed[words][0]

    def test_unigrams_stay(self, train: TrainModel) -> None:
        tables = train()
        pruned = prune(tables, 1e9)
        assert pruned.words == tables.words
        assert pruned.order == 1
        assert (pruned.levels[0].backoffs == 0).all()

    def test_a_higher_threshold_leaves_less(self, train: TrainModel, write_text: Write) -> None:
        tables = train(4)
        text = [write_text(random_sentences(1, 150, 15), "again.txt")]
        sizes, perplexities = [], []
        for threshold in (0, 1e-6, 1e-4, 1e-3, 1e-2):
            pruned = prune(tables, threshold)
            sizes.append(sum(pruned.counts))
            perplexities.append(perplexity(NGramModel.from_tables(pruned), text).including_unknown)
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[-1] < sizes[0] / 2
        assert perplexities == sorted(perplexities)

    def test_nothing_to_leave_out(self, train: TrainModel) -> None:
        tables = train(1)
        assert as_dict(prune(tables, 1.0)) == as_dict(tables)

    @pytest.mark.parametrize("threshold", [-1e-9, math.inf, math.nan])
    def test_thresholds_that_are_none(self, train: TrainModel, threshold: float) -> None:
        with pytest.raises(ConfigError, match="expected 0 or more"):
            prune(train(1), threshold)


class TestWeights:
    @pytest.mark.parametrize("threshold", [0, 1e-5, 1e-3, 1e-2])
    def test_every_context_sums_to_one(self, train: TrainModel, threshold: float) -> None:
        assert sums(prune(train(4), threshold)) == pytest.approx(
            [1.0] * len(sums(prune(train(4), threshold))), abs=1e-5
        )

    def test_a_trained_model_is_normalized_already(self, train: TrainModel) -> None:
        tables = train()
        for ours, again in zip(tables.levels, normalized(tables).levels, strict=True):
            np.testing.assert_allclose(again.backoffs, ours.backoffs, atol=2e-5)

    def test_a_model_from_elsewhere_is_made_to_sum_to_one(self, write: Write) -> None:
        rest = 1 - sum(10**-value for value in (1.5, 1, 1.1, 1.2))
        tables = read_arpa(write(TINY_ARPA.replace("-0.8\t</s>", f"{math.log10(rest)}\t</s>"))).tables()
        assert sums(tables)[1:] != pytest.approx([1.0] * (len(sums(tables)) - 1), abs=0.1)
        found = sums(normalized(tables))
        assert found == pytest.approx([1.0] * len(found), abs=1e-5)

    def test_a_context_that_lists_every_word(self, write_text: Write) -> None:
        every = [[first, second] for first in "ab" for second in "ab"] * 3 + [
            ["<unk>"],
            ["a", "<unk>"],
            ["a"],
        ]
        tables = kneser_ney(count_ngrams([write_text(every)], CountSettings(order=2)))
        after_a = [words for words in as_dict(tables) if words[:1] == ("a",) and len(words) == 2]
        assert len(after_a) == 4
        pruned = prune(tables, 0)
        assert np.isfinite(pruned.levels[0].backoffs).all()
        assert sums(pruned) == pytest.approx([1.0] * len(sums(pruned)), abs=1e-5)
