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
from ctcasr.training.batching import Batch, plan_batches
from ctcasr.training.checkpoints import AVERAGED
from ctcasr.training.config import TrainingConfig, read_config
from ctcasr.training.evaluating import sample
from ctcasr.training.loop import Trainer
from ctcasr.training.run_folder import CHECKPOINTS, CONFIG
from ctcasr.training.tensor_files import load_weights, read_tensors
from ctcasr.training.trying import plain, trial

Array = npt.NDArray[np.float64]
Weights = list[Tensor]

MOST_HEARD = 16
"""Training examples on which the loss is computed."""

CUT_POINTS = 40


@dataclass(frozen=True)
class SurfaceSettings:
    """What is computed.

    Attributes:
        epoch: whose weights are in the middle: 0 before the training, None the averaged ones.
        reach: of each direction either way, as a share of the length of all weights.
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
    """The way down from the steepest place of the lower half of a surface, along its own gradient.

    Attributes:
        place: where that is, in the units of the surface.
        norm: of the gradient there.
        distances: along the way, `(N,)`.
        losses: `(N,)`.
        free: the step without clipping.
        clipped: the step with clipping.
    """

    place: tuple[float, float]
    norm: float
    distances: Array
    losses: Array
    free: Step
    clipped: Step


@dataclass(frozen=True)
class Surface:
    """The loss around the weights of a network.

    Attributes:
        offsets: along each direction, as shares of the length of all weights, `(P,)`.
        losses: `(P, P)` in nats a symbol (or frame, ...); rows follow the gradient, columns a random direction.
        clip_norm: of the training.
        cut: from the steepest place.
    """

    offsets: Array
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
            loss, size = self._sums(batch)
            torch.autograd.backward(loss)
            total += float(size)
        return [
            torch.zeros_like(parameter) if parameter.grad is None else parameter.grad / max(1.0, total)
            for parameter in self.parameters
        ]

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

    From the steepest place in the lower half of this plane, where a training would be, a step of plain gradient descent
    is taken with and without clipping (Pascanu et al. 2013). Its rate is such that a clipped step is as long as one of
    AdamW may be: the run's learning rate times the root of the number of weights.

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
    offsets = np.linspace(-settings.reach, settings.reach, settings.points)
    losses = np.empty((settings.points, settings.points))
    for row, first in enumerate(offsets.tolist()):
        for column, second in enumerate(offsets.tolist()):
            losses[row, column] = loss(_moved(_moved(middle, along, first), aside, second))
            told()
    slopes = np.hypot(*np.gradient(losses))
    slopes[losses > np.median(losses)] = -1
    row, column = divmod(int(slopes.argmax()), settings.points)
    place = (float(offsets[row]), float(offsets[column]))
    steep = _moved(_moved(middle, along, place[0]), aside, place[1])
    return Surface(offsets, losses, config.optimizer.clip_norm, _cut(loss, steep, place, config))


def _cut(loss: _Loss, weights: Weights, place: tuple[float, float], config: TrainingConfig) -> Cut:
    gradient = loss.gradient(weights)
    norm = _length(gradient)
    limit = config.optimizer.clip_norm
    count = sum(weight.numel() for weight in weights)
    rate = config.optimizer.learning_rate * math.sqrt(count) / limit
    down = _scaled(gradient, -1.0)
    free, clipped = rate * norm, rate * min(norm, limit)
    distances = np.linspace(0, 1.15 * free, CUT_POINTS)
    losses = np.array([loss(_moved(weights, down, distance)) for distance in distances.tolist()])
    steps = [Step(distance, loss(_moved(weights, down, distance))) for distance in (free, clipped)]
    return Cut(place, norm, distances, losses, *steps)


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
