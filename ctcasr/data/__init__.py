"""Data: utterances and the manifests that list them."""

from ctcasr.data.manifest import (
    INDEX,
    ByteSpan,
    Utterance,
    WordTimes,
    parse_utterance,
    read_manifest,
    write_manifest,
)
from ctcasr.data.recordings import load_utterance, recording

__all__ = [
    "INDEX",
    "ByteSpan",
    "Utterance",
    "WordTimes",
    "load_utterance",
    "parse_utterance",
    "read_manifest",
    "recording",
    "write_manifest",
]
