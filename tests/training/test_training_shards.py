"""Training from shards: as from files, a few shards at a time, and exactly resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctcasr.data import by_shard, read_manifest, write_manifest
from ctcasr.data.shards import ShardSettings, write_shards
from ctcasr.training.config_files import read_config
from ctcasr.training.loop import Trainer
from ctcasr.training.stepping import Stepper
from tests.training.test_training_resuming import OFTEN, at_call, interrupt, train
from tests.training.test_training_trainer import assert_same_weights, metrics

SHARDS = "data.train=shards"


@pytest.fixture
def config(corpus, tmp_path: Path) -> Path:
    """Write the corpus as files and as shards, in the same order."""
    path: Path = corpus(optimizer__epochs=2, batches__seconds=0.9)
    manifest = tmp_path / "train.jsonl"
    files = {utterance.id: utterance for utterance in read_manifest(manifest)}
    shards = write_shards(list(files.values()), tmp_path / "shards", ShardSettings(megabytes=0.018))
    assert len(by_shard(shards) or []) == 3
    write_manifest(manifest, [files[utterance.id] for utterance in shards])
    return path


@pytest.mark.slow
def test_shards_train_as_files_do(config: Path, tmp_path: Path) -> None:
    train(config, "run.folder=files")
    train(config, "run.folder=mixed", SHARDS)
    assert metrics(tmp_path / "mixed") == metrics(tmp_path / "files")
    assert_same_weights(tmp_path / "mixed", tmp_path / "files")
    train(config, "run.folder=single", SHARDS, "batches.shards=1")
    losses = [metrics(tmp_path / name)[0]["train_loss"] for name in ("files", "single")]
    assert losses[0] != losses[1]


@pytest.mark.slow
def test_a_run_goes_on_in_the_middle_of_its_shards(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [SHARDS, "batches.shards=1", OFTEN]
    with monkeypatch.context() as patch:
        at_call(patch, Stepper, "step", 4, interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(config, "run.folder=broken", *options)
    trainer = Trainer(read_config(config, ["run.folder=broken", *options]), resume=True)
    assert (trainer.progress.epoch, trainer.progress.batch) == (0, 3)
    trainer.run()
    train(config, "run.folder=whole", *options)
    assert metrics(tmp_path / "broken") == metrics(tmp_path / "whole")
    assert_same_weights(tmp_path / "broken", tmp_path / "whole")
