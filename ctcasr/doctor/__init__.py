"""The data doctor: everything that can be wrong with a manifest, its audio and its texts, found before training."""

from ctcasr.doctor.examining import Diagnosis, DoctorSettings, ModelFrames, examine
from ctcasr.doctor.findings import KINDS, Finding

__all__ = ["KINDS", "Diagnosis", "DoctorSettings", "Finding", "ModelFrames", "examine"]
