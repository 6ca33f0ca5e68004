"""Runs that stop in the middle of an epoch go on as if they had not: asked to, killed, or with full disks."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from ctcasr.errors import RunError
from ctcasr.training.checkpoints import LAST, CheckpointFolder
from ctcasr.training.config_files import read_config
from ctcasr.training.keeping import Keeper
from ctcasr.training.loop import Trainer
from ctcasr.training.monitor import EpochTotals
from ctcasr.training.run_folder import MetricsLog
from ctcasr.training.stepping import Stepper
from ctcasr.training.stopping import Stopped, StopRequest
from ctcasr.training.tensor_files import read_checked
from ctcasr.training.transcribing import TranscriptionTask
from tests.training.conftest import write_corpus
from tests.training.test_training_trainer import assert_same_weights, metrics

OFTEN = "run.checkpoint_minutes=1e-9"


def train(config: Path, *overrides: str, resume: bool = False) -> Trainer:
    trainer = Trainer(read_config(config, overrides), resume=resume)
    trainer.run()
    return trainer


def at_call(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, number: int, act: Callable[[], None]
) -> None:
    """Do something before the call of that number."""
    original, calls = getattr(owner, name), 0

    def counted(self: Any, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            act()
        return original(self, *arguments)

    monkeypatch.setattr(owner, name, counted)


def interrupt() -> None:
    raise KeyboardInterrupt


def position(run: Path) -> tuple[int, int]:
    """Return the epoch and the batch of a run's last checkpoint."""
    progress = json.loads(read_checked(run / "checkpoints" / LAST)[1])["progress"]
    return progress["epoch"], progress["batch"]


SETTINGS: dict[str, Any] = {  # more than one batch an epoch, and all that is random
    "batches__seconds": 0.9,
    "optimizer__consistency": 0.2,
    "augment__frequency_warp": 0.2,
    "augment__reverberation": 0.3,
    "augment__noise": 0.5,
    "augment__codec": 0.2,
    "model__recurrent_dropout": 0.1,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, audio_folder: Path) -> Path:
    """Return a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    train(write_corpus(folder, audio_folder, **SETTINGS))
    return folder / "run"


def assert_same(run: Path, other: Path) -> None:
    assert metrics(run) == metrics(other)
    assert_same_weights(run, other)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "name", "number", "kind", "expected"),
    [
        pytest.param(Stepper, "step", 1, signal.SIGTERM, (0, 1), id="in the first step"),
        pytest.param(Stepper, "step", 8, signal.SIGTERM, (1, 2), id="in the middle"),
        pytest.param(TranscriptionTask, "evaluate", 2, signal.SIGTERM, (1, 6), id="while it evaluates"),
        pytest.param(TranscriptionTask, "evaluate", 4, signal.SIGTERM, (3, 0), id="while it averages"),
        pytest.param(TranscriptionTask, "evaluate", 1, signal.SIGINT, (0, 6), id="Ctrl-C"),
    ],
)
def test_a_signal_stops_it_and_it_goes_on(
    corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path,
    owner: type, name: str, number: int, kind: signal.Signals, expected: tuple[int, int],
) -> None:  # fmt: skip
    config = corpus(**SETTINGS)
    before = signal.getsignal(kind)
    with monkeypatch.context() as patch:
        at_call(patch, owner, name, number, lambda: os.kill(os.getpid(), kind))
        with pytest.raises(
            Stopped, match="a checkpoint is written; go on with the same command and --resume"
        ) as caught:
            train(config)
    assert caught.value.exit_code == (0 if kind == signal.SIGTERM else 130)
    assert signal.getsignal(kind) == before
    assert position(tmp_path / "run") == expected
    torch.manual_seed(12345)  # whatever the new process has drawn
    train(config, resume=True)
    assert_same(tmp_path / "run", whole)


@pytest.mark.slow
def test_a_kill_costs_no_more_than_the_minutes_between_checkpoints(
    corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path
) -> None:
    config = corpus(**SETTINGS)
    with monkeypatch.context() as patch:
        at_call(patch, Stepper, "step", 9, interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(config, OFTEN)
    assert position(tmp_path / "run") == (1, 2)
    steps: list[int] = []
    with monkeypatch.context() as patch:
        at_call(patch, Stepper, "step", -1, interrupt)
        original = Stepper.step
        patch.setattr(Stepper, "step", lambda self, *given: (steps.append(given[1]), original(self, *given)))
        train(config, OFTEN, resume=True)
    assert steps == list(range(8, 18))
    assert_same(tmp_path / "run", whole)  # which has checkpoints after its epochs alone


@pytest.mark.slow
@pytest.mark.parametrize(("minutes", "times"), [(10, 3), (1e-9, 3 + 18)])
def test_the_minutes_between_checkpoints_are_kept(
    corpus, monkeypatch: pytest.MonkeyPatch, minutes: float, times: int
) -> None:
    saved: list[int] = []
    original = CheckpointFolder.save_last
    monkeypatch.setattr(
        CheckpointFolder,
        "save_last",
        lambda self, progress, *rest: (saved.append(1), original(self, progress, *rest)),
    )
    train(corpus(**SETTINGS), f"run.checkpoint_minutes={minutes}")
    assert len(saved) == times


@pytest.mark.slow
def test_an_epoch_whose_batches_have_changed_begins_anew(
    corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = corpus(**SETTINGS)
    with monkeypatch.context() as patch:
        at_call(patch, Stepper, "step", 9, interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(config, OFTEN)
    train(config, "batches.seconds=0.6", resume=True)
    assert "epoch 2 begins anew: its batches are others than before" in caplog.text
    assert [record["epoch"] for record in metrics(tmp_path / "run")] == [1, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("owner", [CheckpointFolder, MetricsLog, TranscriptionTask])
def test_a_full_disk_is_one_sentence_and_nothing_is_lost(
    corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path, owner: type
) -> None:
    config = corpus(**SETTINGS)
    name = {CheckpointFolder: "save_last", MetricsLog: "write", TranscriptionTask: "evaluate"}[owner]

    def fill() -> None:
        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(os, "fsync", full)

    with monkeypatch.context() as patch:
        at_call(patch, owner, name, 2, fill)
        with pytest.raises(RunError, match=r"written \(No space left on device\); .* go on with --resume"):
            train(config)
    assert position(tmp_path / "run") == (1, 0)
    train(config, resume=True)
    assert_same(tmp_path / "run", whole)


@pytest.mark.slow
def test_batches_that_are_added_up_are_one(corpus, tmp_path: Path) -> None:
    plain = {
        "model__dropout": 0.0,
        "augment__speeds": [1.0],
        "augment__time_masks": 0,
        "augment__frequency_masks": 0,
    }
    config = corpus(optimizer__epochs=2, **plain)
    runs = {
        "one": ["batches.seconds=1.65"],
        "two": ["batches.seconds=0.825", "batches.accumulate=2"],
        "half": ["batches.seconds=0.825"],
    }
    for name, overrides in runs.items():
        train(config, f"run.folder={name}", *overrides)
    one, two, half = (metrics(tmp_path / name) for name in runs)
    assert [record["steps"] for record in two] == [3, 6]
    assert half[1]["steps"] > 6
    for single, double in zip(one, two, strict=True):
        assert double == pytest.approx(single, rel=1e-4)


def test_a_request_may_come_twice_and_a_second_ctrl_c_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before, now = signal.getsignal(signal.SIGTERM), [0.0]
    monkeypatch.setattr("ctcasr.training.stopping.time.monotonic", lambda: now[0])
    with StopRequest() as stop:
        assert not stop.wanted
        os.kill(os.getpid(), signal.SIGINT)
        for kind in (signal.SIGINT, signal.SIGTERM):  # as torchrun passes on what the group got as well
            os.kill(os.getpid(), kind)
        assert stop.wanted
        now[0] = 2.0
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped) as caught, stop.at_once():
            pytest.fail("reached")
        assert caught.value.exit_code == 130
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == before


def stopped_group(command: list[str], run: Path) -> tuple[int, str]:
    """Start a training, ask its whole group to stop after an epoch; return its exit code and what it said."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            while not list(run.glob("checkpoints/last*")) and process.poll() is None:
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGTERM)
            said = process.communicate(timeout=100)[1]
        finally:
            process.kill()
    return process.returncode, said


@pytest.mark.minutes
def test_two_processes_stop_at_the_same_step(corpus, tmp_path: Path) -> None:
    config = corpus(optimizer__epochs=10_000)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    _, said = stopped_group([*launch, "-m", "ctcasr.cli.main", "train", str(config)], tmp_path / "run")
    assert said.count("run: stopped, and a checkpoint is written") == 1, said
    states = json.loads(read_checked(tmp_path / "run/checkpoints" / LAST)[1])["totals"]
    assert len(states) == 2
    assert len(states[0]["norms"]) == len(states[1]["norms"]) == position(tmp_path / "run")[1]


@pytest.mark.slow
def test_a_group_is_asked_to_stop_with_its_workers(corpus, tmp_path: Path) -> None:
    config = corpus(optimizer__epochs=10_000, batches__workers=1)
    code, said = stopped_group(
        [sys.executable, "-m", "ctcasr.cli.main", "train", str(config)], tmp_path / "run"
    )
    assert code == 0, said
    assert said.endswith(
        "run: stopped, and a checkpoint is written; go on with the same command and --resume\n"
    )
    assert "Traceback" not in said
    position(tmp_path / "run")


def test_the_keeper_counts_from_its_last_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    now, saved = [0.0], []
    monkeypatch.setattr("ctcasr.training.keeping.time.monotonic", lambda: now[0])
    keeper = Keeper(
        Accelerator(cpu=True), 2.0, StopRequest(), lambda states: saved.append((now[0], len(states)))
    )
    for second in range(0, 600, 50):
        now[0] = float(second)
        if second == 200:
            keeper.save()
        keeper.after_step(EpochTotals())
    assert saved == [(150.0, 1), (200.0, 0), (350.0, 1), (500.0, 1)]


@pytest.mark.minutes
def test_kills_at_random_moments_change_nothing() -> None:
    script = Path(__file__).parents[2] / "scripts/kill_training.py"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(script.parents[1])}
    command = [sys.executable, str(script), "--kills", "12", "--seed", "1"]
    finished = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    print(finished.stdout)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "12 kills (seed 1)" in finished.stdout
