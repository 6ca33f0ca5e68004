"""Turn the Free Spoken Digit Dataset into manifests.

    python recipes/fsdd/prepare.py --source DIR [--output recipes/fsdd/data] [--leave-out SPEAKER]

DIR is the unpacked corpus (`recordings/{digit}_{speaker}_{index}.wav`). The official test set is recordings
0 to 4 of each digit and speaker; 5 to 9 are held out as dev, the others are for training. So every speaker
of the test set is heard in training. With `--leave-out` the test set is all that one speaker said, dev is
recordings 0 to 4 of the others, and the manifests go to the folder `leave-out-SPEAKER` in the output.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from ctcasr import audio
from ctcasr.cli.preparing import Parts, recipe_parser, write_parts
from ctcasr.data import Utterance
from ctcasr.errors import DataError

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEST_INDICES = range(5)
DEV_INDICES = range(5, 10)

_NAME = re.compile(r"(?P<digit>[0-9])_(?P<speaker>[^_]+)_(?P<index>[0-9]+)")


@dataclass(frozen=True, order=True)
class Recording:
    """One recording and what its name says."""

    digit: int
    speaker: str
    index: int
    path: Path

    def utterance(self) -> Utterance:
        """Return the recording as an utterance."""
        return Utterance(
            id=self.path.stem,
            audio_path=self.path,
            duration_seconds=audio.probe(self.path).duration_seconds,
            text=WORDS[self.digit],
            speaker=self.speaker,
        )


def find_recordings(source: Path) -> list[Recording]:
    """Return the recordings, by digit, speaker and index.

    Raises:
        DataError: there are none, a name is of another form, or a recording is missing between others.
    """
    folder = source / "recordings"
    recordings = []
    for path in folder.glob("*.wav"):
        match = _NAME.fullmatch(path.stem)
        if match is None:
            raise DataError(f"{path}: expected a name like 7_jackson_32.wav (digit, speaker, index)")
        recordings.append(Recording(int(match["digit"]), match["speaker"], int(match["index"]), path))
    if not recordings:
        raise DataError(
            f"{folder}: holds no .wav files; --source must be the unpacked free-spoken-digit-dataset"
        )
    check_complete(folder, recordings)
    return sorted(recordings)


def check_complete(folder: Path, recordings: list[Recording]) -> None:
    """Check that each digit of each speaker has dev and test recordings, and none missing between others."""
    indices: dict[tuple[int, str], set[int]] = {
        (digit, recording.speaker): set() for recording in recordings for digit in range(len(WORDS))
    }
    for recording in recordings:
        indices[recording.digit, recording.speaker].add(recording.index)
    for (digit, speaker), found in sorted(indices.items()):
        missing = set(range(max({DEV_INDICES.stop} | found))) - found
        if missing:
            raise DataError(
                f"{folder}: {digit}_{speaker}_{min(missing)}.wav is missing; unpack the corpus again, "
                f"or take all recordings of {speaker} away"
            )


def split(recordings: list[Recording], leave_out: str | None) -> dict[str, list[Recording]]:
    """Return the recordings of `train`, `dev` and `test`."""
    if leave_out is None:
        test = [recording for recording in recordings if recording.index in TEST_INDICES]
        dev = [recording for recording in recordings if recording.index in DEV_INDICES]
    else:
        speakers = sorted({recording.speaker for recording in recordings})
        if leave_out not in speakers or len(speakers) < 2:
            raise DataError(
                f"--leave-out {leave_out}: expected one of several speakers; found {', '.join(speakers)}"
            )
        test = [recording for recording in recordings if recording.speaker == leave_out]
        others = [recording for recording in recordings if recording.speaker != leave_out]
        dev = [recording for recording in others if recording.index in TEST_INDICES]
    held_out = {*test, *dev}
    train = [recording for recording in recordings if recording not in held_out]
    return {"train": train, "dev": dev, "test": test}


def read_parts(source: Path, leave_out: str | None = None) -> Parts:
    """Return the utterances of train, dev and test."""
    return {
        name: [recording.utterance() for recording in recordings]
        for name, recordings in split(find_recordings(source), leave_out).items()
    }


def main() -> int:
    """Run the command line."""
    parser = recipe_parser(__doc__, Path(__file__).parent)
    parser.add_argument("--leave-out", metavar="SPEAKER", help="test on this speaker and train on the others")
    arguments = parser.parse_args()
    output = arguments.output
    if arguments.leave_out is not None:
        output = output / f"leave-out-{arguments.leave_out}"
    return write_parts(lambda: read_parts(arguments.source, arguments.leave_out), output)


if __name__ == "__main__":
    sys.exit(main())
