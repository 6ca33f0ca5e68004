"""Peak memory of `ctcasr lm train` on growing parts of the books, and what a text of 100 million words takes.

    python scripts/measure_lm_memory.py [--order 3]

Each part is trained on in a process of its own. The memory is a constant and so many bytes for each n-gram, and the
number of n-grams is a power of the number of words; both are fitted to the parts, and carried on to 100 million words.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from bench_lm import sentences
from decode_cases import BOOKS

PARTS = 4
"""Each is half as long as the one before it."""

TARGET = 100_000_000


def train(text: Path, order: int) -> tuple[int, float]:
    """Return the number of n-grams of a text, and the peak memory of its training in bytes."""
    command = [sys.executable, "-m", "ctcasr.cli.main", "lm", "train", str(text), "--order", str(order)]
    with subprocess.Popen(
        [*command, "-o", str(text.with_suffix(".npz"))], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: failed")
    ngrams = sum(int(number.replace(",", "")) for number in re.findall(r"([\d,]+) \d+-grams", said))
    return ngrams, usage.ru_maxrss * 1024.0


def first_words(lines: Iterable[str], most: int) -> tuple[str, int]:
    """Return the first lines that have so many words together, and how many they have."""
    chosen, words = [], 0
    for line in lines:
        chosen.append(line)
        words += len(line.split())
        if words >= most:
            break
    return "".join(f"{line}\n" for line in chosen), words


def main() -> int:
    """Measure, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--order", type=int, default=3, help="of the longest n-grams")
    order = parser.parse_args().order
    if not BOOKS.is_file():
        print(f"{BOOKS}: not there; the language models are trained on it", file=sys.stderr)
        return 0
    lines = list(sentences(TARGET))
    total = sum(len(line.split()) for line in lines)
    rows = []
    print("| words | n-grams | peak memory, MB |\n|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="measure_lm_memory") as folder:
        for part in reversed(range(PARTS)):
            text, words = first_words(lines, total >> part)
            path = Path(folder) / "text.txt"
            path.write_text(text, encoding="utf-8")
            ngrams, peak = train(path, order)
            rows.append((words, ngrams, peak))
            print(f"| {words:,} | {ngrams:,} | {peak / 1e6:.0f} |", flush=True)
    counts, sizes, peaks = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    each, constant = np.polyfit(sizes, peaks, 1)
    power, factor = np.polyfit(np.log(counts), np.log(sizes), 1)
    expected = np.exp(factor + power * np.log(TARGET))
    print(
        f"{constant / 1e6:.0f} MB and {each:.0f} bytes for each n-gram; n-grams grow with the words to the power of "
        f"{power:.2f}: {TARGET:,} words have {expected / 1e6:.0f} million and take "
        f"{(constant + each * expected) / 1e9:.1f} GB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
