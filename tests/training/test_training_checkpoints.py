"""Checkpoints: whole at every moment, best epochs kept, damage named."""

from __future__ import annotations

import errno
import os
import re
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from torch import nn

from ctcasr.errors import ConfigError, RunError
from ctcasr.training import tensor_files
from ctcasr.training.checkpoints import LAST, PREVIOUS, CheckpointFolder, ProcessState, Progress
from ctcasr.training.tensor_files import load_weights, read_tensors, write_tensors


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


@pytest.mark.slow
def test_full_state_comes_back(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "run/checkpoints", keep=3)
    assert not folder.has_last()
    model, optimizer = trained()
    progress = Progress(4, 40, [(0.25, 1.5, 2), (float("inf"), 2.0, 1)], batch=3, plan="abc")
    processes = [
        ProcessState({"loss": 0.1 + 0.2, "norms": [1 / 3, float("inf")]}, {"cpu": torch.get_rng_state()}),
        ProcessState({"loss": 2.0, "norms": []}, {"cpu": torch.get_rng_state()[:7], "cuda": torch.zeros(16)}),
    ]
    folder.save_last(progress, model, optimizer, processes)
    assert folder.has_last()
    other = nn.Linear(2, 3)
    fresh = torch.optim.AdamW(other.parameters(), lr=0.1)
    found, states = folder.load_last(other, fresh)
    assert found == progress
    assert [state.totals for state in states] == [process.totals for process in processes]
    for state, process in zip(states, processes, strict=True):
        assert state.random.keys() == process.random.keys()
        assert all(torch.equal(state.random[name], value) for name, value in process.random.items())
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
        if (
            epoch == 3
        ):  # the state before names the first epoch's: nothing that a run may go on from is removed
            assert folder.weights_path(1).exists()
    assert progress.best == [(0.3, 1.0, 3), (0.3, 2.0, 2)]
    assert sorted(path.name for path in tmp_path.glob("epoch-*")) == [
        "epoch-0002.safetensors",
        "epoch-0003.safetensors",
    ]
    (_, best), (count, average) = folder.averages([3, 2])
    assert best["weight"].unique().tolist() == [3.0]
    assert count == 2
    assert average["weight"].dtype == torch.float32
    assert average["weight"].unique().tolist() == [2.5]


class Killed(BaseException):
    """Stands for SIGKILL: the n-th change on disk does not happen, nor anything after it."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "leftover", [False, True], ids=["after a clean save", "after a kill between the renames"]
)
@pytest.mark.parametrize("moment", range(9))
def test_a_kill_at_any_moment_leaves_a_whole_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int, leftover: bool
) -> None:
    folder = CheckpointFolder(tmp_path, keep=1)
    model, optimizer = trained()
    first = Progress(1, 10)
    folder.note_epoch(first, (0.5, 1.0), model)
    folder.save_last(first, model, optimizer)
    if leftover:
        (tmp_path / LAST).rename(tmp_path / PREVIOUS)
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
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, interrupted(getattr(Path, name)))
        patch.setattr(tensor_files, "save_file", interrupted(tensor_files.save_file))
        try:
            folder.note_epoch(second, (0.4, 1.0), model)
            folder.save_last(second, model, optimizer)
            killed = False
        except Killed:
            killed = True
    assert killed == (moment < (7 if leftover else 8)), "the moments reach past the last change"
    restored, _ = folder.load_last(*trained())
    assert restored in (first, second)
    assert killed or restored == second
    # The weights that the state names are there, so that the run can end in an average.
    assert list(folder.averages([epoch for _, _, epoch in restored.best]))
    # And the run goes on.
    for epoch, error in ((restored.epoch + 1, 0.3), (restored.epoch + 2, 0.2)):
        later = Progress(epoch, 10 * epoch, list(restored.best))
        folder.note_epoch(later, (error, 1.0), model)
        folder.save_last(later, model, optimizer)
        assert folder.load_last(*trained())[0] == later
        restored = later
    kept = {folder.weights_path(epoch).name for epoch in (later.epoch - 1, later.epoch)}
    assert {path.name for path in tmp_path.iterdir()} == kept | {LAST, PREVIOUS}


def two_states(folder: Path) -> CheckpointFolder:
    """Write the states of two epochs."""
    checkpoints = CheckpointFolder(folder, keep=1)
    progress = Progress()
    model, optimizer = trained()
    for epoch in (1, 2):
        progress.epoch, progress.step = epoch, 10 * epoch
        checkpoints.note_epoch(progress, (0.5 / epoch, 1.0), model)
        checkpoints.save_last(progress, model, optimizer)
    return checkpoints


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage", ["emptied", "cut off", "a bit of the weights", "a bit of the state", "text"]
)
def test_a_damaged_checkpoint_is_told_and_the_one_before_is_taken(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = two_states(tmp_path)
    last = tmp_path / LAST
    content = last.read_bytes()
    if damage == "emptied":
        last.write_bytes(b"")
    elif damage == "cut off":
        last.write_bytes(content[:-5])
    elif damage == "a bit of the weights":
        flip(last, len(content) - 3)
    elif damage == "a bit of the state":
        flip(last, content.index(b"epoch") + 9)
    else:
        last.write_text("no checkpoint")
    model, optimizer = trained()
    found, _ = checkpoints.load_last(model, optimizer)
    assert (found.epoch, found.step) == (1, 10)
    assert re.search(
        r"damaged: .*last\.safetensors \(.+\); going on from the .* before, at epoch 2", caplog.text
    )
    assert list(checkpoints.averages([1]))  # its weights are there as well
    # The damaged one never takes the place of the whole one.
    found.epoch = 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", killed_at)
        with pytest.raises(Killed):
            checkpoints.save_last(found, model, optimizer)
    assert CheckpointFolder(tmp_path, keep=1).load_last(*trained())[0].epoch == 1
    checkpoints.save_last(found, model, optimizer)
    assert CheckpointFolder(tmp_path, keep=1).load_last(*trained())[0].epoch == 2


def killed_at(*places: Path) -> None:
    raise Killed(places)


def test_two_damaged_checkpoints_are_refused(tmp_path: Path) -> None:
    checkpoints = two_states(tmp_path)
    for name in (LAST, PREVIOUS):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ConfigError, match=r"damaged: .*last.* and .*previous.*; train again in another"):
        checkpoints.load_last(*trained())


def no_room_to_write(*arguments: Any) -> None:
    Path(arguments[1]).write_bytes(b"half")
    raise SafetensorError("I/O error: No space left on device (os error 28)")


def no_room_to_sync(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("owner", "name", "function", "reason"),
    [
        (tensor_files, "save_file", no_room_to_write, "No space left on device"),
        (os, "fsync", no_room_to_sync, "No space left on device"),
        (None, "", None, "File too large"),
    ],
    ids=["while it is written", "while it is synced", "by the kernel"],
)
def test_a_full_disk_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, function: Any, reason: str
) -> None:
    checkpoints = two_states(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with monkeypatch.context() as patch:
        if owner is None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (300, limits[1]))
        else:
            patch.setattr(owner, name, function)
        try:
            with pytest.raises(RunError) as caught:
                checkpoints.save_last(Progress(3, 30), *trained())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    message = str(caught.value)
    assert "next.safetensors: cannot be written (" in message
    assert reason in message
    assert "nothing that was saved before is lost" in message
    assert "go on with --resume" in message
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    checkpoints.save_last(Progress(3, 30), *trained())
    assert checkpoints.load_last(*trained())[0].step == 30


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"file/next\.safetensors: cannot be written \(File exists\)"):
        CheckpointFolder(tmp_path / "file", keep=1).save_last(Progress(), *trained())


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
