"""The checkpoints of a run: the last two full states, either of which a run goes on from, and its best epochs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from ctcasr.errors import ConfigError
from ctcasr.training.tensor_files import load_weights, read_checked, read_tensors, write_tensors

logger = logging.getLogger(__name__)

LAST = "last.safetensors"
PREVIOUS = "previous.safetensors"
AVERAGED = "averaged.safetensors"
_NEXT = "next.safetensors"


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        epoch: epochs that are finished.
        step: steps of the optimiser.
        best: the best epochs as `(character error rate, loss, epoch)`, best first.
        batch: batches done of the epoch that is not finished.
        plan: a sum over the batches of the last epoch that was begun; see `planning.plan_digest`.
    """

    epoch: int = 0
    step: int = 0
    best: list[tuple[float, float, int]] = field(default_factory=list)
    batch: int = 0
    plan: str = ""

    def __str__(self) -> str:
        return f"epoch {self.epoch + 1}, batch {self.batch + 1}" if self.batch else f"epoch {self.epoch + 1}"


@dataclass(frozen=True)
class ProcessState:
    """What one process alone knows in the middle of an epoch.

    Attributes:
        totals: what it has seen of the epoch, as JSON can hold it.
        random: the states of torch's generators, by device type.
    """

    totals: dict[str, Any]
    random: dict[str, Tensor]


class CheckpointFolder:
    """The `checkpoints/` folder of a run: the last two full states, and the weights of the best epochs."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self.keep = keep
        self._last_is_damaged = False

    def has_last(self) -> bool:
        """Tell whether there is a state to resume from."""
        return any((self.folder / name).exists() for name in (LAST, PREVIOUS))

    def weights_path(self, epoch: int) -> Path:
        """Return where the weights of a best epoch lie."""
        return self.folder / f"epoch-{epoch:04d}.safetensors"

    def note_epoch(self, progress: Progress, scores: tuple[float, float], model: nn.Module) -> None:
        """Keep the weights if the epoch just finished is among the best.

        Raises:
            RunError: they cannot be written.
        """
        entry = (*scores, progress.epoch)
        progress.best = sorted([*progress.best, entry])[: self.keep]
        if entry in progress.best:
            write_tensors(self.weights_path(progress.epoch), model.state_dict())

    def save_last(
        self,
        progress: Progress,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        processes: Sequence[ProcessState] = (),
    ) -> None:
        """Write the full state; at every moment there is a whole one on disk, with its best weights.

        Args:
            progress: how far the run is.
            model: its weights are written.
            optimizer: its state, too; the learning rate follows from the progress.
            processes: in the middle of an epoch, what each of them alone knows.

        Raises:
            RunError: the state cannot be written; those before are left as they are.
        """
        tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
        for number, process in enumerate(processes):
            tensors |= {f"random.{number}.{name}": value for name, value in process.random.items()}
        fields = {"progress": asdict(progress), "totals": [process.totals for process in processes]}
        following, last, previous = (self.folder / name for name in (_NEXT, LAST, PREVIOUS))
        write_tensors(following, tensors, json.dumps(fields))
        if self._last_is_damaged:  # it must not take the place of the one before, which is whole
            last.unlink()
            self._last_is_damaged = False
        if last.exists():  # else a run was killed between these two renames: the one before is the only one
            last.replace(previous)
        following.replace(last)
        self._drop_weights(progress)

    def _drop_weights(self, progress: Progress) -> None:
        """Remove the weights that neither state on disk names."""
        best = list(progress.best)
        try:
            _, text = read_checked(self.folder / PREVIOUS, tensors_too=False)
            best += _progress(json.loads(text)["progress"]).best
        except (OSError, SafetensorError, ValueError, KeyError):
            pass  # there is none yet, or it is damaged: nobody will go on from it
        kept = {self.weights_path(epoch) for _, _, epoch in best}
        for path in self.folder.glob("epoch-*.safetensors"):
            if path not in kept:
                path.unlink()

    def load_last(
        self, model: nn.Module, optimizer: torch.optim.Optimizer
    ) -> tuple[Progress, list[ProcessState]]:
        """Restore the full state into model and optimizer; a damaged one is told, and the one before is taken.

        Returns:
            The progress, and in the middle of an epoch what each process knew.

        Raises:
            ConfigError: the state does not fit the model of this configuration, or all there is is damaged.
        """
        path, tensors, fields = self._read_whole()
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "random": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        load_weights(model, parts["model"], path)
        state = _grouped(parts["optimizer"])
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        random = _grouped(parts["random"])
        processes = [ProcessState(totals, random[n]) for n, totals in enumerate(fields["totals"])]
        return _progress(fields["progress"]), processes

    def _read_whole(self) -> tuple[Path, dict[str, Tensor], dict[str, Any]]:
        """Return the newest state that is not damaged."""
        problems = []
        for name in (LAST, PREVIOUS):
            path = self.folder / name
            if not path.exists():
                continue
            try:
                tensors, text = read_checked(path)
                fields: dict[str, Any] = json.loads(text)
                progress = _progress(fields["progress"])
            except (OSError, SafetensorError, ValueError, KeyError) as error:
                problems.append(f"{path} ({error})")
                continue
            if problems:
                logger.warning(
                    "damaged: %s; going on from the checkpoint before, at %s", problems[0], progress
                )
                self._last_is_damaged = True
            return path, tensors, fields
        raise ConfigError(
            f"damaged: {' and '.join(problems)}; train again in another run.folder, with run.start_from where a "
            "finished run is at hand"
        )

    def averages(self, epochs: Sequence[int]) -> Iterator[tuple[int, dict[str, Tensor]]]:
        """Yield means of the weights of best epochs (Izmailov et al. 2018), each with the number of its epochs.

        First comes the best epoch alone, at last all of them, and each mean is of about twice as many as the one
        before. Damaged weights are told, and left out.

        Args:
            epochs: their numbers, the best one first.

        Raises:
            ConfigError: not one of them can be read.
        """
        sizes = _doubled(len(epochs))
        total: dict[str, Tensor] = {}
        count = 0
        for place, epoch in enumerate(epochs, 1):
            try:
                weights = read_tensors(self.weights_path(epoch))
            except ConfigError as error:
                if not count and place == len(epochs):
                    raise
                logger.warning("left out of the average: %s", error)
                weights = {}
            count += bool(weights)
            for name, tensor in weights.items():
                total[name] = total.get(name, torch.zeros_like(tensor, dtype=torch.float64)) + tensor.double()
            if place in sizes and count:
                yield count, {name: (tensor / count).float() for name, tensor in total.items()}


def _doubled(count: int) -> list[int]:
    """Return 1, and about twice as many each time, up to the count: 1, 2, 5, 10."""
    return [*_doubled(count // 2), count] if count else []


def _progress(fields: dict[str, Any]) -> Progress:
    best = [(float(error), float(loss), int(epoch)) for error, loss, epoch in fields["best"]]
    return Progress(**(fields | {"best": best}))


def _grouped(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """Return `{3: {"name": tensor}}` of `{"3.name": tensor}`."""
    groups: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, rest = name.partition(".")
        groups.setdefault(int(number), {})[rest] = tensor
    return groups
