"""Which task a configuration describes, and which of its sections that task does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from ctcasr.models.heads import Pooling

if TYPE_CHECKING:
    from ctcasr.training.config import TrainingConfig

Head = Literal["ctc", "tags", "crf", "label"]
Input = Literal["audio", "tokens"]
ChainObjective = Literal["likelihood", "perceptron", "margin"]


class TaskSettings(BaseModel):
    """Choose what goes into the network and what comes out of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Input = Field("audio", description="recordings, or words")
    head: Head = Field(
        "ctc",
        description="transcripts (ctc), a tag for each word (tags: each by itself, crf: with their neighbours), or one "
        "label",
    )
    pooling: Pooling | None = Field(
        None,
        description="of the states of a sequence into one label: last, mean or attention; with tags or crf, a label is "
        "learned beside them",
    )
    objective: ChainObjective = Field(
        "likelihood",
        description="what makes a chain of tags (crf) better: the probability of the true sequence (a CRF), its score "
        "against the best sequence (perceptron: a structured perceptron), or against the best one with a point more "
        "for each wrong tag (margin: a structured support vector machine)",
    )


_TEXT_ONLY = ("tokens", "batches.tokens")
_AUDIO_ONLY = (
    "features",
    "augment",
    "model.subsampling",
    "model.channels",
    "model.batch_norm",
    "batches.seconds",
    "run.start_from",
)
_CTC_ONLY = (
    "text",
    "frames",
    "model.blank_bias",
    "optimizer.consistency",
    "optimizer.intermediate",
    "optimizer.objective",
    "optimizer.label_smoothing",
    "augment.splice",
)


def check_task(config: TrainingConfig) -> None:
    """Raise ValueError if input and head do not fit each other, or a setting has no meaning for them."""
    task = config.task
    if task.head not in (("ctc", "label") if task.input == "audio" else ("tags", "crf", "label")):
        raise ValueError(
            f"task.head = {task.head!r} does not fit task.input = {task.input!r}: recordings have 'ctc' or 'label', "
            "words 'tags', 'crf' or 'label'"
        )
    if task.head == "label" and task.pooling is None:
        raise ValueError("task.pooling is missing: it is needed for task.head = 'label'")
    if task.head == "ctc" and task.pooling is not None:
        raise ValueError("task.pooling is for labels; found task.head = 'ctc'")
    if task.objective != "likelihood" and task.head != "crf":
        raise ValueError(
            f"task.objective = {task.objective!r} is for chains of tags, task.head = 'crf'; found {task.head!r}"
        )
    for names, needed, found in (
        (_AUDIO_ONLY if task.input == "tokens" else _TEXT_ONLY, "input", task.input),
        (_CTC_ONLY if task.head != "ctc" else (), "head", task.head),
    ):
        for name in names:
            if not _is_default(config, name):
                raise ValueError(f"{name} has no effect where task.{needed} = {found!r}; leave it out")


def _is_default(config: TrainingConfig, name: str) -> bool:
    """Tell whether a section or one of its settings is as it is where nothing is said."""
    section, _, key = name.partition(".")
    given = getattr(config, section)
    default = type(given)()
    return bool(getattr(given, key) == getattr(default, key) if key else given == default)
