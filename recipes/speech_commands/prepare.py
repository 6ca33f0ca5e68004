"""Turn Speech Commands (version 2) into manifests with a label for each recording.

    python recipes/speech_commands/prepare.py --source DIR [--output recipes/speech_commands/data] [--test-archive]

DIR holds a folder a word, `validation_list.txt` and `testing_list.txt`, the published split by speaker. Ten words are
labels of their own, the others are `_unknown_`, as in Warden (2018); a tenth of these is kept. With `--test-archive`
DIR is the unpacked archive of the test set instead, whose recordings are divided anew by speaker, and silence by its
samples; of recordings with the same samples all but the first are left out. Recordings that are no WAV are stored as
such in the output folder.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from ctcasr import audio
from ctcasr.audio import AUDIO_SUFFIXES
from ctcasr.cli.preparing import Parts, recipe_parser, write_parts
from ctcasr.data import Utterance
from ctcasr.data.converting import stored_as_wav
from ctcasr.data.exchange.settings import seconds_of
from ctcasr.errors import DataError
from ctcasr.text.lines import read_lines

SAMPLE_RATE = 16_000
LISTS = {"dev": "validation_list.txt", "test": "testing_list.txt"}
SILENCE, UNKNOWN = "_silence_", "_unknown_"
WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
SHARES = {"dev": 10, "test": 30}
"""Percent of the speakers of the test archive below which a part ends; the others are for training."""

UNKNOWN_PERCENT = 10
"""Of the recordings of other words that are kept: there are 25 such words."""


def find_recordings(source: Path) -> list[Path]:
    """Return the recordings of all words but the noises that are meant to be mixed in."""
    found = sorted(
        path
        for path in source.glob("*/*")
        if path.suffix.lower() in AUDIO_SUFFIXES and path.parent.name != "_background_noise_"
    )
    if not found:
        raise DataError(f"{source}: holds no folder of recordings; --source must be the unpacked corpus")
    return found


def read_utterance(path: Path) -> Utterance:
    """Return the utterance of a recording; its folder is the word, or its name begins with it (`_unknown_`)."""
    folder = path.parent.name
    word, _, rest = path.stem.partition("_") if folder == UNKNOWN else (folder, "", path.stem)
    speaker = rest.partition("_nohash_")[0] if "_nohash_" in rest else None
    label = folder if folder in (*WORDS, SILENCE) else UNKNOWN
    return Utterance(
        f"{folder.strip('_')}-{path.name.partition('.')[0]}",
        path,
        seconds_of(path, str(path)),
        "" if folder == SILENCE else word,
        speaker=speaker,
        label=label,
    )


def percentile(content: bytes) -> int:
    """Return a number from 0 to 99 that depends on nothing but the content."""
    return int(hashlib.sha256(content).hexdigest()[:8], 16) % 100


def read_parts(source: Path) -> Parts:
    """Return the utterances of train, dev and test, by the published lists."""
    listed = {name: {line.strip() for _, line in read_lines(source / file)} for name, file in LISTS.items()}
    parts: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    for path in find_recordings(source):
        relative = path.relative_to(source).as_posix()
        if path.parent.name not in WORDS and percentile(relative.encode()) >= UNKNOWN_PERCENT:
            continue
        part = next((name for name, names in listed.items() if relative in names), "train")
        parts[part].append(read_utterance(path))
    return parts


def divide(paths: Sequence[Path]) -> Parts:
    """Return the utterances of train, dev and test, each recording once and each speaker in one part."""
    parts: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    seen: set[bytes] = set()
    for path in paths:
        content = audio.load(path, SAMPLE_RATE).tobytes()
        digest = hashlib.sha256(content).digest()
        if digest in seen:
            continue
        seen.add(digest)
        utterance = read_utterance(path)
        place = percentile((utterance.speaker or "").encode() or content)
        part = next((name for name, limit in SHARES.items() if place < limit), "train")
        parts[part].append(utterance)
    return parts


def as_wav(utterance: Utterance, output: Path) -> Utterance:
    """Return the utterance with a WAV file as its recording."""
    if utterance.audio_path.suffix.lower() == ".wav":
        return utterance
    return stored_as_wav(utterance, output / "audio" / f"{utterance.id}.wav", SAMPLE_RATE)


def main() -> int:
    """Run the command line."""
    parser = recipe_parser(__doc__, Path(__file__).parent)
    parser.add_argument("--test-archive", action="store_true", help="the archive of the test set alone")
    arguments = parser.parse_args()

    def read() -> Parts:
        source = arguments.source
        parts = divide(find_recordings(source)) if arguments.test_archive else read_parts(source)
        return {name: [as_wav(utterance, arguments.output) for utterance in parts[name]] for name in parts}

    return write_parts(read, arguments.output)


if __name__ == "__main__":
    sys.exit(main())
