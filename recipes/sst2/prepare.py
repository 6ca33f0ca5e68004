"""Turn the sentences of the Stanford Sentiment Treebank with two labels (SST-2) into manifests.

    python recipes/sst2/prepare.py --source DIR [--output recipes/sst2/data]

DIR holds `stsa.binary.train`, `stsa.binary.dev` and `stsa.binary.test`: a line is 0 (negative) or 1 (positive) and the
words of a sentence. Only whole sentences are in these files, not the labelled phrases of the treebank.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ctcasr.cli.preparing import recipe_parser, write_parts
from ctcasr.data.sentences import Sentence, write_sentences
from ctcasr.errors import DataError
from ctcasr.text.lines import read_lines

LABELS = {"0": "negative", "1": "positive"}


def read_part(source: Path, part: str) -> list[Sentence]:
    """Return the sentences of a part."""
    path = source / f"stsa.binary.{part}"
    sentences = []
    for number, (where, line) in enumerate(read_lines(path), 1):
        label, *words = line.split()
        if label not in LABELS or not words:
            raise DataError(f"{where}: found {line[:40]!r}; expected 0 or 1 and a sentence")
        sentences.append(Sentence(f"{part}-{number}", tuple(words), label=LABELS[label]))
    return sentences


def main() -> int:
    """Run the command line."""
    arguments = recipe_parser(__doc__, Path(__file__).parent).parse_args()
    return write_parts(
        lambda: {part: read_part(arguments.source, part) for part in ("train", "dev", "test")},
        arguments.output,
        write_sentences,
    )


if __name__ == "__main__":
    sys.exit(main())
