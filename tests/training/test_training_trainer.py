"""The whole training on a corpus of tones: it learns, resumes exactly, and runs on two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from ctcasr.data import Utterance
from ctcasr.errors import ConfigError
from ctcasr.text import Vocabulary
from ctcasr.training.checkpoints import CheckpointFolder
from ctcasr.training.config_files import read_config
from ctcasr.training.loop import Trainer
from ctcasr.training.stepping import Stepper
from ctcasr.training.tensor_files import read_checked, read_tensors
from ctcasr.training.transcribing import TranscriptionTask

TIMINGS = ("seconds", "train_seconds", "waiting_seconds")


def metrics(folder: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if key not in TIMINGS} for record in records]


def train(config: Path, *overrides: str, resume: bool = False) -> None:
    Trainer(read_config(config, overrides), resume=resume).run()


def assert_same_weights(one: Path, other: Path) -> None:
    """Compare averages and last states, bit for bit."""
    for name in ("averaged.safetensors", "last.safetensors"):
        (ours, our_state), (theirs, their_state) = (
            read_checked(run / "checkpoints" / name) for run in (one, other)
        )
        assert our_state == their_state
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.slow
def test_a_run_learns_and_leaves_its_folder(corpus, tmp_path: Path) -> None:
    config = corpus(
        optimizer__epochs=40, batches__seconds=0.8, model__dropout=0.0, augment__frequency_masks=0
    )
    trainer = Trainer(read_config(config))
    evaluation = trainer.run()
    folder = tmp_path / "run"
    records = metrics(folder)
    assert [record["epoch"] for record in records] == list(range(1, 41))
    assert records[-1]["train_loss"] < 0.1 * records[0]["train_loss"]
    assert records[-1]["dev_loss"] < 0.1 * records[0]["dev_loss"]
    assert evaluation.scores["cer"] < 0.2  # the tones are learned
    assert records[-1]["steps"] == trainer.progress.step
    assert records[0]["left_out"] == 0
    assert all(record["audio_seconds"] == pytest.approx(12 * 0.35, abs=0.01) for record in records)
    assert Vocabulary.read(folder / "tokens.txt").symbols == ("<blank>", "a", "b", "c")
    assert read_config(folder / "config.toml").model == trainer.config.model
    assert list((folder / "events").iterdir())
    kept = sorted(path.name for path in (folder / "checkpoints").iterdir())
    epochs = sorted(epoch for _, _, epoch in trainer.progress.best)
    assert len(epochs) == 2
    named = {f"epoch-{epoch:04d}.safetensors" for epoch in epochs}
    assert named | {"averaged.safetensors", "last.safetensors", "previous.safetensors"} <= set(kept)
    assert len(kept) <= 6, "one more at most, which only the state before names"
    averaged = read_tensors(folder / "checkpoints/averaged.safetensors")
    assert all(torch.equal(tensor, averaged[name]) for name, tensor in trainer.network.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("killed_in", "options"),
    [
        ("train", {}),
        ("evaluate", {}),
        ("save", {}),
        ("train", {"optimizer__consistency": 0.2, "augment__frequency_warp": 0.2}),
        ("train", {"optimizer__moving_average": 0.9, "optimizer__intermediate": 0.3, "model__layers": 2}),
        ("train", {"optimizer__moving_average": 0.9, "model__batch_norm": True}),
    ],
)
def test_resuming_is_exact(
    corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_in: str, options: dict[str, float]
) -> None:
    config = corpus(**options)
    train(config, "run.folder=whole")
    owner, name = {
        "train": (Stepper, "step"),
        "evaluate": (TranscriptionTask, "evaluate"),
        "save": (CheckpointFolder, "save_last"),
    }[killed_in]
    original = getattr(owner, name)
    calls = 0

    def killing(self, *args):
        nonlocal calls
        calls += 1
        if calls == {"train": 5, "evaluate": 2, "save": 2}[killed_in]:
            raise KeyboardInterrupt
        return original(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killing)
        with pytest.raises(KeyboardInterrupt):
            train(config, "run.folder=broken")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    with (broken / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2, "ste')  # a record cut off by the kill
    torch.manual_seed(12345)  # whatever the new process has drawn
    train(config, "run.folder=broken", resume=True)
    assert metrics(broken) == metrics(whole)
    assert_same_weights(broken, whole)


def test_a_seed_decides_the_run(corpus, tmp_path: Path) -> None:
    config = corpus(optimizer__epochs=1)
    for name, overrides in {"a": [], "b": [], "c": ["run.seed=1"]}.items():
        train(config, f"run.folder={name}", *overrides)
    assert metrics(tmp_path / "a") == metrics(tmp_path / "b")
    assert metrics(tmp_path / "a")[0]["train_loss"] != metrics(tmp_path / "c")[0]["train_loss"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "option", ["optimizer.consistency", "optimizer.label_smoothing", "augment.frequency_warp"]
)
def test_an_option_changes_the_run_and_the_seed_decides_it(corpus, tmp_path: Path, option: str) -> None:
    config = corpus(optimizer__epochs=1)
    for name, value in {"without": "0", "a": "0.2", "b": "0.2", "more": "0.4"}.items():
        train(config, f"run.folder={name}", f"{option}={value}")
    records = {name: metrics(tmp_path / name)[0] for name in ("without", "a", "b", "more")}
    assert records["a"] == records["b"]
    for key in ("train_loss", "dev_loss"):
        assert len({records[name][key] for name in ("without", "a", "more")}) == 3


@pytest.mark.slow
def test_workers_change_nothing(corpus, tmp_path: Path) -> None:
    config = corpus(optimizer__epochs=1, optimizer__consistency=0.2, augment__frequency_warp=0.2)
    train(config, "run.folder=a")
    train(config, "run.folder=b", "batches.workers=1")
    assert metrics(tmp_path / "a") == metrics(tmp_path / "b")


def test_an_existing_run_is_not_overwritten(corpus, tmp_path: Path) -> None:
    config = corpus(optimizer__epochs=1)
    train(config)
    before = metrics(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"run: holds a run already; go on with --resume"):
        train(config)
    train(config, resume=True)  # finished: only the average is made again
    assert metrics(tmp_path / "run") == before


def test_nothing_to_resume_is_refused(corpus) -> None:
    with pytest.raises(ConfigError, match="holds no checkpoint to resume from"):
        train(corpus(), resume=True)


def test_resuming_with_other_characters_or_another_model_is_refused(corpus, tmp_path: Path) -> None:
    config = corpus(optimizer__epochs=1)
    train(config)
    with pytest.raises(ConfigError, match="do not fit the model of this configuration"):
        train(config, "model.hidden=8", resume=True)
    manifest = tmp_path / "train.jsonl"
    manifest.write_text(manifest.read_text().replace('"text": "cc"', '"text": "cd"'))
    with pytest.raises(ConfigError, match=r"tokens\.txt: differs from the symbols"):
        train(config, resume=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ["features.normalization=global", "features.kind=mfcc", "features.cepstra=8", "features.deltas=2"],
        ["run.precision=bf16"],
        ["model.subsampling=4", "model.layers=2", "batches.seconds=0.1"],
    ],
)
def test_other_settings_train(corpus, tmp_path: Path, overrides: list[str]) -> None:
    train(corpus(optimizer__epochs=1), *overrides)
    (record,) = metrics(tmp_path / "run")
    assert 0 < record["train_loss"] < 20
    assert (tmp_path / "run/statistics.json").exists() == ("features.normalization=global" in overrides)


SCRIPT = """
import sys
from pathlib import Path
from ctcasr.training.config_files import read_config
from ctcasr.training.loop import Trainer

if __name__ == "__main__":
    Trainer(read_config(Path(sys.argv[1]), sys.argv[2:])).run()
"""


@pytest.mark.slow
def test_two_processes_train_as_one(corpus, tmp_path: Path, audio_folder: Path) -> None:
    config = corpus(
        extra=(
            Utterance("odd", audio_folder / "00-ab.wav", 0.3, "ab"),
        ),  # alone in a batch: one process has none
        optimizer__epochs=2,
        model__dropout=0.0,
        augment__speeds=[1.0],
        augment__time_masks=0,
        augment__frequency_masks=0,
    )
    train(config, "run.folder=one", "batches.seconds=0.825", "batches.accumulate=2")
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    finished = subprocess.run(
        [*launch, str(script), str(config), "run.folder=two", "batches.seconds=0.825", "run.device=auto"],
        env=os.environ
        | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2]), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    one, two = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    assert [record["steps"] for record in two] == [4, 8]
    for single, double in zip(one, two, strict=True):
        assert double == pytest.approx(single, rel=1e-4)
    assert len(list((tmp_path / "two/events").iterdir())) == 1
    assert (tmp_path / "two/checkpoints/averaged.safetensors").exists()
