"""Losses of chains of tags: against all sequences, against their slopes, and what is refused."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ctcasr.crf import Chain
from ctcasr.errors import DataError
from ctcasr.models.chain_loss import chain_loss, structured_hinge_loss
from ctcasr.models.heads import TagHead
from tests.oracles.chains import enumerate_chain, sequence_score


class TestChainLoss:
    def test_it_is_the_probability_among_all_sequences(self) -> None:
        torch.manual_seed(4)
        head = TagHead(2, 3, chained=True).double()
        for parameter in (head.transitions, head.starts, head.ends):
            parameter.data.normal_()
        scores, tags, lengths = (
            torch.randn(2, 4, 3).double(),
            torch.tensor([[0, 2, 1, 1], [2, 2, 0, 0]]),
            [4, 2],
        )
        losses = chain_loss(scores, torch.tensor(lengths), tags, head)
        chain = Chain(
            *(parameter.detach().numpy() for parameter in (head.transitions, head.starts, head.ends))
        )
        for row, length in enumerate(lengths):
            probable = enumerate_chain(scores[row, :length].numpy(), chain)
            assert float(losses[row].detach()) == pytest.approx(-probable[tuple(tags[row, :length].tolist())])

    @pytest.mark.slow
    def test_its_gradients_are_exact(self) -> None:
        torch.manual_seed(5)
        tags, lengths = torch.tensor([[0, 2, 1], [1, 1, 0]]), torch.tensor([3, 2])

        def loss(scores: Tensor, transitions: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
            head = SimpleNamespace(transitions=transitions, starts=starts, ends=ends)
            return chain_loss(scores, lengths, tags, head)  # type: ignore[arg-type]

        shapes = ((2, 3, 3), (3, 3), (3,), (3,))
        inputs = [torch.randn(shape).double().requires_grad_() for shape in shapes]
        assert torch.autograd.gradcheck(loss, inputs)

    def test_without_gradients_it_is_the_same(self) -> None:
        head = TagHead(2, 3, chained=True)
        scores, tags, lengths = torch.randn(1, 4, 3), torch.tensor([[0, 2, 1, 1]]), torch.tensor([4])
        with torch.inference_mode():
            plain = chain_loss(scores, lengths, tags, head)
        assert torch.equal(plain, chain_loss(scores, lengths, tags, head).detach())


class TestStructuredHingeLoss:
    @pytest.mark.parametrize("margin", [0.0, 1.0, 2.5])
    @pytest.mark.parametrize("seed", range(5))
    def test_it_is_the_largest_among_all_sequences(self, margin: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        head, lengths = drawn_head(rng, 3), np.array([4, 1, 0, 3])
        scores, tags = rng.standard_normal((4, 4, 3)), rng.integers(0, 3, (4, 4))
        tags[3, 3] = -7  # beyond the length: any number
        losses = structured_hinge_loss(*map(torch.from_numpy, (scores, lengths, tags)), head, margin).detach()
        chain = Chain(*(part.detach().numpy() for part in (head.transitions, head.starts, head.ends)))
        for row, length in enumerate(lengths):
            true = tuple(tags[row, :length].tolist())
            own = {
                found: sequence_score(scores[row, :length], chain, found)
                for found in itertools.product(range(3), repeat=int(length))
            }
            wrong = {
                found: sum(one != other for one, other in zip(found, true, strict=True)) for found in own
            }
            expected = max(own[found] + margin * wrong[found] for found in own) - own[true]
            assert float(losses[row]) == pytest.approx(expected, abs=1e-12)
            assert float(losses[row]) >= margin * wrong[max(own, key=own.__getitem__)] - 1e-12

    @pytest.mark.parametrize("margin", [0.0, 1.0])
    def test_its_gradients_are_exact(self, margin: float) -> None:
        tags, lengths = torch.tensor([[0, 2, 1], [1, 1, 0]]), torch.tensor([3, 2])

        def loss(scores: Tensor, transitions: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
            head = SimpleNamespace(transitions=transitions, starts=starts, ends=ends)
            return structured_hinge_loss(scores, lengths, tags, head, margin)  # type: ignore[arg-type]

        torch.manual_seed(7)
        inputs = [torch.randn(shape).double().requires_grad_() for shape in ((2, 3, 3), (3, 3), (3,), (3,))]
        assert torch.autograd.gradcheck(loss, inputs)

    def test_a_true_sequence_that_wins_by_the_margin_costs_nothing(self) -> None:
        tags, lengths = torch.tensor([[0, 2, 1, 1]]), torch.tensor([4])
        head = TagHead(2, 3, chained=True)
        scores = 1.01 * nn.functional.one_hot(tags, 3).float()
        scores.requires_grad_()
        for margin, free in ((0.0, True), (1.0, True), (1.1, False)):
            loss = structured_hinge_loss(scores, lengths, tags, head, margin)
            (gradient,) = torch.autograd.grad(loss.sum(), scores)
            assert (float(loss.detach()) == 0.0, not gradient.any()) == (free, free)

    def test_wrong_tags_and_lengths_are_refused(self) -> None:
        head, scores = TagHead(2, 3, chained=True), torch.zeros(1, 2, 3)
        for tags, length in ((3, 2), (-1, 2), (0, 3)):
            with pytest.raises(DataError, match="expected"):
                structured_hinge_loss(scores, torch.tensor([length]), torch.tensor([[0, tags]]), head, 1.0)


def drawn_head(rng: np.random.Generator, tags: int) -> TagHead:
    """Return a head with scores of neighbours drawn."""
    head = TagHead(2, tags, chained=True).double()
    for parameter in (head.transitions, head.starts, head.ends):
        parameter.data = torch.from_numpy(rng.standard_normal(tuple(parameter.shape)))
    return head
