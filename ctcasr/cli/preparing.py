"""The command line that every recipe's prepare.py shares."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from ctcasr.data import Utterance, write_manifest
from ctcasr.errors import CtcAsrError

Parts = Mapping[str, Sequence[Utterance]]
Listed = TypeVar("Listed")


def recipe_parser(description: str, folder: Path) -> argparse.ArgumentParser:
    """Return a parser of `--source DIR` and `--output DIR` (default: `data` in the recipe's folder)."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, required=True, help="the unpacked corpus")
    parser.add_argument("--output", type=Path, default=folder / "data", help="where manifests go")
    return parser


def write_parts(
    read_parts: Callable[[], Mapping[str, Sequence[Listed]]],
    output: Path,
    write: Callable[[Path, Sequence[Listed]], None] | None = None,
) -> int:
    """Write a manifest for each part of a corpus (`train.jsonl`, ...) and say how large each is.

    Args:
        read_parts: returns the utterances or sentences of each part.
        output: folder of the manifests.
        write: writes a manifest; by default one of utterances.

    Returns:
        The exit code: 0, or 1 after an error line on stderr.
    """
    try:
        parts = read_parts()
        for name, listed in parts.items():
            (write or write_manifest)(output / f"{name}.jsonl", listed)  # type: ignore[arg-type]  # utterances then
    except (CtcAsrError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    counts = ", ".join(f"{name} {len(listed)}" for name, listed in parts.items())
    print(f"{counts} {'utterances' if write is None else 'sentences'} in {output}")
    return 0
