"""Turn AISHELL-1 into manifests.

    python recipes/aishell/prepare.py --source DIR [--output recipes/aishell/data]

DIR is `data_aishell` with `wav/train`, `wav/dev`, `wav/test` (the archives in `wav` unpacked) and `transcript`. Texts
are written without the spaces between words: the model learns characters. Recordings without a transcript, of which
the published corpus has some, are counted and left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ctcasr.cli.preparing import Parts, recipe_parser, write_parts
from ctcasr.data import Utterance
from ctcasr.data.exchange.settings import seconds_of
from ctcasr.errors import DataError
from ctcasr.text import find_normalizer
from ctcasr.text.lines import read_lines

TRANSCRIPT = "transcript/aishell_transcript_v0.8.txt"


def read_transcripts(source: Path) -> dict[str, str]:
    """Return the texts by utterance id, in lower case and without spaces beside Chinese characters."""
    normalizer = find_normalizer("cjk")
    texts = {}
    for where, line in read_lines(source / TRANSCRIPT):
        identity, *words = line.split()
        if not words:
            raise DataError(f"{where}: found {line!r}, expected `id words...`; unpack the corpus again")
        texts[identity] = normalizer(" ".join(words))
    return texts


def read_part(source: Path, part: str, texts: dict[str, str]) -> list[Utterance]:
    """Return the utterances of `train`, `dev` or `test`, each folder of which is a speaker."""
    recordings = sorted((source / "wav" / part).glob("*/*.wav"))
    if not recordings:
        raise DataError(
            f"{source / 'wav' / part}: holds no speakers with .wav files; unpack the archives in {source / 'wav'}"
        )
    untold = [path.stem for path in recordings if path.stem not in texts]
    if untold:
        print(
            f"{part}: {len(untold)} recordings have no transcript, the first is {untold[0]}", file=sys.stderr
        )
    return [
        Utterance(path.stem, path, seconds_of(path, str(path)), texts[path.stem], speaker=path.parent.name)
        for path in recordings
        if path.stem in texts
    ]


def read_parts(source: Path) -> Parts:
    """Return the utterances of train, dev and test."""
    texts = read_transcripts(source)
    return {part: read_part(source, part, texts) for part in ("train", "dev", "test")}


def main() -> int:
    """Run the command line."""
    arguments = recipe_parser(__doc__, Path(__file__).parent).parse_args()
    return write_parts(lambda: read_parts(arguments.source), arguments.output)


if __name__ == "__main__":
    sys.exit(main())
