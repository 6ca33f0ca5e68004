"""Recordings decoded once (`ctcasr data convert`), against a loop of librosa and soundfile, and what an epoch gains.

    OMP_NUM_THREADS=1 python scripts/bench_convert.py [--quick] [--json FILE]

The recordings are noise that comes and goes, as Opus of 16 kHz and MP3 of 44.1 kHz. Exits with 1 if a
converted sample is not the decoded one, rounded to 16 bits.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import librosa
import numpy as np
import soundfile
from benchmark_table import Row, arguments, interleave, median_ratio, report

from ctcasr.cli.data import convert
from ctcasr.data import Utterance, load_utterance, read_manifest, write_manifest

RATE = 16000
"""At which the recordings are wanted, in Hz."""
SECONDS = 10.0
"""Length of each recording."""
SOURCES = {
    "Opus, 16 kHz": ("opus", 16000, {"format": "OGG", "subtype": "OPUS"}),
    "MP3, 44.1 kHz": ("mp3", 44100, {"format": "MP3"}),
}


def make_recordings(folder: Path, count: int, suffix: str, rate: int, coding: dict[str, str]) -> Path:
    """Write recordings and their manifest, and return its path."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    loudness = 0.1 * (1 + np.sin(2 * np.pi * 3 * np.arange(round(SECONDS * rate)) / rate))
    utterances = []
    for number in range(count):
        path = folder / f"{number}.{suffix}"
        soundfile.write(path, loudness * generator.standard_normal(len(loudness)), rate, **coding)
        utterances.append(Utterance(str(number), path, SECONDS, "noise"))
    write_manifest(folder / "all.jsonl", utterances)
    return folder / "all.jsonl"


def read(utterances: Sequence[Utterance]) -> None:
    """Read all recordings, as an epoch does."""
    for utterance in utterances:
        load_utterance(utterance, RATE)


def convert_with_librosa(utterances: Sequence[Utterance], folder: Path) -> None:
    """Do what people do who have no such command."""
    folder.mkdir(exist_ok=True)
    for utterance in utterances:
        waveform, _ = librosa.load(utterance.audio_path, sr=RATE)
        soundfile.write(folder / f"{utterance.id}.wav", waveform, RATE, subtype="PCM_16")


def largest_difference(sources: Sequence[Utterance], copies: Sequence[Utterance]) -> float:
    """Return by how many of 32,768 steps a sample differs from the decoded one, clipped: rounding leaves a half."""
    return max(
        float(
            np.abs(load_utterance(copy, RATE) - np.clip(load_utterance(source, RATE), -1, 1 - 2**-15)).max()
        )
        * 2**15
        for source, copy in zip(sources, copies, strict=True)
    )


def measure(case: str, manifest: Path, rounds: int) -> tuple[list[Row], float]:
    """Return the rows of one kind of recordings, and the largest difference of a sample."""
    sources, own = read_manifest(manifest), manifest.with_name("converted.jsonl")
    audio_seconds = SECONDS * len(sources)

    def anew(function: Callable[[], None], folder: Path) -> Callable[[], None]:
        def run() -> None:
            shutil.rmtree(folder, ignore_errors=True)  # or ours would find its work done
            with redirect_stdout(sys.stderr):  # stdout is the table's
                function()

        return run

    peers = manifest.with_name("librosa")
    times = interleave(
        [
            anew(lambda: convert(manifest, own, RATE, 1), own.with_suffix("")),
            anew(lambda: convert(manifest, own, RATE, 2), own.with_suffix("")),
            anew(lambda: convert_with_librosa(sources, peers), peers),
        ],
        rounds,
    )
    copies = read_manifest(own)
    times += interleave([lambda: read(copies), lambda: read(sources)], rounds)
    speeds = [audio_seconds / sorted(column)[len(column) // 2] for column in times]
    rows = [
        Row(
            f"{case}: {name}",
            speeds[ours],
            peer,
            speeds[theirs],
            "x real time",
            median_ratio(times[ours], times[theirs]),
        )
        for name, ours, peer, theirs in (
            ("convert, one thread", 0, "librosa.load, soundfile.write", 2),
            ("convert, two threads", 1, "librosa.load, soundfile.write", 2),
            ("read converted", 3, "read as it is", 4),
        )
    ]
    return rows, largest_difference(sources, copies)


def main() -> int:
    """Run the benchmark."""
    options = arguments(__doc__.split("\n")[0])
    count, rounds = (4, 3) if options.quick else (30, 7)
    rows: list[Row] = []
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for case, (suffix, rate, coding) in SOURCES.items():
            manifest = make_recordings(Path(folder) / suffix, count, suffix, rate, coding)
            found, difference = measure(case, manifest, rounds)
            rows += found
            worst = max(worst, difference)
    print(f"largest difference of a converted sample: {worst:.2f} of 32,768 steps", file=sys.stderr)
    report(rows, options.json)
    return int(worst > 0.51)


if __name__ == "__main__":
    sys.exit(main())
