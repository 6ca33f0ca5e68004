"""Turn mini LibriSpeech into manifests.

    python recipes/mini_librispeech/prepare.py --source DIR [--output recipes/mini_librispeech/data] [--without-test]

DIR holds `LibriSpeech/` with `train-clean-5` and `dev-clean-2`. Three speakers of train-clean-5 are held out as dev, to
choose on; dev-clean-2 is the test set. `--without-test` does without it and holds four other speakers out as test.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ctcasr.cli.preparing import Parts, recipe_parser, write_parts
from ctcasr.data import Utterance
from ctcasr.data.exchange import IMPORTERS, ImportSettings

DEV_SPEAKERS = frozenset({"1737", "3947", "8629"})
"""Two women and a man, 29 minutes."""

TEST_SPEAKERS = frozenset({"2136", "3664", "4640", "7859"})
"""Two men and two women, 36 minutes: the test where there is no dev-clean-2. Named before anything was trained."""


def spoken_by(utterances: list[Utterance], speakers: frozenset[str]) -> list[Utterance]:
    """Return the utterances of some speakers."""
    return [utterance for utterance in utterances if utterance.speaker in speakers]


def read_parts(source: Path, *, without_test: bool = False) -> Parts:
    """Return the utterances of train, dev and test."""
    read, settings = IMPORTERS["librispeech"], ImportSettings(source)
    folder = source / "LibriSpeech"
    whole = read(folder / "train-clean-5", settings)
    own = read(folder / "dev-clean-2", settings) if not without_test else None
    test = spoken_by(whole, TEST_SPEAKERS) if own is None else own
    held_out = DEV_SPEAKERS | (TEST_SPEAKERS if without_test else frozenset())
    train = [utterance for utterance in whole if utterance.speaker not in held_out]
    return {"train": train, "dev": spoken_by(whole, DEV_SPEAKERS), "test": test}


def main() -> int:
    """Run the command line."""
    parser = recipe_parser(__doc__, Path(__file__).parent)
    parser.add_argument(
        "--without-test",
        action="store_true",
        help="do without dev-clean-2: four speakers of train-clean-5 are the test",
    )
    arguments = parser.parse_args()
    return write_parts(
        lambda: read_parts(arguments.source, without_test=arguments.without_test), arguments.output
    )


if __name__ == "__main__":
    sys.exit(main())
