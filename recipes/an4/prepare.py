"""Turn the published AN4 corpus into manifests.

    python recipes/an4/prepare.py --source DIR [--output recipes/an4/data]

DIR is the unpacked corpus (`etc/`, `wav/`). Recordings may be `.wav` and `.flac`, which are used where they
lie, or `.sph` and `.raw` (headerless, 16 kHz, 16 bits, big-endian), which are repacked losslessly as FLAC
into the output folder. Speakers of the training part listed in `DEV_SPEAKERS` are held out as dev.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import soundfile

from ctcasr import audio
from ctcasr.data import Utterance, write_manifest
from ctcasr.errors import CtcAsrError, DataError
from ctcasr.text import normalize

DEV_SPEAKERS = frozenset({"fclc", "fkdo", "ftmj", "mdcs", "mjbh", "mtje"})
"""Three women and three men, 78 utterances, chosen before anything was trained."""

PARTS = {"train": "an4_clstk", "test": "an4test_clstk"}
SUFFIXES = (".wav", ".flac", ".sph", ".raw")
RAW = audio.RawFormat(sample_rate=16000, sample_format="s16", byte_order="big")

_TRANSCRIPT = re.compile(
    r"<s>(?P<marked>.*)</s>\s*\((?P<marked_id>[^()\s]+)\)|(?P<bare>[^()]*)\((?P<bare_id>[^()\s]+)\)"
)


def read_lines(path: Path) -> list[str]:
    """Return the lines of one of the corpus's lists, empty ones too."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read as text ({error}); --source must be the unpacked AN4 corpus "
            "with its etc/ and wav/"
        ) from error
    if not any(line.strip() for line in lines):
        raise DataError(f"{path}: is empty; expected a line for each utterance; unpack the corpus again")
    return lines


def read_transcripts(path: Path) -> dict[str, str]:
    """Read Sphinx transcripts, `<s> WORDS </s> (id)` or `WORDS (id)`, as lower-case text by id."""
    transcripts = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        match = _TRANSCRIPT.fullmatch(line.strip())
        if match is None:
            raise DataError(f"{path}:{number}: found {line!r}; expected `WORDS (utterance-id)`")
        identity = match["marked_id"] or match["bare_id"]
        transcripts[identity] = normalize(match["marked"] or match["bare"] or "")
    return transcripts


def find_recording(stem: Path) -> Path:
    """Return the recording of a file id, whatever its format."""
    for suffix in SUFFIXES:
        path = stem.with_name(stem.name + suffix)
        if path.exists():
            return path
    raise DataError(
        f"{stem}: no recording with suffix {', '.join(SUFFIXES)}; is --source the unpacked corpus?"
    )


def playable(recording: Path, output: Path) -> Path:
    """Return the recording as a file that describes itself, repacking `.raw` and `.sph` as FLAC."""
    if recording.suffix in (".wav", ".flac"):
        return recording
    packed = output / "audio" / f"{recording.stem}.flac"
    if not packed.exists():
        packed.parent.mkdir(parents=True, exist_ok=True)
        raw = RAW if recording.suffix == ".raw" else None
        waveform = audio.load(recording, RAW.sample_rate, raw=raw)
        temporary = packed.with_suffix(".tmp")
        soundfile.write(temporary, waveform, RAW.sample_rate, subtype="PCM_16", format="FLAC")
        temporary.replace(packed)
    return packed


def read_part(source: Path, part: str, output: Path) -> list[Utterance]:
    """Return the utterances of `train` or `test`."""
    listing = source / "etc" / f"an4_{part}.fileids"
    file_ids = [line.strip() for line in read_lines(listing) if line.strip()]
    transcripts = read_transcripts(source / "etc" / f"an4_{part}.transcription")
    utterances = []
    for file_id in file_ids:
        stem = source / "wav" / file_id
        if stem.name not in transcripts:
            raise DataError(f"{listing}: {stem.name} has no transcript in an4_{part}.transcription")
        path = playable(find_recording(stem), output)
        utterances.append(
            Utterance(
                id=stem.name,
                audio_path=path,
                duration_seconds=audio.probe(path).duration_seconds,
                text=transcripts[stem.name],
                speaker=stem.parent.name,
            )
        )
    return utterances


def prepare(source: Path, output: Path) -> dict[str, int]:
    """Write `train.jsonl`, `dev.jsonl` and `test.jsonl`; return how many utterances each has."""
    training, test = (read_part(source, part, output) for part in PARTS)
    parts = {
        "train": [utterance for utterance in training if utterance.speaker not in DEV_SPEAKERS],
        "dev": [utterance for utterance in training if utterance.speaker in DEV_SPEAKERS],
        "test": test,
    }
    for name, utterances in parts.items():
        write_manifest(output / f"{name}.jsonl", utterances)
    return {name: len(utterances) for name, utterances in parts.items()}


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
