"""Runtime: bundles, the recognizer, output formats. Works without torch."""

from ctcasr.runtime.bundle import (
    Bundle,
    BundleDescription,
    TrainingSummary,
    bundled_names,
    find_bundle,
    read_bundle,
)
from ctcasr.runtime.long_audio import LongAudioSettings
from ctcasr.runtime.outputs import FORMATS, DistinctNames, OutputFolder
from ctcasr.runtime.recognizer import Recognizer
from ctcasr.runtime.streaming import StreamResult, StreamSettings
from ctcasr.runtime.transcript import Segment, Transcript
from ctcasr.runtime.window_cutting import WindowSettings
from ctcasr.runtime.words import Word

__all__ = [
    "FORMATS",
    "Bundle",
    "BundleDescription",
    "DistinctNames",
    "LongAudioSettings",
    "OutputFolder",
    "Recognizer",
    "Segment",
    "StreamResult",
    "StreamSettings",
    "TrainingSummary",
    "Transcript",
    "WindowSettings",
    "Word",
    "bundled_names",
    "find_bundle",
    "read_bundle",
]
