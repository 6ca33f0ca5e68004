"""The weights that a training ends with: the mean of as many of its best epochs as score best."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ctcasr.errors import ConfigError
from ctcasr.training.checkpoints import CheckpointFolder
from ctcasr.training.config_files import read_config
from ctcasr.training.loop import Trainer
from ctcasr.training.tasks import Evaluation
from ctcasr.training.tensor_files import read_tensors, write_tensors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("errors", "count"), [([3, 2, 4], 2), ([2, 2, 2], 4), ([1, 2, 0], 4), ([1, 2, 3], 1)]
)
def test_as_many_epochs_are_averaged_as_score_best(
    corpus, monkeypatch: pytest.MonkeyPatch, errors: list[int], count: int
) -> None:
    trainer = Trainer(read_config(corpus(optimizer__epochs=4), ["run.average=4"]))
    original, left = trainer.task.evaluate, list(errors)

    def evaluate(network: torch.nn.Module) -> Evaluation:
        if trainer.progress.epoch < 4:
            return original(network)
        return Evaluation(1.0, {"wer": left[0], "cer": left[0]}, left.pop(0))

    monkeypatch.setattr(trainer.task, "evaluate", evaluate)
    evaluation = trainer.run()
    assert (evaluation.error, evaluation.signs["averaged_epochs"]) == (min(errors), count)
    assert json.loads((trainer.config.run.folder / "summary.json").read_text())["dev_wer"] == min(errors)
    averaged = read_tensors(trainer.checkpoints.folder / "averaged.safetensors")
    epochs = [epoch for _, _, epoch in trainer.progress.best[:count]]
    parts = [read_tensors(trainer.checkpoints.weights_path(epoch)) for epoch in epochs]
    for name, tensor in trainer.network.state_dict().items():
        assert torch.equal(tensor, averaged[name])
        torch.testing.assert_close(tensor, torch.stack([part[name] for part in parts]).mean(0))


def written(folder: Path, epochs: int) -> CheckpointFolder:
    """Write best epochs; all weights of each are its number."""
    checkpoints = CheckpointFolder(folder, keep=epochs)
    for epoch in range(1, epochs + 1):
        write_tensors(checkpoints.weights_path(epoch), {"weight": torch.full((2, 3), float(epoch))})
    return checkpoints


def test_damaged_weights_of_an_epoch_are_left_out_of_the_average(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = written(tmp_path, 3)
    content = folder.weights_path(3).read_bytes()
    folder.weights_path(3).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    [(count, average)] = folder.averages([3, 1, 2])
    assert count == 2
    assert average["weight"].unique().tolist() == [1.5]
    assert "left out of the average: " in caplog.text
    with pytest.raises(ConfigError, match=r"epoch-0003\.safetensors: cannot be read \(its content differs"):
        list(folder.averages([3]))


@pytest.mark.parametrize(
    ("epochs", "counts"), [(1, [1]), (2, [1, 2]), (3, [1, 3]), (6, [1, 3, 6]), (10, [1, 2, 5, 10])]
)
def test_each_average_is_of_about_twice_as_many(tmp_path: Path, epochs: int, counts: list[int]) -> None:
    found = list(written(tmp_path, epochs).averages(range(1, epochs + 1)))
    assert [count for count, _ in found] == counts
    for count, weights in found:
        assert weights["weight"].unique().tolist() == [(count + 1) / 2]
