"""Turn the published yesno corpus into manifests.

    python recipes/yesno/prepare.py --source DIR [--output recipes/yesno/data]

DIR is the unpacked corpus (`waves_yesno/`). A recording's name is its text: `1_0_...wav` says `ken lo ...`
(Hebrew for yes and no). The sorted names are split as by Lhotse and icefall: the first, third, fifth and so
on are for training, the others are the test set. Every fifth recording for training is held out as dev.
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
DEV_EVERY, DEV_FIRST = 5, 2
"""Recordings 2, 7, 12, 17, 22 and 27 of the 30 for training, counted from 0."""

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


def read_parts(source: Path) -> Parts:
    """Return the utterances of train, dev and test."""
    utterances = [read_utterance(recording) for recording in find_recordings(source)]
    training, test = utterances[::2], utterances[1::2]
    dev = training[DEV_FIRST::DEV_EVERY]
    return {"train": [utterance for utterance in training if utterance not in dev], "dev": dev, "test": test}


def main() -> int:
    """Run the command line."""
    arguments = recipe_parser(__doc__, Path(__file__).parent).parse_args()
    return write_parts(lambda: read_parts(arguments.source), arguments.output)


if __name__ == "__main__":
    sys.exit(main())
