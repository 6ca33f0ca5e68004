"""Turn the published yesno corpus into manifests.

    python recipes/yesno/prepare.py --source DIR [--output recipes/yesno/data] [--fold 0]

DIR is the unpacked corpus (`waves_yesno/`). A recording's name is its text: `1_0_...wav` says `ken lo ...`
(Hebrew for yes and no). The sorted names are split as by Lhotse and icefall: the first, third, fifth and so
on are for training, the others are the test set. Every fifth recording for training is held out as dev, and
`--fold` says where to begin: the five folds together try a configuration on all the recordings for training.
The eight words lie between pauses: where the energy shows exactly eight, their times go into the manifest.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctcasr import audio
from ctcasr.cli.preparing import Parts, recipe_parser, write_parts
from ctcasr.data import Utterance
from ctcasr.errors import DataError

RECORDINGS, WORDS_SPOKEN = 60, 8
WORDS = {"0": "lo", "1": "ken"}
FOLDS, FOLD = 5, 2
"""Recordings 2, 7, 12, 17, 22 and 27 of the 30 for training, counted from 0, are dev if nothing else is said."""

RATE = 8000
FRAME_SECONDS = 0.02
SHORTEST_SECONDS = 0.16
"""Of a word and of a pause."""

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


def find_words(waveform: npt.NDArray[np.float32], count: int) -> tuple[tuple[float, float], ...] | None:
    """Return start and end in seconds of the words, or None where no loudness divides them from the pauses.

    Of the thresholds that leave `count` stretches of sound, the middle one is taken.
    """
    frame = round(FRAME_SECONDS * RATE)
    energy = np.square(waveform[: len(waveform) // frame * frame].reshape(-1, frame)).mean(axis=1)
    decibels = 10 * np.log10(np.convolve(energy, np.ones(5) / 5, "same") + 1e-10)
    found = [stretches(decibels > threshold) for threshold in np.arange(decibels.min(), decibels.max())]
    fitting = [words for words in found if len(words) == count]
    if not fitting:
        return None
    words = fitting[len(fitting) // 2]
    return tuple((round(a * FRAME_SECONDS, 3), round(b * FRAME_SECONDS, 3)) for a, b in words)


def stretches(is_loud: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and last + 1 of the runs of loud frames; short pauses and short runs do not count."""
    shortest = round(SHORTEST_SECONDS / FRAME_SECONDS)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], is_loud, [0]))))
    runs: list[tuple[int, int]] = []
    for start, stop in edges.reshape(-1, 2).tolist():
        if runs and start - runs[-1][1] < shortest:
            runs[-1] = (runs[-1][0], stop)
        else:
            runs.append((start, stop))
    return [(start, stop) for start, stop in runs if stop - start >= shortest]


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
        speaker="man",
        words=find_words(audio.load(recording, RATE), WORDS_SPOKEN),
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
