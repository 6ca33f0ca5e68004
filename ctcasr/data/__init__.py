"""Data: utterances and the manifests that list them."""

from ctcasr.data.manifest import (
    INDEX,
    ByteSpan,
    Utterance,
    WordTimes,
    by_shard,
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
    "by_shard",
    "load_utterance",
    "parse_utterance",
    "read_manifest",
    "recording",
    "write_manifest",
]
