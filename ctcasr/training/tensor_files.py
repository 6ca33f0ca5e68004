"""Tensors on disk: safetensors, written whole or not at all, and checked when they are read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ctcasr.errors import ConfigError, RunError

_STATE = "state"
_DIGEST = "sha256"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], state: str = "") -> None:
    """Write a safetensors file through a temporary one, so that it appears whole or not at all.

    Its metadata hold the SHA-256 sum of all that is in it: a file that decays is told from a whole one.

    Args:
        path: of the file; its folder is made.
        tensors: by name.
        state: a text that goes with them.

    Raises:
        RunError: it cannot be written.
    """
    temporary = path.with_name(path.name + ".tmp")
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file(stored, temporary, {_STATE: state, _DIGEST: _digest(stored, state)})
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Write a file of a run, or say in one sentence that it cannot be.

    Raises:
        RunError: it cannot be written.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunError(
            f"{path}: cannot be written ({reason}); nothing that was saved before is lost: make room, or mend the "
            "folder, and go on with --resume"
        ) from error


def _digest(tensors: Mapping[str, Tensor], state: str) -> str:
    digest = hashlib.sha256(state.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_checked(path: Path, tensors_too: bool = True) -> tuple[dict[str, Tensor], str]:
    """Return tensors and text of a safetensors file, checked against their sum where it has one.

    Raises:
        OSError: the file is missing.
        SafetensorError: it is damaged.
    """
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()} if tensors_too else {}  # noqa: SIM118
    state = metadata.get(_STATE, "")
    if tensors_too and metadata.get(_DIGEST, "") not in ("", _digest(tensors, state)):
        raise SafetensorError("its content differs from its SHA-256 sum")
    return tensors, state


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        ConfigError: the file is missing or damaged.
    """
    try:
        return read_checked(path)[0]
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"{path}: cannot be read ({error}); train again or take another checkpoint"
        ) from error


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
