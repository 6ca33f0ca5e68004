"""Data: utterances and the manifests that list them."""

from ctcasr.data.manifest import Utterance, WordTimes, parse_utterance, read_manifest, write_manifest

__all__ = ["Utterance", "WordTimes", "parse_utterance", "read_manifest", "write_manifest"]
