"""Data: utterances and the manifests that list them."""

from ctcasr.data.manifest import Utterance, read_manifest, write_manifest

__all__ = ["Utterance", "read_manifest", "write_manifest"]
