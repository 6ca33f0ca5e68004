"""Runtime: bundles, the recognizer, output formats. Works without torch."""

from ctcasr.runtime.bundle import (
    Bundle,
    BundleDescription,
    TrainingSummary,
    bundled_names,
    find_bundle,
    read_bundle,
)
from ctcasr.runtime.outputs import FORMATS, DistinctNames, OutputFolder
from ctcasr.runtime.recognizer import Recognizer, Transcript
from ctcasr.runtime.words import Word

__all__ = [
    "FORMATS",
    "Bundle",
    "BundleDescription",
    "DistinctNames",
    "OutputFolder",
    "Recognizer",
    "TrainingSummary",
    "Transcript",
    "Word",
    "bundled_names",
    "find_bundle",
    "read_bundle",
]
