"""Turn Inspec, abstracts whose key terms are tagged, into manifests of sentences.

    python recipes/inspec/prepare.py --source DIR [--output recipes/inspec/data]

DIR holds `train.txt`, `valid.txt` and `test.txt`: a word, a tab and its tag (B-KEY, I-KEY, O) a line, an empty line
between two abstracts. An abstract is one sentence of the manifest.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ctcasr.cli.preparing import recipe_parser, write_parts
from ctcasr.data.sentences import Sentence, write_sentences
from ctcasr.errors import DataError

FILES = {"train": "train.txt", "dev": "valid.txt", "test": "test.txt"}


def read_part(path: Path, part: str) -> list[Sentence]:
    """Return the abstracts of a file."""
    try:
        blocks = path.read_text(encoding="utf-8").strip().split("\n\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); --source must be the folder of Inspec") from error
    sentences = []
    for number, block in enumerate(blocks, 1):
        rows = [line.split() for line in block.split("\n") if line.strip()]
        if not rows or any(len(row) != 2 for row in rows):
            raise DataError(f"{path}, abstract {number}: expected a word and its tag a line")
        words, tags = zip(*rows, strict=True)
        sentences.append(Sentence(f"{part}-{number}", words, tags))
    return sentences


def main() -> int:
    """Run the command line."""
    arguments = recipe_parser(__doc__, Path(__file__).parent).parse_args()
    return write_parts(
        lambda: {part: read_part(arguments.source / file, part) for part, file in FILES.items()},
        arguments.output,
        write_sentences,
    )


if __name__ == "__main__":
    sys.exit(main())
