"""The shape of an acoustic model."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Cell = Literal["rnn", "lstm", "gru", "clockwork", "scrn", "lstmp", "ligru"]

_OWN_SETTINGS: dict[str, Cell] = {"projection": "lstmp", "clock_modules": "clockwork", "slow_units": "scrn"}
"""Settings that one cell needs and no other has."""


class ModelSettings(BaseModel):
    """Describe the network between feature frames and symbol probabilities."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subsampling: Literal[2, 4] = Field(4, description="feature frames for one encoder frame")
    channels: int = Field(32, ge=1, le=1024, description="of the two convolutions")
    batch_norm: bool = Field(
        False, description="what the convolutions put out is normalised over the batch in training"
    )
    cell: Cell = Field("lstm", description="of the recurrent layers")
    bidirectional: bool = Field(
        True,
        description="layers read in both directions; false: forward only, which can stream frame by frame",
    )
    layers: int = Field(3, ge=1, le=16, description="recurrent layers")
    hidden: int = Field(256, ge=1, le=8192, description="cells of each direction of a layer")
    projection: int | None = Field(
        None, ge=1, le=8192, description="outputs of each direction of a layer, of lstmp: fewer than hidden"
    )
    clock_modules: int | None = Field(
        None,
        ge=2,
        le=12,
        description="parts of the hidden cells with periods of 1, 2, 4, ... frames, of clockwork",
    )
    slow_units: int | None = Field(
        None,
        ge=1,
        le=8192,
        description="units of each direction that change slowly, beside the hidden ones, of scrn",
    )
    layer_norm: bool = Field(True, description="layer normalisation behind each layer")
    residual: bool = Field(False, description="from the second layer on, the input is added to the output")
    dropout: float = Field(
        0.3, ge=0, lt=1, description="share of the inputs of a layer set to zero in training"
    )
    variational_dropout: bool = Field(
        False, description="the same inputs are set to zero in all frames of an utterance"
    )
    recurrent_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of the recurrent weights set to zero in a training step"
    )
    bptt_frames: int | None = Field(
        None,
        ge=1,
        description="windows of so many encoder frames or words through which a gradient runs back, where layers read "
        "forward only; without it to the beginning",
    )
    blank_bias: float = Field(
        0.0,
        description="of the output at the start; below zero less is blank then, which did not help on AN4",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, cell in _OWN_SETTINGS.items():
            given = getattr(self, name) is not None
            if given != (self.cell == cell):
                raise ValueError(
                    f"model.{name} is {'for' if given else 'missing: it is needed for'} model.cell = {cell!r}; "
                    f"found cell = {self.cell!r}"
                )
        if self.projection is not None and self.projection >= self.hidden:
            raise ValueError(
                f"model.projection ({self.projection}) must be less than model.hidden ({self.hidden})"
            )
        if self.clock_modules is not None and self.hidden % self.clock_modules:
            raise ValueError(
                f"model.hidden ({self.hidden}) must be a multiple of model.clock_modules ({self.clock_modules})"
            )
        if self.residual and self.layers == 1:
            raise ValueError("model.residual needs two layers or more; found model.layers = 1")
        if self.bptt_frames is not None and self.bidirectional:
            raise ValueError(
                "model.bptt_frames cuts sequences into windows that follow each other, which needs "
                "model.bidirectional = false; found true"
            )
        if self.variational_dropout and not self.dropout:
            raise ValueError("model.variational_dropout needs model.dropout above 0; found 0")
        return self

    @property
    def width(self) -> int:
        """Outputs of each direction of a layer."""
        return self.projection or self.hidden + (self.slow_units or 0)
