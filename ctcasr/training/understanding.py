"""What the tasks of understanding have in common: losses and scores of tags and labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.nn import functional

from ctcasr.crf import Chain, ChainBatch
from ctcasr.crf.viterbi import best_tags
from ctcasr.models import frame_loss
from ctcasr.models.chain_loss import chain_loss, structured_hinge_loss
from ctcasr.models.heads import TagHead
from ctcasr.models.subsampling import ConvSubsampling
from ctcasr.models.tokens import TokenFront
from ctcasr.models.understanding import Outputs, UnderstandingModel, Understood
from ctcasr.scoring.spans import count_spans
from ctcasr.text.tokens import Names
from ctcasr.training.batching import Batch
from ctcasr.training.config import TrainingConfig
from ctcasr.training.stopping import shielded
from ctcasr.training.tasks import Evaluation

AnyBatch = TypeVar("AnyBatch", bound=Batch)

UNKNOWN_NAME = -1
"""Number of a tag or a label that training does not have; nothing can be learned of it."""


@dataclass(frozen=True)
class Targets:
    """The tags and the labels that can be said; None where they are not asked for."""

    tags: Names | None
    labels: Names | None


class Truth(NamedTuple):
    """What is to be said of a batch: tags `(B, T)` and labels `(B,)`, or `UNKNOWN_NAME`; empty if not asked for."""

    tags: Tensor
    labels: Tensor


class Said(NamedTuple):
    """The best tags and the best label of one example."""

    tags: Sequence[str] = ()
    label: str = ""


class UnderstandingTask(ABC, Generic[AnyBatch]):
    """Learn tags of words, labels of the whole, or both; what is read or heard is for the subclasses to say."""

    def __init__(self, config: TrainingConfig, accelerator: Accelerator, targets: Targets) -> None:
        self.config = config
        self.accelerator = accelerator
        self.targets = targets
        self.network: UnderstandingModel

    @abstractmethod
    def inputs(self, batch: AnyBatch) -> tuple[Tensor, ...]:
        """Return what the network is called with."""

    @abstractmethod
    def resized(self, batch: AnyBatch, size: float) -> AnyBatch:
        """Return the batch with each example cut or lengthened to a size."""

    @abstractmethod
    def truth(self, batch: AnyBatch) -> Truth:
        """Return what is to be said."""

    @abstractmethod
    def dev_batches(self) -> Iterator[AnyBatch]:
        """Yield this process's share of the held-out examples."""

    @abstractmethod
    def dev_truth(self) -> Sequence[Said]:
        """Return what is to be said of each held-out example."""

    @abstractmethod
    def make_front(self) -> TokenFront | ConvSubsampling:
        """Return what stands before the recurrent layers."""

    def make_network(self) -> UnderstandingModel:
        """Return a network with random weights."""
        self.network = make_model(self.config, self.make_front(), self.targets)
        return self.network

    def losses(self, outputs: Understood, batch: AnyBatch) -> tuple[Tensor, Tensor]:
        """Return the losses of tags and of labels, added up, and the words of each example, or one for its label."""
        return self._losses(self.network, outputs, self.truth(batch))

    def _losses(self, network: nn.Module, outputs: Understood, truth: Truth) -> tuple[Tensor, Tensor]:
        truth = Truth(*(numbers.clamp_min(0) for numbers in truth))  # what is unknown has weight zero
        sizes = torch.ones_like(outputs.lengths) if self.targets.tags is None else outputs.lengths
        losses = torch.zeros(len(sizes), device=sizes.device)
        if self.targets.tags is not None:
            losses = losses + self._tag_losses(_tag_head(network), outputs, truth.tags)
        if self.targets.labels is not None:
            losses = losses + functional.cross_entropy(outputs.labels, truth.labels, reduction="none")
        return losses, sizes

    def _tag_losses(self, head: TagHead, outputs: Understood, tags: Tensor) -> Tensor:
        objective = self.config.task.objective
        if objective != "likelihood":
            margin = 1.0 if objective == "margin" else 0.0
            return structured_hinge_loss(outputs.tags, outputs.lengths, tags, head, margin)
        if head.chained:
            return chain_loss(outputs.tags, outputs.lengths, tags, head)
        return frame_loss(outputs.tags.log_softmax(-1), outputs.lengths, tags)

    @torch.inference_mode()
    def evaluate(self, network: nn.Module) -> Evaluation:
        """Score the F1 of spans as `conlleval` does, and the accuracy of labels; the error is what they lack.

        Examples with a tag or a label that training does not have count as wrong, and are left out of the loss.
        """
        network.eval()
        said: dict[int, Said] = {}
        total = torch.zeros(2, dtype=torch.float64, device=self.accelerator.device)
        for batch in self.dev_batches():
            with shielded():
                outputs = network(*self.inputs(batch))
            truth = self.truth(batch)
            losses, sizes = self._losses(network, outputs, truth)
            weights = batch.weights * self._known(truth)
            total += torch.stack([(losses * weights).sum(), (sizes * weights).sum()])
            for row, found in enumerate(self._said(network, outputs)):
                if batch.weights[row]:
                    said[batch.examples[row]] = found
        joined: dict[int, Said] = {}
        for part in gather_object([said]):
            joined |= part
        loss, size = self.accelerator.reduce(total, "sum").tolist()
        return self._scored(loss / max(1.0, size), joined)

    def _known(self, truth: Truth) -> Tensor:
        """Tell of which examples, `(B,)`, training has all tags and the label."""
        known = torch.ones(len(truth.labels), dtype=torch.bool, device=truth.labels.device)
        if self.targets.tags is not None:
            known &= (truth.tags >= 0).all(1)
        return known if self.targets.labels is None else known & (truth.labels >= 0)

    def _said(self, network: nn.Module, outputs: Understood) -> list[Said]:
        rows = len(outputs.lengths)
        tags: list[list[str]] = [[] for _ in range(rows)]
        labels = [""] * rows
        if self.targets.tags is not None:
            names, lengths = self.targets.tags.names, outputs.lengths.cpu().numpy()
            chain = chain_of(_tag_head(network))
            best, _ = best_tags(ChainBatch(outputs.tags.cpu().numpy(), lengths, chain))
            tags = [[names[tag] for tag in row[:length]] for row, length in zip(best, lengths, strict=True)]
        if self.targets.labels is not None:
            labels = [self.targets.labels.names[label] for label in outputs.labels.argmax(-1).tolist()]
        return [Said(*both) for both in zip(tags, labels, strict=True)]

    def _scored(self, loss: float, said: dict[int, Said]) -> Evaluation:
        pairs = [(truth, said.get(number, Said())) for number, truth in enumerate(self.dev_truth())]
        scores = {}
        if self.targets.tags is not None:
            scores["f1"] = count_spans((truth.tags, found.tags) for truth, found in pairs).f1
        if self.targets.labels is not None:
            scores["accuracy"] = sum(truth.label == found.label for truth, found in pairs) / len(pairs)
        return Evaluation(loss, scores, 1 - sum(scores.values()) / len(scores))


def make_model(
    config: TrainingConfig, front: TokenFront | ConvSubsampling, targets: Targets
) -> UnderstandingModel:
    """Return the network of a configuration, with random weights."""
    outputs = Outputs(
        tags=0 if targets.tags is None else len(targets.tags),
        chained=config.task.head == "crf",
        labels=0 if targets.labels is None else len(targets.labels),
        pooling=config.task.pooling or "attention",
    )
    return UnderstandingModel(config.model, front, outputs)


def _tag_head(network: nn.Module) -> TagHead:
    """Return the head of the network that is scored, which may be an average of the one that is trained."""
    assert isinstance(network, UnderstandingModel)
    assert network.tag_head is not None
    return network.tag_head


def chain_of(head: TagHead) -> Chain:
    """Return the chain of a head; where each tag is by itself, one that has no say."""
    if not head.chained:
        return Chain.silent(head.output.out_features)
    return Chain(*(tensor.detach().cpu().numpy() for tensor in (head.transitions, head.starts, head.ends)))
