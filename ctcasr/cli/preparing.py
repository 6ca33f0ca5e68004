"""The command line that every recipe's prepare.py shares."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ctcasr.data import Utterance, write_manifest
from ctcasr.errors import CtcAsrError

Parts = Mapping[str, Sequence[Utterance]]


def recipe_parser(description: str, folder: Path) -> argparse.ArgumentParser:
    """Return a parser of `--source DIR` and `--output DIR` (default: `data` in the recipe's folder)."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, required=True, help="the unpacked corpus")
    parser.add_argument("--output", type=Path, default=folder / "data", help="where manifests go")
    return parser


def write_parts(read_parts: Callable[[], Parts], output: Path) -> int:
    """Write a manifest for each part of a corpus (`train.jsonl`, ...) and say how large each is.

    Returns:
        The exit code: 0, or 1 after an error line on stderr.
    """
    try:
        parts = read_parts()
        for name, utterances in parts.items():
            write_manifest(output / f"{name}.jsonl", utterances)
    except (CtcAsrError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    counts = ", ".join(f"{name} {len(utterances)}" for name, utterances in parts.items())
    print(f"{counts} utterances in {output}")
    return 0
