"""Data: utterances and the manifests that list them."""

from ctcasr.data.manifest import Utterance, WordTimes, read_manifest, write_manifest

__all__ = ["Utterance", "WordTimes", "read_manifest", "write_manifest"]
