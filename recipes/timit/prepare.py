"""Turn TIMIT into manifests.

    python recipes/timit/prepare.py --source DIR [--output recipes/timit/data]

DIR holds `TRAIN` and `TEST` (or `train` and `test`). The two sentences that everybody reads (SA) are left out. The test
set is the core test set of 24 speakers; the other speakers of TEST are dev, to choose on. Texts are words in letters
(.TXT), not phones (.PHN).
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

# fmt: off
CORE_TEST = frozenset({
    "mdab0", "mwbt0", "felc0", "mtas1", "mwew0", "fpas0", "mjmp0", "mlnt0", "fpkt0", "mlll0", "mtls0", "fjlm0",
    "mbpm0", "mklt0", "fnlp0", "mcmj0", "mjdh0", "fmgd0", "mgrt0", "mnjm0", "fdhc0", "mjln0", "mpam0", "fmld0",
})
# fmt: on
"""Two men and one woman of each of the eight dialects (the corpus's own documentation, testset.doc)."""


def read_folder(source: Path, name: str) -> list[Utterance]:
    """Return the utterances of `train` or `test` but for those that everybody reads."""
    folder = next(
        (source / form for form in (name.upper(), name) if (source / form).is_dir()), source / name.upper()
    )
    texts = sorted(path for path in folder.glob("*/*/*") if path.suffix.lower() == ".txt")
    if not texts:
        raise DataError(
            f"{folder}: holds no DIALECT/SPEAKER/SENTENCE.TXT; --source must be the unpacked TIMIT"
        )
    return [read_utterance(path) for path in texts if not path.stem.lower().startswith("sa")]


def read_utterance(text: Path) -> Utterance:
    """Return the utterance of a text file: `start end words...`, start and end in samples."""
    recordings = [text.with_suffix(suffix) for suffix in (".WAV", ".wav", ".flac")]
    found = next((path for path in recordings if path.is_file()), None)
    if found is None:
        raise DataError(f"{text}: has no recording beside it; unpack the corpus again")
    line = " ".join(line for _, line in read_lines(text)).split()
    if len(line) < 3 or not (line[0].isdigit() and line[1].isdigit()):
        raise DataError(
            f"{text}: found {' '.join(line)!r}, expected `start end words...`; unpack the corpus again"
        )
    speaker = text.parent.name.lower()
    return Utterance(
        id=f"{speaker}-{text.stem.lower()}",
        audio_path=found,
        duration_seconds=seconds_of(found, str(text)),
        text=find_normalizer("basic")(" ".join(line[2:])),
        speaker=speaker,
    )


def read_parts(source: Path) -> Parts:
    """Return the utterances of train, dev and test."""
    test = read_folder(source, "test")
    return {
        "train": read_folder(source, "train"),
        "dev": [utterance for utterance in test if utterance.speaker not in CORE_TEST],
        "test": [utterance for utterance in test if utterance.speaker in CORE_TEST],
    }


def main() -> int:
    """Run the command line."""
    arguments = recipe_parser(__doc__, Path(__file__).parent).parse_args()
    return write_parts(lambda: read_parts(arguments.source), arguments.output)


if __name__ == "__main__":
    sys.exit(main())
