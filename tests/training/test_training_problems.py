"""Steps that would spoil the weights end the run, and say who is to blame."""

from __future__ import annotations

import math

import pytest
import torch

from ctcasr.errors import DataError
from ctcasr.training.config import OptimizerSettings
from ctcasr.training.problems import Step

STEP = Step(7, ["one (train.jsonl:1)", "two (train.jsonl:2)", "three (train.jsonl:3)"], OptimizerSettings())


def test_finite_losses_and_gradients_pass() -> None:
    STEP.check_losses(torch.tensor([0.0, 3.0, 1e30]))
    STEP.check_gradient(1e30)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_the_utterances_whose_loss_is_not_finite_are_named(wrong: float) -> None:
    with pytest.raises(DataError) as caught:
        STEP.check_losses(torch.tensor([1.0, wrong, 2.0]))
    assert str(caught.value) == (
        "the loss is not finite at step 7 for two (train.jsonl:2) (1 of 3 in the batch); look at these examples, or "
        "lower optimizer.learning_rate (0.002) or optimizer.clip_norm (5), and go on with --resume"
    )


def test_where_all_losses_are_not_finite_the_weights_are_to_blame() -> None:
    with pytest.raises(
        DataError, match=r"\(3 of 3 in the batch\); all of them: the weights have left the range"
    ):
        STEP.check_losses(torch.full((3,), math.nan))


@pytest.mark.parametrize("norm", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_is_told_before_it_spoils_the_weights(norm: float) -> None:
    with pytest.raises(
        DataError,
        match=r"^the gradient is not finite at step 7, though the loss is, of a batch of one .* \(3 in all\)",
    ):
        STEP.check_gradient(norm)
