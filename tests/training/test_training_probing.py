"""The largest batch comes first: it changes nothing, nothing is larger, and what does not fit is told."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ctcasr.errors import RunError
from ctcasr.training.batching import Batch
from ctcasr.training.config_files import read_config
from ctcasr.training.loop import Trainer
from ctcasr.training.probing import MemoryProbe
from ctcasr.training.stepping import Stepper
from tests.training.test_training_trainer import assert_same_weights, metrics


@pytest.mark.slow
@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_probe_changes_nothing(
    corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_norm: bool
) -> None:
    config = corpus(optimizer__epochs=2, optimizer__consistency=0.2, model__batch_norm=batch_norm)
    Trainer(read_config(config, ["run.folder=with"])).run()
    monkeypatch.setattr(MemoryProbe, "check", lambda _: None)
    Trainer(read_config(config, ["run.folder=without"])).run()
    assert metrics(tmp_path / "with") == metrics(tmp_path / "without")
    assert_same_weights(tmp_path / "with", tmp_path / "without")


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.1, 0.5, 0.97, 2.0])
def test_no_batch_of_the_run_is_larger(corpus, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    trainer = Trainer(read_config(corpus(batches__seconds=seconds, augment__speeds=[0.8, 1.0, 1.2])))
    areas: list[int] = []
    losses = Stepper.losses

    def measuring(self: Stepper, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        assert (batch.lengths <= batch.inputs.shape[1]).all()
        areas.append(batch.inputs.shape[0] * batch.inputs.shape[1])
        return losses(self, model, batch)

    monkeypatch.setattr(Stepper, "losses", measuring)
    trainer.run()
    # A row has one frame more than its hops.
    assert max(areas[1:]) <= areas[0] + 12
    assert areas[0] <= max(seconds, 0.42 / 0.8) * 100 + 12


def memory_of(frames: float, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
    """Let no batch with more frames than so many, padding included, fit into memory."""
    losses = Stepper.losses

    def bounded(self: Stepper, model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        if batch.inputs.shape[0] * batch.inputs.shape[1] > frames:
            if error is not None:
                raise error
            torch.empty(2**60, dtype=torch.uint8)  # what torch really says when memory is full
        return losses(self, model, batch)

    monkeypatch.setattr(Stepper, "losses", bounded)


@pytest.mark.slow
@pytest.mark.parametrize("error", [None, MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_memory_that_is_too_small_is_told_with_what_fits(
    corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    config = corpus()
    memory_of(120, monkeypatch, error)
    with pytest.raises(RunError) as caught:
        Trainer(read_config(config)).run()
    message = str(caught.value)
    assert message.startswith("batches of 2 seconds do not fit into memory, about ")
    assert "would; lower batches.seconds (2) to that, and raise batches.accumulate (1)" in message
    seconds = float(message.partition("about ")[2].partition(" ")[0])
    assert 0.9 < seconds <= 1.2
    assert not (tmp_path / "run/checkpoints").exists()
    Trainer(read_config(config, [f"batches.seconds={seconds}", "optimizer.epochs=1"])).run()


def test_an_utterance_that_does_not_fit_alone_is_named(corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    config = corpus()
    memory_of(30, monkeypatch)
    with pytest.raises(
        RunError,
        match=r"the longest example, u10 \(train\.jsonl:11\) of 0\.4 seconds, does not fit into memory even alone, "
        r"about 0\.2\d* would; drop what is longer from .*train\.jsonl, or make the model smaller",
    ):
        Trainer(read_config(config)).run()


def test_another_fault_stays_what_it_is(corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    memory_of(0, monkeypatch, RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        Trainer(read_config(corpus())).run()


def test_a_recording_that_cannot_be_read_is_no_matter_of_memory(
    corpus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = corpus(optimizer__epochs=1, data__max_bad_share=0.1)
    manifest = tmp_path / "train.jsonl"
    manifest.write_text(manifest.read_text().replace("10-a.wav", "gone.wav"))
    with caplog.at_level(logging.WARNING):
        Trainer(read_config(config)).run()
    assert sum("left out" in record.getMessage() for record in caplog.records) == 1


def test_the_batch_has_the_length_that_is_asked_for(corpus) -> None:
    task = Trainer(read_config(corpus(optimizer__consistency=0.1, augment__speeds=[0.5, 1.0]))).task
    (batch,) = task.batches([[0, 7, 3]], 0)
    assert isinstance(batch, Batch)
    for size in (0.1, 2.0):
        features, lengths = task.inputs(task.resized(batch, size))
        frames = 1 + round(size / 0.5 * 100)
        assert features.shape == (6, frames, 12)
        assert lengths.tolist() == [frames] * 6
