"""Turn the published yesno corpus into manifests.

    python recipes/yesno/prepare.py --source DIR [--output recipes/yesno/data] [--fold 0]

DIR is the unpacked corpus (`waves_yesno/`). A recording's name is its text: `1_0_...wav` says `ken lo ...`
(Hebrew for yes and no). The sorted names are split as by Lhotse and icefall: the first, third, fifth and so
on are for training, the others are the test set. Every fifth recording for training is held out as dev, and
`--fold` says where to begin: the five folds together try a configuration on all the recordings for training.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from ctcasr import audio
from ctcasr.cli.preparing import Parts, recipe_parser, write_parts
from ctcasr.data import Utterance
from ctcasr.errors import DataError

RECORDINGS = 60
WORDS = {"0": "lo", "1": "ken"}
FOLDS, FOLD = 5, 2
"""Recordings 2, 7, 12, 17, 22 and 27 of the 30 for training, counted from 0, are dev if nothing else is said."""

_NAME = re.compile(r"[01](_[01]){7}")


def find_recordings(source: Path) -> list[Path]:
    """Return the recordings in the order of their names."""
    folder = source / "waves_yesno"
    recordings = sorted(folder.glob("*.wav"))
    if len(recordings) != RECORDINGS:
        raise DataError(
            f"{folder}: holds {len(recordings)} recordings; expected {RECORDINGS}; "
            "--source must be the folder in which waves_yesno.tar.gz was unpacked"
        )
    return recordings


def read_utterance(recording: Path) -> Utterance:
    """Return the utterance of a recording; its text is its name."""
    if _NAME.fullmatch(recording.stem) is None:
        raise DataError(
            f"{recording}: the name says no text; expected eight times 0 (lo) or 1 (ken), as in 0_1_1_0_1_0_0_1.wav"
        )
    return Utterance(
        id=recording.stem,
        audio_path=recording,
        duration_seconds=audio.probe(recording).duration_seconds,
        text=" ".join(WORDS[digit] for digit in recording.stem.split("_")),
    )


def read_parts(source: Path, fold: int = FOLD) -> Parts:
    """Return the utterances of train, dev and test."""
    utterances = [read_utterance(recording) for recording in find_recordings(source)]
    training, test = utterances[::2], utterances[1::2]
    dev = training[fold::FOLDS]
    return {"train": [utterance for utterance in training if utterance not in dev], "dev": dev, "test": test}


def main() -> int:
    """Run the command line."""
    parser = recipe_parser(__doc__, Path(__file__).parent)
    parser.add_argument("--fold", type=int, choices=range(FOLDS), help="cross-validate: another part is dev")
    arguments = parser.parse_args()
    if arguments.fold is None:
        return write_parts(lambda: read_parts(arguments.source), arguments.output)
    output = arguments.output / f"fold-{arguments.fold}"
    return write_parts(lambda: read_parts(arguments.source, arguments.fold), output)


if __name__ == "__main__":
    sys.exit(main())
