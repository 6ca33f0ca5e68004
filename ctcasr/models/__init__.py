"""Models: recurrent encoders and the acoustic model (torch)."""

from ctcasr.models.acoustic import AcousticModel
from ctcasr.models.loss import consistency_loss, ctc_loss, frame_loss, smoothing_loss
from ctcasr.models.settings import ModelSettings

__all__ = ["AcousticModel", "ModelSettings", "consistency_loss", "ctc_loss", "frame_loss", "smoothing_loss"]
