"""What the doctor can find, and what becomes of it when a manifest is cleaned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Remedy = Literal["drop", "mend", "keep"]
"""What cleaning does: leave the utterance out, write it correctly, or leave it to a person."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: a key of `KINDS`.
        where: `file:line`, or the file.
        message: one sentence on what was found and what to do.
        id: of the utterance, empty where the line has none.
    """

    kind: str
    where: str
    message: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding: what it is called for a reader, and what cleaning does about it."""

    title: str
    remedy: Remedy


KINDS: dict[str, Kind] = {
    "manifest-bom": Kind("byte order mark at the start of the manifest", "mend"),
    "manifest-crlf": Kind("lines that end in CRLF", "mend"),
    "manifest-line": Kind("lines that are no utterance", "drop"),
    "duplicate-id": Kind("ids that stand twice", "drop"),
    "audio-missing": Kind("audio files that do not exist", "drop"),
    "audio-unreadable": Kind("audio that cannot be read whole", "drop"),
    "audio-silent": Kind("silent audio", "drop"),
    "audio-clipped": Kind("clipped audio", "keep"),
    "audio-gap": Kind("audio that stops for half a second of exact zeros", "drop"),
    "audio-rate": Kind("audio at another sample rate", "keep"),
    "audio-short": Kind("too short audio", "drop"),
    "audio-long": Kind("too long audio", "drop"),
    "audio-duration": Kind("durations that are not those of the audio", "mend"),
    "audio-duplicate": Kind("the same audio twice", "drop"),
    "text-empty": Kind("empty texts", "drop"),
    "text-vocabulary": Kind("characters outside the vocabulary", "drop"),
    "text-unicode": Kind("texts that are not in Unicode form NFC", "mend"),
    "text-invisible": Kind("invisible characters in texts", "mend"),
    "text-spaces": Kind("superfluous white space in texts", "mend"),
    "text-duplicate": Kind("the same long text twice from one speaker", "keep"),
    "infeasible": Kind("texts that CTC cannot write in so few frames", "drop"),
    "rate-outlier": Kind("far too much or too little text for the audio", "drop"),
    "shared-audio": Kind("audio that the other manifest has as well", "drop"),
    "shared-speaker": Kind("speakers that the other manifest has as well", "drop"),
    "shared-text": Kind("long texts that the other manifest has as well", "keep"),
    "contradiction": Kind("audio that contradicts its text", "drop"),
}
"""Everything the doctor looks for, in the order in which it is told."""
