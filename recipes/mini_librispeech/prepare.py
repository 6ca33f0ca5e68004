"""Turn mini LibriSpeech into manifests.

    python recipes/mini_librispeech/prepare.py --source DIR [--output recipes/mini_librispeech/data] [--without-test]

DIR holds `LibriSpeech/` with `train-clean-5` and `dev-clean-2`. Every eighth speaker of train-clean-5, in the order
of their numbers, is held out as dev, to choose on; dev-clean-2 is the test set. `--without-test` does without it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ctcasr.cli.preparing import Parts, recipe_parser, write_parts
from ctcasr.data import Utterance
from ctcasr.data.exchange import IMPORTERS, ImportSettings

DEV_EVERY = 8


def split_speakers(utterances: list[Utterance]) -> tuple[list[Utterance], list[Utterance]]:
    """Return the utterances of training speakers and of those that are held out."""
    speakers = sorted(
        {utterance.speaker or "" for utterance in utterances}, key=lambda name: (len(name), name)
    )
    held_out = frozenset(speakers[DEV_EVERY - 1 :: DEV_EVERY])
    train = [utterance for utterance in utterances if utterance.speaker not in held_out]
    return train, [utterance for utterance in utterances if utterance.speaker in held_out]


def read_parts(source: Path, *, without_test: bool = False) -> Parts:
    """Return the utterances of train, dev and, unless it is left out, test."""
    read, settings = IMPORTERS["librispeech"], ImportSettings(source)
    train, dev = split_speakers(read(source / "LibriSpeech" / "train-clean-5", settings))
    parts = {"train": train, "dev": dev}
    if not without_test:
        parts["test"] = read(source / "LibriSpeech" / "dev-clean-2", settings)
    return parts


def main() -> int:
    """Run the command line."""
    parser = recipe_parser(__doc__, Path(__file__).parent)
    parser.add_argument("--without-test", action="store_true", help="do without dev-clean-2")
    arguments = parser.parse_args()
    return write_parts(
        lambda: read_parts(arguments.source, without_test=arguments.without_test), arguments.output
    )


if __name__ == "__main__":
    sys.exit(main())
