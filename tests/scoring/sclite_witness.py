"""NIST's sclite as a witness: runs it where it is installed, and keeps what it said about examples of ours.

`python -m tests.scoring.sclite_witness` writes the golden file again (needs `sclite`, Debian's package sctk).
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

GOLDEN = Path(__file__).parent / "sclite_golden.json"

EDGE_CASES = [
    ("", ""),
    ("", "um"),
    ("", "um er ah"),
    ("a", ""),
    ("a b", ""),
    ("a", "b"),
    ("a", "a"),
    ("a", "x a y z"),
    ("hello", "hello"),
    ("Hello", "hello"),
    ("hello,", "hello"),
    ("the cat sat on the mat", "the DOG sat uh on mat"),
    ("one two three four five six seven", "two three for five x six y seven"),
    ("a b", "b a"),
    ("a a a", "a"),
]


def random_pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Make references and hypotheses of up to ten words, half of them with many chances to match."""
    source = random.Random(seed)
    letters = ["abc", "abcdefgh"]

    def text(words: str) -> str:
        return " ".join(source.choices(words, k=source.randint(0, 10)))

    return [(text(words), text(words)) for words in source.choices(letters, k=count)]


def command() -> list[str] | None:
    """Return how sclite is called here, or nothing where it is not installed."""
    if shutil.which("sclite"):
        return ["sclite"]
    return ["sctk", "sclite"] if shutil.which("sctk") else None


def run_sclite(pairs: list[tuple[str, str]]) -> list[str]:
    """Return sclite's alignment block of every pair, without its line of attributes, case kept."""
    sclite = command()
    assert sclite is not None
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(("ref.trn", "hyp.trn")):
            lines = [f"{pair[number]} (s-{index})\n" for index, pair in enumerate(pairs)]
            (Path(folder) / name).write_text("".join(lines), encoding="utf-8")
        options = [
            *("-r", "ref.trn", "trn"),
            *("-h", "hyp.trn", "trn"),
            *("-i", "rm", "-s", "-o", "pralign", "stdout"),
        ]
        done = subprocess.run(sclite + options, cwd=folder, capture_output=True, text=True, check=True)
    blocks = re.findall(r"^id: \(s-(\d+)\)\n(Scores:(?:.*\n)+?)\n", done.stdout + "\n", re.MULTILINE)
    by_number = {int(number): re.sub(r"Attributes:.*\n", "", block) for number, block in blocks}
    return [by_number[index] for index in range(len(pairs))]


def counts_of(block: str) -> tuple[int, int, int, int]:
    """Return hits, substitutions, deletions and insertions of a block."""
    match = re.match(r"Scores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)", block)
    assert match is not None
    hits, substitutions, deletions, insertions = map(int, match.groups())
    return hits, substitutions, deletions, insertions


if __name__ == "__main__":
    examples = EDGE_CASES + random_pairs(300, seed=1)
    rows = [[*pair, block] for pair, block in zip(examples, run_sclite(examples), strict=True)]
    GOLDEN.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n", encoding="utf-8")
