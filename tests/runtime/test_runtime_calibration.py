"""Calibration: known parameters come back, bad input is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from ctcasr.decoding import Hypothesis, Token
from ctcasr.errors import DataError
from ctcasr.runtime.calibration import Observation, cross_validate, fit
from ctcasr.runtime.confidence import Evidence, WordCalibration, evidence_of, log_odds
from ctcasr.runtime.reliability import BINS, bins_of, reliability
from ctcasr.runtime.words import Word
from ctcasr.text import Vocabulary

Record = Callable[..., Path]


def sigmoid(values: np.ndarray | float) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(values)))


def synthetic(
    count: int, bias: float, weights: tuple[float, ...], speakers: int = 10, seed: int = 0
) -> list[Observation]:
    """Words whose chance to be correct is a logistic function of their evidence; ten to an utterance."""
    generator = np.random.default_rng(seed)
    odds = generator.normal(1.0, 2.0, (count, len(weights)))
    correct = generator.random(count) < sigmoid(bias + odds @ np.array(weights))
    return [
        Observation(
            Evidence(*sigmoid(row).tolist()),
            bool(is_correct),
            f"utterance-{number // 10}",
            f"speaker-{number % speakers}" if speakers else None,
        )
        for number, (row, is_correct) in enumerate(zip(odds, correct, strict=True))
    ]


def words(*correct: bool, confidence: float = 0.9) -> list[Observation]:
    return [
        Observation(Evidence(confidence), is_correct, f"u{number}")
        for number, is_correct in enumerate(correct)
    ]


class TestFit:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("bias", "weights"), [(-0.7, (1.3,)), (0.4, (0.5, 0.8)), (0.0, (0.0, 1.0)), (2.0, (0.2,))]
    )
    def test_known_parameters_come_back(self, bias: float, weights: tuple[float, ...]) -> None:
        found = fit(synthetic(40_000, bias, weights))
        assert found.bias == pytest.approx(bias, abs=0.06)
        assert (found.acoustic, found.posterior)[: len(weights)] == pytest.approx(weights, abs=0.06)
        assert found.words == 40_000
        if len(weights) == 1:
            assert found.posterior == 0

    def test_it_is_where_the_loss_is_least(self) -> None:
        observations = synthetic(300, 0.3, (0.6, 0.4), seed=3)
        found = fit(observations)
        rows = np.array([[1.0, *map(log_odds, seen.evidence)] for seen in observations])
        correct = np.array([seen.is_correct for seen in observations])
        right, wrong = correct.sum(), (~correct).sum()
        targets = np.where(correct, (right + 1) / (right + 2), 1 / (wrong + 2))

        def loss(weights: np.ndarray) -> float:
            chances = sigmoid(rows @ weights)
            entropy = -(targets * np.log(chances) + (1 - targets) * np.log(1 - chances)).sum()
            return float(entropy + 0.05 * (weights[1:] ** 2).sum())

        best = np.array([found.bias, found.acoustic, found.posterior])
        for step in (*np.eye(3) * 1e-3, *np.eye(3) * -1e-3):
            assert loss(best) < loss(best + step)

    def test_more_evidence_never_makes_a_word_less_probable(self) -> None:
        found = fit(synthetic(2000, 0.0, (-1.0, 0.5)))
        assert found.acoustic == 0
        assert found.posterior > 0.3
        assert fit(synthetic(2000, 0.0, (-1.0,))).acoustic == 0
        assert fit(synthetic(2000, 0.0, (-1.0, -0.2))).posterior == 0

    def test_all_correct_none_correct(self) -> None:
        for correct, low, high in ((True, 0.9, 1.0), (False, 0.0, 0.1)):
            found = fit([*words(*[correct] * 20), *words(*[correct] * 20, confidence=0.5)])
            assert low < found.probability(Evidence(0.9)) < high

    def test_evidence_that_tells_them_apart_without_a_mistake(self) -> None:
        found = fit([*words(*[True] * 30, confidence=0.9), *words(*[False] * 30, confidence=0.2)])
        assert 0.9 < found.probability(Evidence(0.9)) < 1
        assert 0 < found.probability(Evidence(0.2)) < 0.1

    def test_the_same_evidence_everywhere(self) -> None:
        found = fit(words(*[True, True, True, False] * 100, confidence=1.0))
        assert found.probability(Evidence(1.0)) == pytest.approx(0.75, abs=0.01)

    def test_two_kinds_of_evidence_that_always_agree(self) -> None:
        alike = [
            Observation(Evidence(seen.evidence.acoustic, seen.evidence.acoustic), seen.is_correct, "")
            for seen in synthetic(5000, 0.2, (1.0,))
        ]
        found = fit(alike)
        assert found.acoustic == pytest.approx(found.posterior, abs=1e-6)
        assert found.acoustic + found.posterior == pytest.approx(1.0, abs=0.1)

    def test_nothing_to_fit_on(self) -> None:
        with pytest.raises(DataError, match="no words to calibrate on"):
            fit([])
        for evidence in (Evidence(math.nan), Evidence(0.5, math.nan), Evidence(math.inf)):
            with pytest.raises(DataError, match="not a number"):
                fit([Observation(evidence, True, "a")])


class TestProbability:
    def test_it_never_falls_and_stays_between_0_and_1(self) -> None:
        calibration = WordCalibration(bias=-0.5, acoustic=0.7, posterior=1.2, words=1)
        grid = np.linspace(0, 1, 51).tolist()
        for others in grid[::10]:
            for evidence in ([Evidence(p, others) for p in grid], [Evidence(others, p) for p in grid]):
                found = [calibration.probability(shown) for shown in evidence]
                assert found == sorted(found)
                assert found[0] < found[-1]
                assert 0 <= found[0] <= found[-1] <= 1

    def test_identity(self) -> None:
        calibration = WordCalibration(bias=0, acoustic=1, words=1)
        for confidence in (0.01, 0.3, 0.5, 0.99):
            assert calibration.probability(Evidence(confidence)) == pytest.approx(confidence)

    def test_extreme_parameters(self) -> None:
        for bias, expected in ((1e6, 1.0), (-1e6, 0.0)):
            assert WordCalibration(bias=bias, acoustic=0, words=1).probability(Evidence(0.5)) == expected

    @pytest.mark.parametrize(
        "fields",
        [
            {"bias": math.nan},
            {"bias": math.inf},
            {"acoustic": -0.1},
            {"posterior": -1},
            {"words": 0},
            {"x": 1},
        ],
    )
    def test_bad_parameters(self, fields: dict[str, float]) -> None:
        with pytest.raises(ValidationError):
            WordCalibration.model_validate({"bias": 0, "acoustic": 1, "words": 5} | fields)


class TestEvidence:
    VOCABULARY = Vocabulary(("<blank>", "<space>", "a", "b"))

    def hypothesis(self, ids: tuple[int, ...], log_prob: float) -> Hypothesis:
        tokens = tuple(Token(number, n, n + 1, 0.8) for n, number in enumerate(ids))
        return Hypothesis(ids, log_prob, log_prob, 0.0, (), lambda: tokens)

    def test_a_beam_s_posterior(self) -> None:
        listed = [
            self.hypothesis((2, 1, 3), math.log(0.5)),
            self.hypothesis((2, 1, 1, 3), math.log(0.3)),  # the same words
            self.hypothesis((2, 1, 2), math.log(0.2)),
        ]
        shown, whole = evidence_of(
            listed, [Word("a", 0, 1, 0.7), Word("b", 1, 2, 0.6)], self.VOCABULARY, is_greedy=False
        )
        assert [one.acoustic for one in shown] == [0.7, 0.6]
        assert [one.posterior for one in shown] == pytest.approx([1.0, 0.8])
        assert [one.raw for one in shown] == pytest.approx([1.0, 0.8])
        assert whole == pytest.approx(0.8)

    def test_greedy(self) -> None:
        shown, whole = evidence_of(
            [self.hypothesis((2,), -1.0)], [Word("a", 0, 1, 0.7)], self.VOCABULARY, is_greedy=True
        )
        assert shown == [Evidence(0.7)]
        assert (shown[0].raw, whole) == (0.7, pytest.approx(0.8))
        assert evidence_of([self.hypothesis((), 0.0)], [], self.VOCABULARY, is_greedy=True) == ([], 1.0)


class TestReliability:
    def test_by_hand(self) -> None:
        confidences, correct = np.array([0.95, 1.0, 0.55, 0.05]), np.array([True, False, True, False])
        found = reliability(confidences, correct)
        assert found.calibration_error == pytest.approx((2 * (0.975 - 0.5) + 0.45 + 0.05) / 4)
        assert found.brier == pytest.approx((0.05**2 + 1 + 0.45**2 + 0.05**2) / 4)
        assert found.auc == pytest.approx(0.5)
        bins = bins_of(confidences, correct)
        assert bins.counts.tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 2]
        assert len(bins.counts) == BINS

    def test_auc_is_the_share_of_pairs(self) -> None:
        generator = np.random.default_rng(1)
        confidences = np.round(generator.random(60), 1)
        correct = generator.random(60) < confidences
        pairs = np.sign(confidences[correct][:, None] - confidences[~correct])
        assert reliability(confidences, correct).auc == pytest.approx((pairs + 1).mean() / 2)

    def test_all_correct(self) -> None:
        found = reliability(np.array([0.9, 1.0]), np.array([True, True]))
        assert math.isnan(found.auc)
        assert found.calibration_error == pytest.approx(0.05)


class TestCrossValidation:
    def test_it_mends_confidences_that_promise_too_much(self) -> None:
        found = cross_validate(synthetic(3000, -1.5, (0.6,)))
        assert found.after.calibration_error < 0.03 < 0.1 < found.before.calibration_error
        assert found.after.brier < found.before.brier
        assert found.helps
        assert found.after.auc == pytest.approx(found.before.auc, abs=0.01)
        assert (found.folds, found.held_out) == (10, "speakers")

    def test_no_word_is_judged_by_what_was_fitted_on_it(self) -> None:
        # Each speaker's evidence means something else: those held out say nothing about it.
        alike = [Observation(Evidence(0.7), speaker < 3, f"{speaker}-{n}", f"{speaker}") for speaker in range(6) for n in range(50)]  # fmt: skip  # noqa: E501
        found = cross_validate(alike)
        assert found.folds == 6
        right, wrong = found.calibrated[found.correct], found.calibrated[~found.correct]
        assert right.max() < 0.5 < wrong.min()

    @pytest.mark.parametrize("speakers", [0, 1, 4])
    def test_few_or_unknown_speakers(self, speakers: int) -> None:
        assert cross_validate(synthetic(500, 0.0, (1.0,), speakers)).held_out == "utterances"

    def test_two_utterances_are_the_least(self) -> None:
        assert cross_validate(words(True, False)).folds == 2
        with pytest.raises(DataError, match="one utterance alone"):
            cross_validate(words(True))
        with pytest.raises(DataError, match="no words"):
            cross_validate([])
