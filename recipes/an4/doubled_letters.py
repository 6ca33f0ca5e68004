"""Count how many words of a reference are written right: those with a double letter, and the others.

    ctcasr evaluate recipes/an4/data/test.jsonl -m BUNDLE --decoder trim --hypotheses trim.txt
    python recipes/an4/doubled_letters.py recipes/an4/data/test.jsonl trim.txt

Words are right where jiwer lays the same word beside them.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from ctcasr.errors import CtcAsrError
from ctcasr.scoring import read_texts, score

DOUBLED = re.compile(r"(.)\1")


def words_right(references: dict[str, str], hypotheses: dict[str, str]) -> dict[bool, tuple[int, int]]:
    """Return the words that are right, and all, of those with a double letter (True) and of the others (False)."""
    right, total = {True: 0, False: 0}, {True: 0, False: 0}
    for utterance in score(references, hypotheses, "word").utterances:
        alignment = utterance.alignment
        for chunk in alignment.chunks:
            for word in alignment.reference[chunk.reference_start : chunk.reference_end]:
                doubled = DOUBLED.search(word) is not None
                total[doubled] += 1
                right[doubled] += chunk.kind == "equal"
    return {doubled: (right[doubled], total[doubled]) for doubled in (True, False)}


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("references", type=Path, help="manifest, or `id words` a line")
    parser.add_argument("hypotheses", type=Path, help="`id words` a line")
    options = parser.parse_args()
    try:
        found = words_right(read_texts(options.references), read_texts(options.hypotheses))
    except CtcAsrError as error:
        print(error, file=sys.stderr)
        return 1
    for doubled, (right, total) in found.items():
        share = f"{right / total:.1%}" if total else "none"
        print(f"{'with' if doubled else 'without'} a double letter: {right} of {total} right ({share})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
