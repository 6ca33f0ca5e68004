"""Turn the published ATIS corpus into manifests of sentences.

    python recipes/atis/prepare.py --source DIR [--output recipes/atis/data]

DIR holds `train`, `dev` and `test`, each with `seq.in` (words), `seq.out` (BIO tags) and `label` (intents).
"""

from __future__ import annotations

import sys
from pathlib import Path

from ctcasr.cli.preparing import recipe_parser, write_parts
from ctcasr.data.exchange.slots import read_slot_folder
from ctcasr.data.sentences import write_sentences


def main() -> int:
    """Run the command line."""
    arguments = recipe_parser(__doc__, Path(__file__).parent).parse_args()
    return write_parts(
        lambda: {part: read_slot_folder(arguments.source / part) for part in ("train", "dev", "test")},
        arguments.output,
        write_sentences,
    )


if __name__ == "__main__":
    sys.exit(main())
