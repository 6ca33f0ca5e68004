"""Turn a language of Common Voice into manifests.

    python recipes/commonvoice/prepare.py --source DIR [--output recipes/commonvoice/data] [--normalize basic]

DIR is the folder of one language, with `clips/` and `train.tsv`, `dev.tsv`, `test.tsv`, the published split, in which
no speaker is in two parts. Texts are normalised; sentences of which nothing is left are counted and left out.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from ctcasr.cli.preparing import Parts, recipe_parser, write_parts
from ctcasr.data import Utterance
from ctcasr.data.exchange import IMPORTERS, ImportSettings
from ctcasr.text import NORMALIZERS, Normalizer


def read_part(path: Path, normalizer: Normalizer) -> list[Utterance]:
    """Return the utterances of one of the lists."""
    utterances = IMPORTERS["common-voice"](path, ImportSettings(path.parent))
    normal = [replace(utterance, text=normalizer(utterance.text)) for utterance in utterances]
    kept = [utterance for utterance in normal if utterance.text]
    if len(kept) < len(normal):
        print(f"{path}: {len(normal) - len(kept)} sentences are empty once normalised", file=sys.stderr)
    return kept


def read_parts(source: Path, normalizer: Normalizer) -> Parts:
    """Return the utterances of train, dev and test."""
    return {part: read_part(source / f"{part}.tsv", normalizer) for part in ("train", "dev", "test")}


def main() -> int:
    """Run the command line."""
    parser = recipe_parser(__doc__, Path(__file__).parent)
    parser.add_argument(
        "--normalize", choices=list(NORMALIZERS), default="basic", help="what is done to the texts"
    )
    arguments = parser.parse_args()
    return write_parts(
        lambda: read_parts(arguments.source, NORMALIZERS[arguments.normalize]), arguments.output
    )


if __name__ == "__main__":
    sys.exit(main())
