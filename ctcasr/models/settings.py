"""The shape of an acoustic model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ModelSettings(BaseModel):
    """Describe the network between feature frames and symbol probabilities."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subsampling: Literal[2, 4] = Field(4, description="feature frames for one encoder frame")
    channels: int = Field(32, ge=1, le=1024, description="of the two convolutions")
    layers: int = Field(3, ge=1, le=16, description="bidirectional LSTM layers")
    hidden: int = Field(256, ge=1, le=8192, description="cells of each direction of a layer")
    dropout: float = Field(
        0.3, ge=0, lt=1, description="share of the inputs of a layer set to zero in training"
    )
    recurrent_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of the recurrent weights set to zero in a training step"
    )
    blank_bias: float = Field(
        0.0,
        description="of the output at the start; below zero shortens the phase in which all output is blank",
    )
