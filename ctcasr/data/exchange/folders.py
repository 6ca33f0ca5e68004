"""Corpora that are folders: LibriSpeech, and any folder of audio with a text file beside each."""

from __future__ import annotations

from pathlib import Path

from ctcasr.audio import AUDIO_SUFFIXES
from ctcasr.data.exchange.settings import ImportSettings, add, find_audio, utterance
from ctcasr.data.manifest import Utterance
from ctcasr.errors import DataError
from ctcasr.text import normalize
from ctcasr.text.lines import read_lines

_TEXT_SUFFIXES = (".txt", ".lab")


def read_librispeech(source: Path, _: ImportSettings) -> list[Utterance]:
    """Read a part of LibriSpeech (`train-clean-100`) or all parts of a folder; texts become lower case.

    Raises:
        DataError: there is no transcript, or a line of one has no recording; names file and line.
    """
    transcripts = sorted(source.rglob("*.trans.txt"))
    if not transcripts:
        raise DataError(
            f"{source}: holds no *.trans.txt, expected an unpacked part of LibriSpeech; check the path"
        )
    found: dict[str, Utterance] = {}
    for transcript in transcripts:
        for where, line in read_lines(transcript):
            identity, *words = line.split()
            text = " ".join(words)
            path = find_audio(transcript.parent / identity)
            if path is None:
                raise DataError(f"{where}: {identity} has no recording beside it; unpack the corpus again")
            add(found, utterance(identity, path, normalize(text), where, identity.partition("-")[0]))
    return list(found.values())


def read_folder(source: Path, _: ImportSettings) -> list[Utterance]:
    """Read a folder of recordings, folders in it included, each with its text in a `.txt` or `.lab` beside it.

    The id is the path below the folder without its suffix, `-` for `/`. Lines of a text are joined.

    Raises:
        DataError: there is no recording, or one has no text.
    """
    found: dict[str, Utterance] = {}
    for path in sorted(source.rglob("*")):
        if path.suffix.lower() not in AUDIO_SUFFIXES or not path.is_file():
            continue
        texts = [path.with_suffix(suffix) for suffix in _TEXT_SUFFIXES if path.with_suffix(suffix).is_file()]
        if not texts:
            raise DataError(f"{path}: has no text beside it, expected {path.stem}.txt or .lab; add it")
        text = " ".join(line.strip() for _, line in read_lines(texts[0]))
        identity = "-".join(path.relative_to(source).with_suffix("").parts)
        add(found, utterance(identity, path, text, str(texts[0])))
    if not found:
        raise DataError(f"{source}: holds no audio file; check the path")
    return list(found.values())
