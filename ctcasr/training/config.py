"""The training configuration: frozen settings, each with its range and what it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ctcasr.audio.resampling import MAX_SPEED, MIN_SPEED
from ctcasr.audio.rooms import MAX_REVERBERATION_SECONDS, MIN_REVERBERATION_SECONDS
from ctcasr.decoding.topology import MAX_STATES
from ctcasr.features import FeatureSettings
from ctcasr.models.settings import ModelSettings
from ctcasr.models.token_settings import TokenSettings
from ctcasr.text import Units
from ctcasr.training.task_settings import TaskSettings, check_task

_STRICT = ConfigDict(frozen=True, extra="forbid")

Speed = Annotated[float, Field(ge=MIN_SPEED, le=MAX_SPEED)]
Ratio = Annotated[float, Field(ge=-20, le=80)]
ReverberationSeconds = Annotated[float, Field(ge=MIN_REVERBERATION_SECONDS, le=MAX_REVERBERATION_SECONDS)]
Codec = Literal["mulaw", "gsm", "opus"]


class DataSettings(BaseModel):
    """Name the manifests; paths are relative to the configuration file."""

    model_config = _STRICT

    train: Path = Field(description="manifest to train on, or folder of shards")
    dev: Path = Field(description="manifest of held-out speakers, to choose checkpoints on")
    max_bad_share: float = Field(
        0.02,
        ge=0,
        le=1,
        description="training stops if a larger share of a manifest is unreadable or infeasible",
    )


class AugmentSettings(BaseModel):
    """Choose how training utterances are varied: speed, sound, vocal tract, masks over time and frequency."""

    model_config = _STRICT

    speeds: tuple[Speed, ...] = Field(
        (0.9, 1.0, 1.1), min_length=1, description="one is drawn for each utterance; 0.5 to 2"
    )
    splice: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of utterances that are put together anew from words of their speaker; the manifest needs "
        "word times",
    )
    reverberation: float = Field(
        0.0, ge=0, le=1, description="share of utterances that sound in a room, each in one of its own"
    )
    reverberation_seconds: tuple[ReverberationSeconds, ReverberationSeconds] = Field(
        (0.2, 0.8), description="shortest and longest RT60 of the rooms"
    )
    noise: float = Field(
        0.0, ge=0, le=1, description="share of utterances with noise: white to brown, or a murmur of voices"
    )
    noise_snr_db: tuple[Ratio, Ratio] = Field(
        (5.0, 30.0), description="lowest and highest signal-to-noise ratio, of which one is drawn"
    )
    level_db: float = Field(
        0.0,
        ge=0,
        le=60,
        description="levels are changed by up to this, up or down; per-utterance normalisation hides it",
    )
    clip: float = Field(
        0.0, ge=0, le=1, description="share of utterances that are cut off at 1 to 20 dB below their peak"
    )
    band_limit: float = Field(
        0.0, ge=0, le=1, description="share of utterances that end at 4 kHz, half of them at 300 and 3400 Hz"
    )
    codec: float = Field(0.0, ge=0, le=1, description="share of utterances that go through a codec")
    codecs: tuple[Codec, ...] = Field(
        ("mulaw", "gsm"),
        min_length=1,
        description="one is drawn; opus (8 to 32 kbit/s) takes far more time: give it workers",
    )
    frequency_warp: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="frequencies are scaled by a factor drawn from 1 - this to 1 + this",
    )
    time_masks: int = Field(2, ge=0, le=100, description="drawn for each utterance")
    time_mask_multiplicity: float = Field(
        0.0,
        ge=0,
        le=0.04,
        description="more of them for each feature frame, so that long recordings are masked as much as short ones; "
        "0.01: one a second",
    )
    time_mask_frames: int = Field(40, ge=0, description="longest mask, in feature frames")
    time_mask_share: float = Field(0.15, ge=0, le=1, description="longest mask, as a share of the utterance")
    frequency_masks: int = Field(2, ge=0, le=100, description="drawn for each utterance")
    frequency_mask_bins: int = Field(20, ge=0, description="widest mask, in feature bins")
    frequency_mask_share: float = Field(0.3, ge=0, le=1, description="widest mask, as a share of the bins")

    @model_validator(mode="after")
    def _check_ranges(self) -> AugmentSettings:
        for name in ("reverberation_seconds", "noise_snr_db"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} = [{low:g}, {high:g}]; give the lower bound first")
        return self


class TextSettings(BaseModel):
    """Choose the units that the model writes."""

    model_config = _STRICT

    units: Units = Field(
        "char", description="characters of the transcripts, phones of a dictionary, or pieces of words (BPE)"
    )
    lexicon: Path | None = Field(
        None,
        description="dictionary for phones, `word phone phone ...` a line; relative to the configuration file",
    )
    pieces: int | None = Field(
        None, ge=8, le=65_536, description="how many pieces to train on the transcripts for bpe"
    )

    @model_validator(mode="after")
    def _check_units(self) -> TextSettings:
        for name, units in (("lexicon", "phone"), ("pieces", "bpe")):
            given = getattr(self, name) is not None
            if given != (self.units == units):
                raise ValueError(
                    f"text.{name} is {'for' if given else 'missing: it is needed for'} text.units = {units!r}; "
                    f"found units = {self.units!r}"
                )
        return self


class FrameSettings(BaseModel):
    """Say where the targets of frames come from, for `optimizer.objective = "frames"`."""

    model_config = _STRICT

    aligner: Path | None = Field(
        None,
        description="bundle of the same units whose alignments are the targets: a folder, or the name of one in the "
        "package",
    )
    states: int = Field(1, ge=1, le=MAX_STATES, description="of an HMM, into which each symbol is divided")


class BatchSettings(BaseModel):
    """Bound what is computed at once."""

    model_config = _STRICT

    seconds: float = Field(60.0, gt=0, description="of audio in a batch on one process, padding included")
    tokens: int = Field(600, gt=0, description="words in a batch on one process, padding included")
    workers: int = Field(
        0, ge=0, le=64, description="processes that read audio; 0 reads in the training process"
    )
    accumulate: int = Field(
        1,
        ge=1,
        le=1024,
        description="batches on one process whose gradients are added up for a step, where memory holds no larger ones",
    )
    sorted_epochs: int = Field(
        0, ge=0, description="at the start, in which the shortest recordings (or sentences) come first"
    )
    shards: int = Field(
        8,
        ge=1,
        description="that are mixed with one another at a time, where data.train is a folder of shards",
    )


class OptimizerSettings(BaseModel):
    """Set AdamW, its learning-rate schedule and the clipping of gradients."""

    model_config = _STRICT

    epochs: int = Field(80, ge=1, description="passes over the training manifest")
    learning_rate: float = Field(2e-3, gt=0, allow_inf_nan=False, description="at the top, after the warm-up")
    warmup_share: float = Field(
        0.1, ge=0, lt=1, description="share of the steps in which the rate rises linearly"
    )
    final_share: float = Field(
        0.01, ge=0, le=1, description="of the rate that is left when the cosine decay ends"
    )
    weight_decay: float = Field(
        0.01,
        ge=0,
        allow_inf_nan=False,
        description="AdamW's, on matrices; biases and norms are left alone",
    )
    clip_norm: float = Field(5.0, gt=0, description="gradients of a larger norm are scaled down to it")
    consistency: float = Field(
        0.0,
        ge=0,
        le=100,
        description="weight of the divergence between two maskings of each utterance; 0 masks it once, "
        "0.2 takes half as long again and is worth it where recordings are few",
    )
    moving_average: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="how much of itself an average of the weights keeps in a step, such as 0.999; it is scored and "
        "kept in the weights' place. 0: none",
    )
    objective: Literal["ctc", "frames"] = Field(
        "ctc",
        description="sum over all alignments (CTC), or frame-wise cross-entropy on the alignments of frames.aligner",
    )
    intermediate: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the loss that is of the symbols read behind the middle layer already, which helps the "
        "lower layers; 0 reads them behind the last one alone",
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the loss that pulls the output of every frame to uniform, against a row of peaks",
    )


class RunSettings(BaseModel):
    """Set what is not about the model: folder, seed, precision, checkpoints."""

    model_config = _STRICT

    folder: Path = Field(Path("runs/default"), description="of the run, relative to the configuration file")
    seed: int = Field(0, ge=0, lt=2**32, description="of all that is random")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="of the matrices; auto is bf16 where the processor computes it natively"
    )
    device: Literal["auto", "cpu"] = Field("auto", description="auto takes a GPU where there is one")
    checkpoint_minutes: float = Field(
        10.0, gt=0, description="between checkpoints; there is one after each epoch in any case"
    )
    average: int = Field(
        10,
        ge=1,
        le=100,
        description="best epochs whose weights are averaged at the end, or as many fewer as score better",
    )
    start_from: Path | None = Field(
        None,
        description="folder of a finished run or of a bundle, or the name of a bundle in the package, whose weights "
        "are trained on: all of them where the same units are written (its symbols are kept; not for another number "
        "of pieces), else those of the convolutions and recurrent layers",
    )


class TrainingConfig(BaseModel):
    """Everything that decides a training run."""

    model_config = _STRICT

    data: DataSettings  # each section's class says what it is for
    task: TaskSettings = TaskSettings()
    features: FeatureSettings = FeatureSettings()
    tokens: TokenSettings = TokenSettings()
    model: ModelSettings = ModelSettings()
    text: TextSettings = TextSettings()
    augment: AugmentSettings = AugmentSettings()
    frames: FrameSettings = FrameSettings()
    batches: BatchSettings = BatchSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    run: RunSettings = RunSettings()

    @model_validator(mode="after")
    def _check_objective(self) -> TrainingConfig:
        by_frames = self.optimizer.objective == "frames"
        if by_frames and self.frames.aligner is None:
            raise ValueError(
                "frames.aligner is missing: optimizer.objective = 'frames' learns from the alignments of a bundle"
            )
        if not by_frames and self.frames != FrameSettings():
            raise ValueError("the section frames is for optimizer.objective = 'frames'; found 'ctc'")
        if self.optimizer.intermediate and self.model.layers == 1:
            raise ValueError("optimizer.intermediate needs two layers or more; found model.layers = 1")
        check_task(self)
        return self
