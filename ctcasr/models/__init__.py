"""Models: recurrent encoders and the acoustic model (torch)."""

from ctcasr.models.acoustic import AcousticModel
from ctcasr.models.loss import ctc_loss
from ctcasr.models.settings import ModelSettings

__all__ = ["AcousticModel", "ModelSettings", "ctc_loss"]
