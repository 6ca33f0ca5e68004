"""Forced alignment against torchaudio's and ctc-segmentation's, on one thread.

    OMP_NUM_THREADS=1 python scripts/bench_align.py [--quick] [--json FILE]

Utterances are synthetic, of ten seconds at 25 frames a second and ten characters a second; one recording lasts ten
minutes (five with --quick), and one three hours (one with --quick), of which the memory beyond its log-probabilities
is measured. ctc-segmentation is left out where it is not installed. Exits with 1 if the score of an utterance's path
differs from that of torchaudio's by more than 1e-4, or if the longest recording's path is not the planted one.
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

from ctcasr.ctc.aligning import Alignment, align

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Case = tuple[Floats, Integers]

SCORE_TOLERANCE = 1e-4
FRAMES_A_SECOND, CHARACTERS_A_SECOND, SYMBOLS = 25, 10, 29
LONG_FLAG = "--align-seconds"


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


def torchaudio_path(case: Case) -> tuple[Integers, float]:
    """Return torchaudio's path, a symbol a frame, and its score."""
    log_probs, targets = torch.from_numpy(case[0])[None], torch.from_numpy(case[1]).int()[None]
    path, scores = torchaudio.functional.forced_align(log_probs, targets, blank=0)
    return path[0].numpy().astype(np.int64), float(scores.double().sum())


def path_of(found: Alignment, case: Case) -> Integers:
    """Return our path, a symbol a frame."""
    path = np.zeros(len(case[0]), np.int64)
    for symbol, start, end in zip(case[1], found.start_frames, found.end_frames, strict=True):
        path[start:end] = symbol
    return path


def differences(cases: list[Case]) -> tuple[float, float]:
    """Return the largest difference of a score from that of torchaudio's path, and the share of frames that agree."""
    largest, agreeing, frames = 0.0, 0, 0
    for case in cases:
        ours, (path, score) = align(*case), torchaudio_path(case)
        largest = max(largest, abs(ours.log_prob - score))
        agreeing += int((path_of(ours, case) == path).sum())
        frames += len(path)
    return largest, agreeing / frames


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
    difference, agreeing = differences(cases)
    print(
        f"{name}: largest difference of a score from torchaudio's {difference:.0e}, {100 * agreeing:.3f} % of the "
        "frames on the same symbol",
        file=sys.stderr,
    )
    peers: dict[str, Callable[[Case], object]] = {"torchaudio forced_align": torchaudio_path}
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
    torch.set_num_threads(1)
    utterances = [synthetic(10, seed)[0] for seed in range(20 if options.quick else 200)]
    long_case = synthetic(300 if options.quick else 600, 0)[0]
    rows, right = compare_aligners("10 s utterances", utterances, 5)
    more, _ = compare_aligners(f"{len(long_case[0]) // (60 * FRAMES_A_SECOND)} minutes", [long_case], 3)
    longest, is_planted = long_rows(3600 if options.quick else 3 * 3600)
    report([*rows, *more, *longest], options.json)
    return int(not (right and is_planted))


if __name__ == "__main__":
    sys.exit(main())
