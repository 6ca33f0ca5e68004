"""The CTC loss against torch's, forced alignment against torchaudio's and ctc-segmentation's.

    python scripts/bench_ctc.py [--quick] [--json FILE]

The loss is timed from log-probabilities to their gradient. Utterances are synthetic, of ten seconds at 25 frames
a second and ten characters a second; "three hours" is one hour with --quick. ctc-segmentation is left out where
it is not installed. Exits with 1 if a loss or a gradient is further from float64's than 1e-5, if a path's score
differs from torchaudio's by more than 1e-3, or if the long recording's path is not the planted one.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torchaudio.functional
from benchmark_table import Row, arguments, interleave, median_ratio, report
from torch import Tensor
from torch.nn import functional

from ctcasr.ctc.aligning import align
from ctcasr.models import ctc_loss

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Case = tuple[Floats, Integers]

SHAPES = ((16, 250, 100, 29), (32, 400, 150, 29), (16, 250, 40, 1000), (16, 375, 60, 5000))
LOSS_TOLERANCE, SCORE_TOLERANCE = 1e-5, 1e-3
FRAMES_A_SECOND, CHARACTERS_A_SECOND, SYMBOLS = 25, 10, 29
LONG_FLAG = "--align-seconds"


def torch_loss(log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
    """Return what torch makes of the same arguments."""
    return functional.ctc_loss(log_probs.transpose(0, 1), targets, lengths, target_lengths, reduction="none")


def compare_losses(shape: tuple[int, int, int, int], threads: int, rounds: int) -> tuple[Row, bool]:
    """Return the row of one shape, and whether our losses and gradients are right."""
    size, frames, count, symbols = shape
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(size, frames, symbols, generator=generator)
    targets = torch.randint(1, symbols, (size, count), generator=generator)
    rest = (torch.full((size,), frames), targets, torch.full((size,), count))

    def outcome(loss: Callable[..., Tensor], leaf: Tensor) -> tuple[Tensor, Tensor]:
        leaf = leaf.clone().requires_grad_()
        losses = loss(leaf.log_softmax(-1), *rest)
        return losses.detach(), torch.autograd.grad(losses.sum(), leaf)[0]

    losses, gradient = outcome(torch_loss, logits.double())
    errors = []
    for loss in (ctc_loss, torch_loss):
        found, slope = outcome(loss, logits)
        errors.append((float((found / losses - 1).abs().max()), float((slope - gradient).abs().max())))
    log_probs = logits.log_softmax(-1).requires_grad_()

    def step(loss: Callable[..., Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(loss(log_probs, *rest).sum(), log_probs)

    times = interleave([step(ctc_loss), step(torch_loss)], rounds)
    milliseconds = [1e3 * sorted(column)[len(column) // 2] for column in times]
    name = f"loss B={size} T'={frames} U={count} V={symbols}, {threads} thread{'s' * (threads > 1)}"
    print(
        f"{name}: error of losses {errors[0][0]:.0e} (torch {errors[1][0]:.0e}), of gradients {errors[0][1]:.0e} "
        f"(torch {errors[1][1]:.0e})",
        file=sys.stderr,
    )
    row = Row(name, milliseconds[0], "torch", milliseconds[1], "ms (less is better)", median_ratio(*times))
    return row, max(errors[0]) < LOSS_TOLERANCE


def synthetic(seconds: float, seed: int) -> tuple[Case, Integers]:
    """Return log-probabilities with peaks where a transcript was planted, the transcript, and the frames."""
    rng = np.random.default_rng(seed)
    frames, count = round(seconds * FRAMES_A_SECOND), round(seconds * CHARACTERS_A_SECOND)
    targets = rng.integers(1, SYMBOLS, count)
    middles = np.arange(count) + rng.uniform(0.2, 0.8, count)
    places = (middles * (frames / count)).astype(np.int64)
    logits = rng.standard_normal((frames, SYMBOLS), np.float32)
    logits[:, 0] += 4
    logits[places, targets] += 9
    logits -= np.log(np.exp(logits).sum(1, keepdims=True))
    return (logits, targets), places


def torchaudio_score(case: Case) -> float:
    """Return the score of torchaudio's path."""
    log_probs, targets = torch.from_numpy(case[0])[None], torch.from_numpy(case[1]).int()[None]
    return float(torchaudio.functional.forced_align(log_probs, targets, blank=0)[1].double().sum())


def segmentation() -> Callable[[Case], object] | None:
    """Return ctc-segmentation's aligner, or None where it is not installed."""
    try:
        peer = importlib.import_module("ctc_segmentation")
    except ImportError:
        print("ctc-segmentation is not installed: left out (pip install ctc-segmentation)", file=sys.stderr)
        return None
    names = [chr(0x100 + symbol) for symbol in range(SYMBOLS)]
    settings = peer.CtcSegmentationParameters(char_list=names, index_duration=1 / FRAMES_A_SECOND)

    def run(case: Case) -> object:
        tokens, _ = peer.prepare_token_list(settings, [case[1]])
        return peer.ctc_segmentation(settings, case[0], tokens)

    return run


def compare_aligners(name: str, cases: list[Case], rounds: int) -> tuple[list[Row], bool]:
    """Return a row for each peer, and whether our paths' scores are torchaudio's."""
    difference = max(abs(align(*case).log_prob - torchaudio_score(case)) for case in cases)
    print(f"{name}: largest difference of a score from torchaudio's {difference:.0e}", file=sys.stderr)
    peers: dict[str, Callable[[Case], object]] = {"torchaudio forced_align": torchaudio_score}
    segment = segmentation()
    if segment is not None:
        peers["ctc-segmentation"] = segment

    def over_all(function: Callable[[Case], object]) -> Callable[[], object]:
        return lambda: [function(case) for case in cases]

    ours: Callable[[Case], object] = lambda case: align(*case)  # noqa: E731
    times = interleave([over_all(function) for function in (ours, *peers.values())], rounds)
    speeds = [len(cases) / sorted(column)[len(column) // 2] for column in times]
    rows = [
        Row(f"align {name}", speeds[0], peer, speed, "a second", median_ratio(times[0], column))
        for peer, speed, column in zip(peers, speeds[1:], times[1:], strict=True)
    ]
    return rows, difference < SCORE_TOLERANCE


def peak_megabytes() -> float:
    """Return the most memory that this process has held (Linux)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) / 1024


def align_long(seconds: float) -> int:
    """Align one long recording; print the seconds it took and the memory in MB. Return 1 if it is wrong."""
    case, places = synthetic(seconds, 0)
    align(case[0][:100], case[1][:10])  # compiles
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    before, started = peak_megabytes(), time.perf_counter()
    found = align(*case)
    took = time.perf_counter() - started
    print(took, peak_megabytes() - before)
    return int((found.start_frames == places).mean() < 0.99)


def long_rows(seconds: float) -> tuple[list[Row], bool]:
    """Return the rows of a long recording, aligned by a process of its own, and whether its path is right."""
    command = [sys.executable, __file__, LONG_FLAG, str(seconds)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        print(finished.stderr, file=sys.stderr)
        return [], False
    took, megabytes = map(float, finished.stdout.split())
    name = f"align {seconds / 3600:g} hours"
    return [
        Row(f"{name}, time", took, "real time", seconds, "s (less is better)", seconds / took),
        Row(f"{name}, memory", megabytes, "promised", 1000, "MB (less is better)", 1000 / max(1, megabytes)),
    ], True


def main() -> int:
    """Run the benchmark."""
    if len(sys.argv) == 3 and sys.argv[1] == LONG_FLAG:
        return align_long(float(sys.argv[2]))
    options = arguments(__doc__.split("\n")[0])
    rounds = 5 if options.quick else 15
    rows, right = [], []
    for threads in (1, 2):
        for shape in SHAPES[: 2 if options.quick else 4]:
            row, correct = compare_losses(shape, threads, rounds)
            rows.append(row)
            right.append(correct)
    torch.set_num_threads(1)
    utterances = [synthetic(10, seed)[0] for seed in range(20 if options.quick else 200)]
    long_case = synthetic(300 if options.quick else 600, 0)[0]
    for name, cases in (
        ("10 s utterances", utterances),
        (f"{len(long_case[0]) // 1500} minutes", [long_case]),
    ):
        more, correct = compare_aligners(name, cases, min(rounds, 5))
        rows += more
        right.append(correct)
    more, correct = long_rows(3600 if options.quick else 3 * 3600)
    report(rows + more, options.json)
    return int(not all([*right, correct]))


if __name__ == "__main__":
    sys.exit(main())
