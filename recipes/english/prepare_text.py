"""Write the text of the language model: books and the transcripts of training, normalised, a sentence a line.

    python recipes/english/prepare_text.py books.txt.xz [--output recipes/english/data/text.txt.gz] [--times 20]

Numbers are spelled, punctuation goes. Transcripts come `--times` often, so that spelled letters, digits and commands
keep a share beside millions of words of prose. Sentences of a test or dev manifest are left out.
"""

from __future__ import annotations

import argparse
import gzip
import lzma
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ctcasr.data import read_manifest
from ctcasr.errors import CtcAsrError
from ctcasr.text import NORMALIZERS
from ctcasr.text.english_numbers import spelled_numbers

DATA = Path(__file__).parent / "data"
LONGEST_WORD = 20  # longer ones are noise: addresses, words that a scan ran together

_SENTENCE_END = re.compile(r"[.!?;:]+[\"'’”)\]]*\s+|--+|—")
_SPOKEN = re.compile(r"[a-z]+(?:'[a-z]+)*'?")


def sentences(paragraph: str) -> Iterator[str]:
    """Give the sentences of a paragraph as they are said; those with signs that nobody can say are left out."""
    for sentence in _SENTENCE_END.split(paragraph.replace("’", "'")):
        text = NORMALIZERS["basic"](spelled_numbers(sentence.lower()))
        words = [word.strip("'") for word in text.split()]
        kept = [word for word in words if word]
        if kept and all(_SPOKEN.fullmatch(word) and len(word) <= LONGEST_WORD for word in kept):
            yield " ".join(kept)


def lines(books: Path, times: int, data: Path) -> Iterator[str]:
    """Give the lines of the text."""
    held_out = {
        utterance.text
        for manifest in sorted(data.glob("*.jsonl"))
        if manifest.stem.partition("-")[0] in ("dev", "test")
        for utterance in read_manifest(manifest)
    }
    with lzma.open(books, "rt", encoding="utf-8") as paragraphs:
        for paragraph in paragraphs:
            yield from (sentence for sentence in sentences(paragraph) if sentence not in held_out)
    # Digits and single letters are said in every part alike: only sentences can be given away.
    for utterance in read_manifest(data / "train.jsonl"):
        if utterance.text not in held_out or len(utterance.text.split()) < 3:
            yield from [utterance.text] * times


def write_lines(lines: Iterable[str], path: Path) -> tuple[int, int]:
    """Write lines, gzipped, and return how many lines and words there were; the same lines make the same file."""
    count = words = 0
    with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        for line in lines:
            file.write(f"{line}\n".encode())
            count, words = count + 1, words + len(line.split())
    return count, words


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("books", type=Path, help="paragraphs of plain text, a line each, compressed with xz")
    parser.add_argument("--data", type=Path, default=DATA, help="the manifests of prepare.py")
    parser.add_argument("--output", type=Path, default=DATA / "text.txt.gz", help="where the text goes")
    parser.add_argument("--times", type=int, default=20, help="how often the transcripts come")
    arguments = parser.parse_args()
    try:
        count, words = write_lines(lines(arguments.books, arguments.times, arguments.data), arguments.output)
    except (CtcAsrError, OSError, lzma.LZMAError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{count} lines, {words} words in {arguments.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
