"""The importers by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ctcasr.data.exchange.folders import read_folder, read_librispeech
from ctcasr.data.exchange.hugging_face import read_hugging_face
from ctcasr.data.exchange.kaldi import read_kaldi
from ctcasr.data.exchange.lhotse import read_lhotse
from ctcasr.data.exchange.nemo import read_nemo
from ctcasr.data.exchange.settings import ImportSettings
from ctcasr.data.exchange.tables import read_common_voice, read_csv
from ctcasr.data.exchange.webdataset import read_webdataset
from ctcasr.data.manifest import Utterance

__all__ = ["IMPORTERS", "ImportSettings"]

IMPORTERS: dict[str, Callable[[Path, ImportSettings], list[Utterance]]] = {
    "kaldi": read_kaldi,
    "librispeech": read_librispeech,
    "common-voice": read_common_voice,
    "csv": read_csv,
    "folder": read_folder,
    "nemo": read_nemo,
    "lhotse": read_lhotse,
    "hugging-face": read_hugging_face,
    "webdataset": read_webdataset,
}
"""What reads a layout: takes its file or folder, gives utterances."""
