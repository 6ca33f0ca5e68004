"""Checkpoints: whole at every moment, best epochs kept, damage named."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ctcasr.errors import ConfigError
from ctcasr.training.checkpoints import CheckpointFolder, Progress, load_weights, read_tensors, write_tensors


def network(value: float = 0.0) -> nn.Module:
    layer = nn.Linear(2, 3)
    nn.init.constant_(layer.weight, value)
    nn.init.constant_(layer.bias, value)
    return layer


def trained() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Linear(2, 3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(4, 2)).square().sum().backward()
        optimizer.step()
    return model, optimizer


def test_full_state_comes_back(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, keep=3)
    assert not folder.has_last()
    model, optimizer = trained()
    progress = Progress(4, 40, [(0.25, 1.5, 2), (float("inf"), 2.0, 1)])
    folder.save_last(progress, model, optimizer)
    assert folder.has_last()
    other = nn.Linear(2, 3)
    fresh = torch.optim.AdamW(other.parameters(), lr=0.1)
    assert folder.load_last(other, fresh) == progress
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
    saved, restored = optimizer.state_dict()["state"], fresh.state_dict()["state"]
    assert saved.keys() == restored.keys() == {0, 1}
    for index, state in saved.items():
        assert state.keys() == restored[index].keys() == {"step", "exp_avg", "exp_avg_sq"}
        assert all(torch.equal(restored[index][key], value) for key, value in state.items())


def test_best_epochs_are_kept(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, keep=2)
    progress = Progress()
    model, optimizer = trained()
    for epoch, scores in enumerate([(0.5, 1.0), (0.3, 2.0), (0.3, 1.0), (0.9, 0.1)], 1):
        progress.epoch = epoch
        folder.note_epoch(progress, scores, network(epoch))
        folder.save_last(progress, model, optimizer)
    assert progress.best == [(0.3, 1.0, 3), (0.3, 2.0, 2)]
    assert sorted(path.name for path in tmp_path.glob("epoch-*")) == [
        "epoch-0002.safetensors",
        "epoch-0003.safetensors",
    ]
    average = folder.average([3, 2])
    assert average["weight"].dtype == torch.float32
    assert average["weight"].unique().tolist() == [2.5]


class Killed(BaseException):
    """Stands for SIGKILL: the n-th change on disk does not happen, nor anything after it."""


@pytest.mark.parametrize(
    "leftover", [False, True], ids=["after a clean save", "after a kill between the renames"]
)
@pytest.mark.parametrize("moment", range(12))
def test_a_kill_at_any_moment_leaves_a_whole_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int, leftover: bool
) -> None:
    folder = CheckpointFolder(tmp_path, keep=1)
    model, optimizer = trained()
    first = Progress(1, 10)
    folder.note_epoch(first, (0.5, 1.0), model)
    folder.save_last(first, model, optimizer)
    if leftover:
        (tmp_path / "last").rename(tmp_path / "last.old")
    changes = 0

    def interrupted(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal changes
            changes += 1
            if changes > moment:
                raise Killed
            return function(*args, **kwargs)

        return call

    second = Progress(2, 20, list(first.best))
    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "unlink", "mkdir", "write_text"):
            patch.setattr(Path, name, interrupted(getattr(Path, name)))
        patch.setattr(shutil, "rmtree", interrupted(shutil.rmtree))
        try:
            folder.note_epoch(second, (0.4, 1.0), model)
            folder.save_last(second, model, optimizer)
            killed = False
        except Killed:
            killed = True
    assert killed == (moment < (9 if leftover else 11)), "the moments reach past the last change"
    restored = folder.load_last(*trained())
    assert restored in (first, second)
    assert killed or restored == second
    # The weights that the state names are there, so that the run can end in an average.
    assert folder.average([epoch for _, _, epoch in restored.best])
    # And the run goes on.
    later = Progress(restored.epoch + 1, 30, list(restored.best))
    folder.note_epoch(later, (0.3, 1.0), model)
    folder.save_last(later, model, optimizer)
    assert folder.load_last(*trained()) == later
    assert {path.name for path in tmp_path.iterdir()} == {folder.weights_path(later.epoch).name, "last"}


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff" * 100])
def test_damaged_tensors_are_named(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(damage)
    with pytest.raises(ConfigError, match=r"x\.safetensors: cannot be read"):
        read_tensors(path)


def test_missing_tensors_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"x\.safetensors: cannot be read"):
        read_tensors(tmp_path / "x.safetensors")


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, nn.Linear(2, 4).state_dict())
    with pytest.raises(ConfigError, match="do not fit the model") as caught:
        load_weights(network(), read_tensors(path), path)
    assert str(caught.value) == (
        f"{path}: the weights do not fit the model of this configuration: weight is (4, 2), expected (3, 2) "
        "(1 more differ); take the settings and the transcripts that they were trained with"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({"weight": torch.zeros(3, 2)}, "bias is missing, expected (3,);"),
        (
            {"weight": torch.zeros(3, 2), "bias": torch.zeros(3), "scale": torch.zeros(())},
            "scale is (), expected none;",
        ),
    ],
)
def test_missing_and_foreign_weights_are_refused(weights: dict[str, torch.Tensor], reason: str) -> None:
    with pytest.raises(
        ConfigError, match=re.escape("run/x: the weights do not fit the model of this")
    ) as caught:
        load_weights(network(), weights, Path("run/x"))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
