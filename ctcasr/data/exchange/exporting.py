"""The exporters by name; NeMo reads our manifests as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ctcasr.data.exchange.kaldi import write_kaldi
from ctcasr.data.exchange.lhotse import write_lhotse
from ctcasr.data.exchange.tables import write_csv
from ctcasr.data.manifest import Utterance, write_manifest

EXPORTERS: dict[str, Callable[[Path, Sequence[Utterance]], None]] = {
    "kaldi": write_kaldi,
    "csv": write_csv,
    "nemo": write_manifest,
    "lhotse": write_lhotse,
}
"""What writes a layout: takes the file or folder to write, and utterances."""
