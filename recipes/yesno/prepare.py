"""Turn the published yesno corpus into manifests.

    python recipes/yesno/prepare.py --source DIR [--output recipes/yesno/data]

DIR is the unpacked corpus (`waves_yesno/`). A recording's name is its text: `1_0_...wav` says `ken lo ...`
(Hebrew for yes and no). The sorted names are split as by Lhotse and icefall: the first, third, fifth and so
on are for training, the others are the test set. Every fifth recording for training is held out as dev.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from ctcasr import audio
from ctcasr.data import Utterance, write_manifest
from ctcasr.errors import CtcAsrError, DataError

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


def prepare(source: Path, output: Path) -> dict[str, int]:
    """Write `train.jsonl`, `dev.jsonl` and `test.jsonl`; return how many utterances each has."""
    utterances = [read_utterance(recording) for recording in find_recordings(source)]
    training, test = utterances[::2], utterances[1::2]
    dev = training[DEV_FIRST::DEV_EVERY]
    parts = {"train": [utterance for utterance in training if utterance not in dev], "dev": dev, "test": test}
    for name, part in parts.items():
        write_manifest(output / f"{name}.jsonl", part)
    return {name: len(part) for name, part in parts.items()}


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, required=True, help="the unpacked corpus")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "data", help="where manifests go"
    )
    arguments = parser.parse_args()
    try:
        counts = prepare(arguments.source, arguments.output)
    except (CtcAsrError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(", ".join(f"{name} {count}" for name, count in counts.items()), "utterances in", arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
