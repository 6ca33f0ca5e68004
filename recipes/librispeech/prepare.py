"""Turn LibriSpeech into manifests.

    python recipes/librispeech/prepare.py --source DIR [--output recipes/librispeech/data] [--hours 100|960]

DIR holds `LibriSpeech/` with its parts. 100 hours are train-clean-100; 960 are train-clean-100, train-clean-360 and
train-other-500. The other manifests are dev (dev-clean), dev-other, test (test-clean) and test-other.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ctcasr.cli.preparing import Parts, recipe_parser, write_parts
from ctcasr.data.exchange import IMPORTERS, ImportSettings

TRAINING = {
    "100": ("train-clean-100",),
    "960": ("train-clean-100", "train-clean-360", "train-other-500"),
}
HELD_OUT = {"dev": "dev-clean", "dev-other": "dev-other", "test": "test-clean", "test-other": "test-other"}


def read_parts(source: Path, hours: str) -> Parts:
    """Return the utterances of train and of the four held-out parts."""
    read, settings = IMPORTERS["librispeech"], ImportSettings(source)
    folder = source / "LibriSpeech"
    train = [utterance for part in TRAINING[hours] for utterance in read(folder / part, settings)]
    return {"train": train} | {name: read(folder / part, settings) for name, part in HELD_OUT.items()}


def main() -> int:
    """Run the command line."""
    parser = recipe_parser(__doc__, Path(__file__).parent)
    parser.add_argument("--hours", choices=sorted(TRAINING), default="100", help="of training speech")
    arguments = parser.parse_args()
    return write_parts(lambda: read_parts(arguments.source, arguments.hours), arguments.output)


if __name__ == "__main__":
    sys.exit(main())
