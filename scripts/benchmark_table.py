"""The table that every benchmark prints, and its JSON form."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One comparison; a ratio above 1 says that ours is better."""

    case: str
    ours: float
    peer: str
    peer_value: float
    unit: str
    ratio: float


def arguments(description: str) -> argparse.Namespace:
    """Parse the options that benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="end within 50 s")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    return parser.parse_args()


def interleave(functions: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Time functions in turn, A B A B, after one warm-up each; return the seconds of each round.

    A machine that slows down or speeds up meanwhile then touches all of them alike.
    """
    for function in functions:
        function()
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(rounds):
        for times, function in zip(seconds, functions, strict=True):
            started = time.perf_counter()
            function()
            times.append(time.perf_counter() - started)
    return seconds


def median_ratio(ours: Sequence[float], peer: Sequence[float]) -> float:
    """Return the median over the rounds of the peer's seconds by ours."""
    ratios = sorted(theirs / own for own, theirs in zip(ours, peer, strict=True))
    return ratios[len(ratios) // 2]


def report(rows: Sequence[Row], path: Path | None) -> None:
    """Print the table; write the JSON list if a path is given."""
    print("| case | ours | peer | theirs | unit | ratio |\n|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row.case} | {row.ours:.4g} | {row.peer} | {row.peer_value:.4g} | {row.unit} | {row.ratio:.2f} |"
        )
    if path is not None:
        path.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
