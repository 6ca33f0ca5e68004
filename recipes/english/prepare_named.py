r"""Write `train-named.jsonl`, to go on from a first model: pronunciations as it heard them, and more of AN4.

    ctcasr align recipes/english/data/train-phones.jsonl -m english -o recipes/english/data/train-heard.jsonl \
        --name-pronunciations
    python recipes/english/prepare_named.py [--data recipes/english/data] [--letters-times 3]

AN4 comes several times in an epoch, and it alone keeps the times of its words, which `augment.splice` cuts at: its
letters are spelled in an order that says nothing, where the words of a book do not come in any order.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ctcasr.data import Utterance, read_manifest, write_manifest
from ctcasr.errors import CtcAsrError, DataError

DATA = Path(__file__).parent / "data"
LETTERS = "an4-"
"""What the ids of AN4's utterances begin with."""


def weighed(utterance: Utterance, letters_times: int) -> Iterator[Utterance]:
    """Give an utterance as often as it is heard in an epoch."""
    if not utterance.id.startswith(LETTERS):
        yield replace(utterance, words=None)
        return
    yield utterance
    for time in range(1, letters_times):
        yield replace(utterance, id=f"{utterance.id}-{time}")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of `train-heard.jsonl`")
    parser.add_argument("--letters-times", type=int, default=3, help="how often AN4 is heard in an epoch")
    arguments = parser.parse_args()
    try:
        heard = read_manifest(arguments.data / "train-heard.jsonl")
        named = [twin for utterance in heard for twin in weighed(utterance, arguments.letters_times)]
        write_manifest(arguments.data / "train-named.jsonl", named)
    except (CtcAsrError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, (DataError, OSError)) else 2
    hours = sum(utterance.duration_seconds for utterance in named) / 3600
    print(f"{len(named)} utterances, {hours:.1f} hours, in {arguments.data / 'train-named.jsonl'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
