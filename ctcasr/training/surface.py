"""The error surface around a network that was trained: the loss along two directions, and down its steepest place."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ctcasr.errors import ConfigError
from ctcasr.models.batch_norm import FrameBatchNorm
from ctcasr.training.batching import Batch, plan_batches
from ctcasr.training.checkpoints import AVERAGED
from ctcasr.training.config_files import read_config
from ctcasr.training.evaluating import sample
from ctcasr.training.loop import Trainer
from ctcasr.training.records import CONFIG
from ctcasr.training.run_folder import CHECKPOINTS
from ctcasr.training.stopping import shielded
from ctcasr.training.tensor_files import load_weights, read_tensors
from ctcasr.training.trying import plain, trial

Array = npt.NDArray[np.float64]
Weights = list[Tensor]

MOST_HEARD = 16
"""Training examples on which the loss is computed."""

CUT_POINTS = 40

NARROW = 10.0
"""How many times less far is looked along the gradient: the surface is a canyon, with walls on either side of it."""

SHORTEST, LONGER = 1e-4, 1.4
"""Of the distances at which the lowest place of a way is looked for: share of all weights' length, and growth."""


@dataclass(frozen=True)
class SurfaceSettings:
    """What is computed.

    Attributes:
        epoch: whose weights are in the middle: 0 before the training, None the averaged ones.
        reach: of the random direction either way, as a share of the length of all weights; a tenth along the gradient.
        points: along each direction.
        seed: of the random direction.
    """

    epoch: int | None
    reach: float
    points: int
    seed: int


@dataclass(frozen=True)
class Step:
    """A step of plain gradient descent.

    Attributes:
        length: of the step in the space of the weights.
        loss: where it ends.
    """

    length: float
    loss: float


@dataclass(frozen=True)
class Cut:
    """The way down from the steepest place of the lower half of the line along the gradient, by the gradient there.

    Attributes:
        along: where that is, in the units of the surface.
        norm: of the gradient there.
        distances: along the way, `(N,)`.
        losses: `(N,)`.
        free: the step without clipping.
        clipped: the step with clipping.
    """

    along: float
    norm: float
    distances: Array
    losses: Array
    free: Step
    clipped: Step


@dataclass(frozen=True)
class Surface:
    """The loss around the weights of a network.

    Attributes:
        along: offsets along the gradient, as shares of the length of all weights, `(P,)`.
        aside: offsets along the random direction, `(P,)`.
        losses: `(P, P)` in nats a symbol (or frame, ...); rows follow the gradient, columns the random direction.
        clip_norm: of the training.
        cut: from the steepest place.
    """

    along: Array
    aside: Array
    losses: Array
    clip_norm: float
    cut: Cut


class _Loss:
    """The loss of some training examples, without augmentation and dropout, at any weights."""

    def __init__(self, trainer: Trainer) -> None:
        part = trainer.task.part
        chosen = sample(len(part.sizes), MOST_HEARD)
        plan = plan_batches([part.sizes[number] for number in chosen], part.budget)
        batches = trainer.task.batches([[chosen[place] for place in batch] for batch in plan], -1)
        self._trainer = trainer
        self._batches: list[Batch] = list(batches)
        self._network = trainer.network.train()  # without dropout as in `eval`, but a GPU can go backwards
        for module in self._network.modules():
            if isinstance(module, FrameBatchNorm):
                module.eval()
        self.parameters = list(self._network.parameters())

    def __call__(self, weights: Weights) -> float:
        """Return the loss at some weights."""
        self._set(weights)
        with torch.inference_mode():
            parts = [self._sums(batch) for batch in self._batches]
        loss, size = (torch.stack(sums).sum() for sums in zip(*parts, strict=True))
        return float(loss / size.clamp_min(1))

    def gradient(self, weights: Weights) -> Weights:
        """Return the gradient of the loss at some weights."""
        self._set(weights)
        self._network.zero_grad(set_to_none=True)
        total = 0.0
        for batch in self._batches:
            with shielded():
                loss, size = self._sums(batch)
                torch.autograd.backward(loss)
            total += float(size)
        return [
            torch.zeros_like(parameter) if parameter.grad is None else parameter.grad / max(1.0, total)
            for parameter in self.parameters
        ]

    @shielded()
    def _sums(self, batch: Batch) -> tuple[Tensor, Tensor]:
        task = self._trainer.task
        losses, sizes = task.losses(self._network(*task.inputs(batch)), batch)
        return (losses * batch.weights).sum(), (sizes * batch.weights).sum()

    @torch.no_grad()
    def _set(self, weights: Weights) -> None:
        for parameter, value in zip(self.parameters, weights, strict=True):
            parameter.copy_(value)


def measure_surface(run: Path, settings: SurfaceSettings, told: Callable[[], None] = lambda: None) -> Surface:
    """Compute the loss along the gradient and along a random direction around the weights of a run.

    The first direction is that of the gradient, the line on which a descent would move (Goodfellow et al. 2015,
    "Qualitatively characterizing neural network optimization problems"), for there the cliffs are; the second is
    random, each row of a matrix scaled to the length of the weights' row (Li et al. 2018, "Visualizing the loss
    landscape of neural nets"), biases being left alone. Both are as long as all weights together.

    On the line along the gradient, in its lower half, where a training would be, the steepest place is looked for. From
    there a step of plain gradient descent is taken with and without clipping (Pascanu et al. 2013). Its rate is the
    best for the clipped step, which ends at the first lowest place of the way; without clipping the step is longer by
    as much as the gradient exceeds `optimizer.clip_norm`.

    Args:
        run: folder of a run.
        settings: what is computed.
        told: called `settings.points ** 2` times.

    Raises:
        ConfigError: the run has no such weights.
    """
    config = read_config(run / CONFIG)
    trainer = trial(plain(config))
    _load(trainer, run, settings.epoch)
    loss = _Loss(trainer)
    middle = [parameter.detach().clone() for parameter in loss.parameters]
    length = _length(middle)
    along = _scaled(loss.gradient(middle), length)
    aside = _scaled(_filter_normalised(middle, settings.seed), length)
    widths = np.linspace(-settings.reach, settings.reach, settings.points)
    offsets = widths / NARROW
    losses = np.empty((settings.points, settings.points))
    for row, first in enumerate(offsets.tolist()):
        for column, second in enumerate(widths.tolist()):
            losses[row, column] = loss(_moved(_moved(middle, along, first), aside, second))
            told()
    places = [_moved(middle, along, first) for first in offsets.tolist()]
    steep = _steepest(loss, places)
    limit = config.optimizer.clip_norm
    return Surface(offsets, widths, losses, limit, _cut(loss, places[steep], float(offsets[steep]), limit))


def _steepest(loss: _Loss, places: Sequence[Weights]) -> int:
    """Return the number of the place with the largest gradient among the lower half of them."""
    losses = [loss(place) for place in places]
    lower: list[int] = np.argsort(losses)[: -(-len(places) // 2)].tolist()
    return max(lower, key=lambda number: _length(loss.gradient(places[number])))


def _cut(loss: _Loss, weights: Weights, along: float, limit: float) -> Cut:
    gradient = loss.gradient(weights)
    norm = _length(gradient)
    down = _scaled(gradient, -1.0)

    def loss_at(distance: float) -> float:
        return loss(_moved(weights, down, distance))

    best = Step(0.0, loss_at(0.0))
    distance = SHORTEST * _length(weights)
    while (step := Step(distance, loss_at(distance))).loss < best.loss:
        best, distance = step, LONGER * distance
    length = best.length * max(1.0, norm / limit)
    near, far = min(1.6 * best.length, 1.15 * length), 1.15 * length
    half = CUT_POINTS // 2
    distances = np.unique(np.concatenate((np.linspace(0, near, half), np.linspace(near, far, half))))
    losses = np.array([loss_at(each) for each in distances.tolist()])
    return Cut(along, norm, distances, losses, Step(length, loss_at(length)), best)


def _load(trainer: Trainer, run: Path, epoch: int | None) -> None:
    if epoch == 0:
        return
    folder = run / CHECKPOINTS
    path = folder / AVERAGED if epoch is None else trainer.checkpoints.weights_path(epoch)
    path = folder / path.name
    if not path.exists():
        kept = sorted(int(found.stem.rpartition("-")[2]) for found in folder.glob("epoch-*.safetensors"))
        raise ConfigError(
            f"{path}: is not there; choose with --epoch among 0 (before the training) and the best epochs "
            f"({', '.join(map(str, kept)) or 'none yet'})"
        )
    load_weights(trainer.network, read_tensors(path), path)


def _filter_normalised(weights: Weights, seed: int) -> Weights:
    """Return a random direction, each row of a matrix as long as that of the weights (Li et al. 2018, section 4)."""
    generator = torch.Generator().manual_seed(seed)
    directions = []
    for weight in weights:
        if weight.ndim < 2:
            directions.append(torch.zeros_like(weight))
            continue
        drawn = torch.randn(weight.shape, generator=generator).to(weight.device).flatten(1)
        lengths = weight.flatten(1).norm(dim=1, keepdim=True)
        scaled = drawn * lengths / drawn.norm(dim=1, keepdim=True).clamp_min(1e-12)
        directions.append(scaled.view_as(weight))
    return directions


def _length(weights: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float(weight.double().square().sum()) for weight in weights))


def _scaled(weights: Weights, length: float) -> Weights:
    """Return the direction with another length; a negative one turns it round."""
    factor = length / max(1e-30, _length(weights))
    return [weight * factor for weight in weights]


def _moved(weights: Weights, direction: Weights, distance: float) -> Weights:
    return [weight + distance * step for weight, step in zip(weights, direction, strict=True)]
