"""Turn Speech Commands (version 2) into manifests.

    python recipes/speech_commands/prepare.py --source DIR [--output recipes/speech_commands/data] [--test-archive]

DIR holds a folder a word, `validation_list.txt` and `testing_list.txt`, the published split by speaker. With
`--test-archive` DIR is the unpacked archive of the test set instead, with ten words, `_unknown_` and `_silence_`, and
only the test manifest is written; silence has an empty text.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ctcasr.audio import AUDIO_SUFFIXES
from ctcasr.cli.preparing import Parts, recipe_parser, write_parts
from ctcasr.data import Utterance
from ctcasr.data.exchange.settings import seconds_of
from ctcasr.errors import DataError
from ctcasr.text.lines import read_lines

LISTS = {"dev": "validation_list.txt", "test": "testing_list.txt"}
SILENCE, UNKNOWN = "_silence_", "_unknown_"


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
    text = "" if folder == SILENCE else word
    name = path.name.partition(".")[0]
    return Utterance(f"{folder.strip('_')}-{name}", path, seconds_of(path, str(path)), text, speaker=speaker)


def read_parts(source: Path) -> Parts:
    """Return the utterances of train, dev and test."""
    listed = {name: {line.strip() for _, line in read_lines(source / file)} for name, file in LISTS.items()}
    parts: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    for path in find_recordings(source):
        relative = path.relative_to(source).as_posix()
        part = next((name for name, names in listed.items() if relative in names), "train")
        parts[part].append(read_utterance(path))
    return parts


def main() -> int:
    """Run the command line."""
    parser = recipe_parser(__doc__, Path(__file__).parent)
    parser.add_argument("--test-archive", action="store_true", help="the archive of the test set alone")
    arguments = parser.parse_args()

    def read() -> Parts:
        if arguments.test_archive:
            return {"test": [read_utterance(path) for path in find_recordings(arguments.source)]}
        return read_parts(arguments.source)

    return write_parts(read, arguments.output)


if __name__ == "__main__":
    sys.exit(main())
