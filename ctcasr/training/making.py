"""The task that a configuration describes."""

from __future__ import annotations

from typing import Any

from accelerate import Accelerator

from ctcasr.training.config import TrainingConfig
from ctcasr.training.problems import ProblemLog
from ctcasr.training.recordings import RecordingTask
from ctcasr.training.sentences import SentenceTask
from ctcasr.training.tasks import Task
from ctcasr.training.transcribing import TranscriptionTask


def make_task(
    config: TrainingConfig, accelerator: Accelerator, problems: ProblemLog, *, resume: bool
) -> Task[Any]:
    """Return the task of a configuration, its manifests read.

    Raises:
        CtcAsrError: what the task raises: a manifest is wrong, or does not fit the run that is resumed.
    """
    if config.task.head == "ctc":
        return TranscriptionTask(config, accelerator, problems, resume=resume)
    if config.task.input == "tokens":
        return SentenceTask(config, accelerator, resume=resume)
    return RecordingTask(config, accelerator, problems, resume=resume)
