"""Turn the published AN4 corpus into manifests.

    python recipes/an4/prepare.py --source DIR [--output recipes/an4/data] [--dictionary cmudict.dict]

DIR is the unpacked corpus (`etc/`, `wav/`). Recordings may be `.wav` and `.flac`, which are used where they
lie, or `.sph` and `.raw` (headerless, 16 kHz, 16 bits, big-endian), which are repacked losslessly as FLAC
into the output folder. Speakers of the training part listed in `DEV_SPEAKERS` are held out as dev.

Training utterances get the times of their words from `word_times.tsv`, which `augment.splice` cuts at; README.md
says how they were found.

The pronunciations of the corpus's words go to `lexicon.txt` in the output folder: those of its own dictionary
(`etc/an4.dic`, which not every copy has), or of another one in CMU's form.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

import soundfile

from ctcasr import audio
from ctcasr.cli.preparing import Parts, recipe_parser, write_parts
from ctcasr.data import Utterance, WordTimes
from ctcasr.errors import DataError
from ctcasr.text import Pronunciations, normalize

DEV_SPEAKERS = frozenset({"fclc", "fkdo", "ftmj", "mdcs", "mjbh", "mtje"})
"""Three women and three men, 78 utterances, chosen before anything was trained."""

PARTS = {"train": "an4_clstk", "test": "an4test_clstk"}
SUFFIXES = (".wav", ".flac", ".sph", ".raw")
WORD_TIMES = Path(__file__).parent / "word_times.tsv"
DICTIONARY = Path("etc") / "an4.dic"
LEXICON = "lexicon.txt"
USUAL = {"a": "EY"}
"""Where dictionaries put another pronunciation first: here letters are spelled, and `a` is hardly ever the article."""
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


def read_word_times(path: Path) -> dict[str, WordTimes]:
    """Read the times of words by utterance id: `id TAB start end start end ...` in seconds, a line each."""
    times = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        identity, _, text = line.partition("\t")
        try:
            seconds = [float(part) for part in text.split()]
            times[identity] = tuple(zip(seconds[::2], seconds[1::2], strict=True))
        except ValueError as error:
            raise DataError(f"{path}:{number}: found {line!r}; expected `id TAB start end ...`") from error
    return times


def read_part(source: Path, part: str, output: Path) -> list[Utterance]:
    """Return the utterances of `train` or `test`."""
    listing = source / "etc" / f"an4_{part}.fileids"
    file_ids = [line.strip() for line in read_lines(listing) if line.strip()]
    transcripts = read_transcripts(source / "etc" / f"an4_{part}.transcription")
    word_times = read_word_times(WORD_TIMES)
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
                words=word_times.get(stem.name),
            )
        )
    return utterances


def read_lexicon(source: Path, dictionary: Path | None, texts: Iterable[str]) -> Pronunciations | None:
    """Return the pronunciations of the corpus's words, in lower case, without marks of stress.

    Args:
        source: the corpus, whose own dictionary, if it is there, lists the words.
        dictionary: to take the pronunciations from; by default the corpus's own.
        texts: of the training part, whose words are listed where the corpus has no dictionary.

    Returns:
        None where there is no dictionary at all.

    Raises:
        DataError: a dictionary cannot be read, or lacks a word.
    """
    found = [
        _lower(Pronunciations.read(path))
        for path in (source / DICTIONARY, dictionary)
        if path and path.exists()
    ]
    if dictionary is not None and not dictionary.exists():
        raise DataError(f"{dictionary}: is not there; name a dictionary, or leave out --dictionary")
    if not found:
        return None
    own = (source / DICTIONARY).exists()
    words = found[0].by_word if own else sorted({word for text in texts for word in text.split()})
    by_word = found[-1].of_words(words).without_stress().by_word
    return Pronunciations(
        {
            word: tuple(sorted(variants, key=lambda phones: phones != (USUAL.get(word),)))
            for word, variants in by_word.items()
        }
    )


def _lower(dictionary: Pronunciations) -> Pronunciations:
    return Pronunciations({normalize(word): variants for word, variants in dictionary.by_word.items()})


def read_parts(source: Path, output: Path) -> Parts:
    """Return the utterances of train, dev and test; recordings to be repacked go to the output folder."""
    training, test = (read_part(source, part, output) for part in PARTS)
    return {
        "train": [utterance for utterance in training if utterance.speaker not in DEV_SPEAKERS],
        "dev": [utterance for utterance in training if utterance.speaker in DEV_SPEAKERS],
        "test": test,
    }


def main() -> int:
    """Run the command line."""
    parser = recipe_parser(__doc__, Path(__file__).parent)
    parser.add_argument("--dictionary", type=Path, help="pronunciations; default: the corpus's own")
    arguments = parser.parse_args()

    def parts() -> Parts:
        found = read_parts(arguments.source, arguments.output)
        texts = [utterance.text for utterance in found["train"]]
        lexicon = read_lexicon(arguments.source, arguments.dictionary, texts)
        if lexicon is None:
            print(f"{arguments.source / DICTIONARY} is not there: no {LEXICON}", file=sys.stderr)
        else:
            arguments.output.mkdir(parents=True, exist_ok=True)
            lexicon.write(arguments.output / LEXICON)
        return found

    return write_parts(parts, arguments.output)


if __name__ == "__main__":
    sys.exit(main())
