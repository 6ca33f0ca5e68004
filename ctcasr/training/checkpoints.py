"""Checkpoints on disk: written whole or not at all, safetensors and JSON only."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ctcasr.errors import ConfigError

LAST = "last"
AVERAGED = "averaged.safetensors"
_STATE = "state.json"
_TENSORS = "tensors.safetensors"


@dataclass
class Progress:
    """How far a run has come, and its best epochs as `(character error rate, loss, epoch)`, best first."""

    epoch: int = 0
    step: int = 0
    best: list[tuple[float, float, int]] = field(default_factory=list)


class CheckpointFolder:
    """The `checkpoints/` folder of a run: the last full state, and the weights of the best epochs."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self.keep = keep

    def has_last(self) -> bool:
        """Tell whether there is a state to resume from."""
        return (self.folder / LAST / _STATE).exists() or (self.folder / f"{LAST}.old" / _STATE).exists()

    def weights_path(self, epoch: int) -> Path:
        """Return where the weights of a best epoch lie."""
        return self.folder / f"epoch-{epoch:04d}.safetensors"

    def note_epoch(self, progress: Progress, scores: tuple[float, float], model: nn.Module) -> None:
        """Keep the weights if the epoch just finished is among the best."""
        entry = (*scores, progress.epoch)
        progress.best = sorted([*progress.best, entry])[: self.keep]
        if entry in progress.best:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_tensors(self.weights_path(progress.epoch), model.state_dict())

    def save_last(self, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Write the full state; at every moment there is a whole one on disk, with its best weights."""
        temporary, last, old = (self.folder / name for name in (f"{LAST}.tmp", LAST, f"{LAST}.old"))
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
        write_tensors(temporary / _TENSORS, tensors)
        (temporary / _STATE).write_text(json.dumps(asdict(progress)), encoding="utf-8")
        if last.exists():  # else a run was killed between these two renames: the old state is the only one
            shutil.rmtree(old, ignore_errors=True)
            last.rename(old)
        temporary.rename(last)
        shutil.rmtree(old, ignore_errors=True)
        # Only now does no state on disk name the weights that this epoch's displaced.
        kept = {self.weights_path(epoch) for _, _, epoch in progress.best}
        for path in self.folder.glob("epoch-*.safetensors"):
            if path not in kept:
                path.unlink()

    def load_last(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
        """Restore the full state into model and optimizer.

        Raises:
            ConfigError: the state does not fit the model of this configuration, or is damaged.
        """
        last = self.folder / LAST
        if not (last / _STATE).exists():
            last = self.folder / f"{LAST}.old"  # killed between the two renames of `save_last`
        tensors = read_tensors(last / _TENSORS)
        weights = {name[6:]: value for name, value in tensors.items() if name.startswith("model.")}
        load_weights(model, weights, last)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                state.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        fields = json.loads((last / _STATE).read_text(encoding="utf-8"))
        fields["best"] = [(float(error), float(loss), int(epoch)) for error, loss, epoch in fields["best"]]
        return Progress(**fields)

    def average(self, epochs: Sequence[int]) -> dict[str, Tensor]:
        """Return the mean of the weights of some best epochs (Izmailov et al. 2018)."""
        total: dict[str, Tensor] = {}
        for epoch in epochs:
            for name, tensor in read_tensors(self.weights_path(epoch)).items():
                total[name] = total.get(name, torch.zeros_like(tensor, dtype=torch.float64)) + tensor.double()
        return {name: (tensor / len(epochs)).float() for name, tensor in total.items()}


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a safetensors file through a temporary one, so that it appears whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        ConfigError: the file is missing or damaged.
    """
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"{path}: cannot be read ({error}); train again or take another checkpoint"
        ) from error
    return tensors


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], source: Path) -> None:
    """Load weights into a model.

    Raises:
        ConfigError: names or shapes differ.
    """
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    wrong = [name for name in expected | found if found.get(name) != expected.get(name)]
    if wrong:
        name, more = wrong[0], f" ({len(wrong) - 1} more differ)" if len(wrong) > 1 else ""
        raise ConfigError(
            f"{source}: the weights do not fit the model of this configuration: {name} is "
            f"{found.get(name, 'missing')}, expected {expected.get(name, 'none')}{more}; take the settings and the "
            "transcripts that they were trained with"
        )
    model.load_state_dict(dict(weights))
