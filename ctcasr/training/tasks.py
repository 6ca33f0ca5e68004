"""What the training loop asks of a task; the loop, checkpoints and run folders are the same for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from torch import Tensor, nn

from ctcasr.training.batching import Batch
from ctcasr.training.records import score_name

AnyBatch = TypeVar("AnyBatch", bound=Batch)


@dataclass(frozen=True)
class Evaluation:
    """How well a network does on held-out examples.

    Attributes:
        loss: in nats a symbol, frame, token or label, whatever the task's losses are summed over.
        scores: shares from 0 to 1 by their names in `metrics.jsonl`, where they begin with `dev_`.
        error: by which epochs are chosen, the lower the better.
        signs: what else tells how the training goes, by its name in `metrics.jsonl`.
    """

    loss: float
    scores: Mapping[str, float]
    error: float
    signs: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the scores in percent, as `WER 5.12 %, CER 2.40 %`."""
        return ", ".join(f"{score_name(name)} {100 * score:.2f} %" for name, score in self.scores.items())


@dataclass(frozen=True)
class TrainingPart:
    """The examples that are trained on.

    Attributes:
        manifest: that lists them, for messages.
        examples: which say in messages who they are.
        sizes: of each, in the task's `size_unit`.
        budget: of a batch on one process, padding included, in the same unit.
        budget_key: name, in the section `batches`, of the setting that the budget follows.
        shards: numbers of the examples that stand in one file, for each file; None where each has its own.
    """

    manifest: Path
    examples: Sequence[object]
    sizes: Sequence[float]
    budget: float
    budget_key: str = "seconds"
    shards: Sequence[Sequence[int]] | None = None


class Task(Protocol, Generic[AnyBatch]):
    """What a network learns: from which examples, with which loss, and how well it does."""

    part: TrainingPart

    size_unit: str
    """Name, in `metrics.jsonl`, of how much was trained on: seconds of audio, or tokens."""

    def make_network(self) -> nn.Module:
        """Return the network that is to be trained, with its first weights."""
        ...

    def batches(self, plan: list[list[int]], epoch: int) -> Iterator[AnyBatch]:
        """Yield this process's share of each planned batch of training examples, on its device."""
        ...

    def inputs(self, batch: AnyBatch) -> tuple[Tensor, ...]:
        """Return what the network is called with."""
        ...

    def resized(self, batch: AnyBatch, size: float) -> AnyBatch:
        """Return the batch with each example cut or lengthened to a size, in `size_unit`, whatever was drawn."""
        ...

    def losses(self, outputs: Any, batch: AnyBatch) -> tuple[Tensor, Tensor]:
        """Return the loss of each example, `(B,)` in nats, and over how much it is summed, `(B,)`.

        Args:
            outputs: what the network returned.
            batch: that it was called with.
        """
        ...

    def evaluate(self, network: nn.Module) -> Evaluation:
        """Score the network on the held-out examples, in float32.

        Raises:
            DataError: too many of them are unusable.
        """
        ...

    def write(self, folder: Path) -> None:
        """Write into the run's folder what its configuration does not say: the vocabulary, for instance."""
        ...
