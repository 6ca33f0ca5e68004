"""Kill a training over and over by SIGKILL, resume it each time, and compare it with one that nobody kills.

    OMP_NUM_THREADS=1 python scripts/kill_training.py [--kills 50] [--seed 0]

Half of the kills come at any moment, half while a checkpoint is being written. A run that ends is compared with the
uninterrupted one, and the next begins. Exits with 1 if metrics or weights differ in one bit.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np
import soundfile
import torch

from ctcasr.data import Utterance, write_manifest
from ctcasr.models import ctc_loss
from ctcasr.training.checkpoints import AVERAGED, LAST
from ctcasr.training.config_files import read_config
from ctcasr.training.loop import Trainer
from ctcasr.training.run_folder import CHECKPOINTS
from ctcasr.training.tensor_files import read_checked

RATE = 8000
MOST_SECONDS = 2.0
"""Of computing after which a process is killed, or from when on its next write is waited for."""

TIMINGS = ("seconds", "train_seconds", "waiting_seconds")
CONFIG = """
[data]
train = "train.jsonl"
dev = "dev.jsonl"
[features]
sample_rate = 8000
mel_bins = 12
[model]
subsampling = 2
channels = 4
layers = 2
hidden = 32
dropout = 0.2
recurrent_dropout = 0.1
[augment]
frequency_warp = 0.1
reverberation = 0.3
noise = 0.5
codec = 0.2
time_mask_frames = 4
frequency_mask_bins = 2
[batches]
seconds = 1.5
[optimizer]
epochs = 12
learning_rate = 0.01
consistency = 0.2
[run]
device = "cpu"
precision = "fp32"
average = 3
checkpoint_minutes = 1e-4
"""


def write_corpus(folder: Path) -> Path:
    """Write recordings in which each letter is a tone, their manifests, and a configuration; return its path."""
    rng = np.random.default_rng(0)
    utterances = []
    for number in range(24):
        text = "".join(rng.choice(list("abc"), int(rng.integers(1, 4))))
        seconds = 0.3 + 0.01 * number
        path = folder / f"{number}.wav"
        places = np.arange(round(seconds * RATE))
        tones = [np.sin(2 * np.pi * 500 * (1 + ord(letter) - ord("a")) * places / RATE) for letter in text]
        parts = [np.array_split(tone, len(text))[place] for place, tone in enumerate(tones)]
        soundfile.write(path, 0.3 * np.concatenate(parts), RATE)
        utterances.append(Utterance(f"u{number}", path, seconds, text))
    write_manifest(folder / "train.jsonl", utterances)
    write_manifest(folder / "dev.jsonl", utterances[8:14])
    config = folder / "config.toml"
    config.write_text(CONFIG, encoding="utf-8")
    return config


def warm_up() -> None:
    """Load here what each training would load anew: kernels, and what torch imports for its first optimiser."""
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
    log_probs, ones = torch.zeros(1, 4, 2).log_softmax(-1), torch.ones(1, dtype=torch.long)
    ctc_loss(log_probs, 4 * ones, ones[None], ones)


def start(config: Path, run: Path) -> int:
    """Train in a process of its own, from the last checkpoint if there is one; return its id.

    It is forked: this process has everything imported, and no thread.
    """
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with (run.parent / "log").open("a", encoding="utf-8") as log:
            os.dup2(log.fileno(), 2)
            resume = any((run / CHECKPOINTS).glob("*.safetensors"))
            Trainer(read_config(config, [f"run.folder={run}"]), resume=resume).run()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int, block: bool = False) -> bool:
    """Tell whether the process is at its end, and has ended well.

    Raises:
        RuntimeError: it has failed.
    """
    found, status = os.waitpid(child, 0 if block else os.WNOHANG)
    if found and os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"the training ended with {os.waitstatus_to_exitcode(status)}")
    return bool(found)


def kill_sometime(child: int, run: Path, rng: np.random.Generator) -> bool | None:
    """Kill a process at any moment, or while it writes; return whether it was writing, None if it ended before."""
    clock = ~child << 3 | 2  # Linux's clock of another process's computing: a busy machine changes nothing
    left_over = half_written(run)
    latest = rng.uniform(0, MOST_SECONDS)
    awaits_write = rng.random() < 0.5
    while time.clock_gettime(clock) < latest or (awaits_write and half_written(run) <= left_over):
        if ended(child):
            return None
        time.sleep(0.0003)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return not half_written(run) <= left_over


def half_written(run: Path) -> set[tuple[str, int]]:
    """Return name and time of the files of a checkpoint that are not whole; a killed process leaves some, too."""
    try:
        names = [path for path in (run / CHECKPOINTS).iterdir() if path.name.endswith(".tmp")]
        return {(path.name, path.stat().st_ino) for path in names}
    except FileNotFoundError:
        return set()


def differences(one: Path, other: Path) -> list[str]:
    """Return in what two runs differ."""
    found = []
    records = [
        [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        for run in (one, other)
    ]
    kept = [[{k: v for k, v in record.items() if k not in TIMINGS} for record in run] for run in records]
    if kept[0] != kept[1]:
        found.append("metrics.jsonl")
    for name in (LAST, AVERAGED):
        (ours, our_state), (theirs, their_state) = (
            read_checked(run / CHECKPOINTS / name) for run in (one, other)
        )
        same = ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
        if not same or our_state != their_state:
            found.append(name)
    return found


def main() -> int:
    """Kill and compare."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=50, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    kills = in_writes = runs = 0
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        config = write_corpus(Path(folder))
        warm_up()
        whole = Path(folder, "whole")
        ended(start(config, whole), block=True)
        while not runs or kills < options.kills:
            runs += 1
            broken = Path(folder, f"broken-{runs}")
            while True:
                child = start(config, broken)
                if kills == options.kills:
                    ended(child, block=True)
                    break
                is_half = kill_sometime(child, broken, rng)
                if is_half is None:
                    break
                kills, in_writes = kills + 1, in_writes + is_half
            wrong += [f"{name} of run {runs}" for name in differences(whole, broken)]
    result = f"differ: {', '.join(wrong)}" if wrong else "no difference in metrics and weights, bit for bit"
    print(
        f"{kills} kills (seed {options.seed}) in {runs} runs, {in_writes} while a checkpoint was written: {result}"
    )
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
