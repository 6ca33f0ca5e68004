"""Examples that cannot be used: named once, counted, and too many of them an error; steps that spoil the weights."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from ctcasr.errors import DataError
from ctcasr.training.config import OptimizerSettings

logger = logging.getLogger(__name__)


class ProblemLog:
    """Keep track of what was left out over a run, and of what the log has already told."""

    def __init__(self, accelerator: Accelerator, max_share: float) -> None:
        self.accelerator = accelerator
        self.max_share = max_share
        self._named: set[str] = set()

    def check(self, problems: dict[int, str], examples: Sequence[object], manifest: Path) -> dict[int, str]:
        """Join the problems of all processes; name each example once, and stop if there are too many."""
        joined: dict[int, str] = {}
        for part in gather_object([problems]):
            joined |= part
        self._tell(joined, examples, manifest)
        if self._too_many(joined, examples):
            raise self._error(joined, examples, manifest, str(len(joined)))
        return joined

    def check_early(self, problems: dict[int, str], examples: Sequence[object], manifest: Path) -> None:
        """Stop without waiting for the end, or for other processes, if this one alone has seen too many."""
        if self._too_many(problems, examples):
            self._tell(problems, examples, manifest)
            raise self._error(problems, examples, manifest, f"at least {len(problems)}")

    def _tell(self, problems: dict[int, str], examples: Sequence[object], manifest: Path) -> None:
        for index, reason in sorted(problems.items()):
            name = f"{manifest}: {examples[index]}"
            if self.accelerator.is_main_process and name not in self._named:
                logger.warning("left out: %s: %s", examples[index], reason)
            self._named.add(name)

    def _too_many(self, problems: dict[int, str], examples: Sequence[object]) -> bool:
        return len(problems) > self.max_share * len(examples)

    def _error(
        self, problems: dict[int, str], examples: Sequence[object], manifest: Path, count: str
    ) -> DataError:
        index, reason = min(problems.items())
        return DataError(
            f"{manifest}: {count} of {len(examples)} utterances cannot be used, more than "
            f"data.max_bad_share ({self.max_share:g}); the first is {examples[index]}: {reason}"
        )


@dataclass(frozen=True)
class Step:
    """A training step, for the messages that it may end in.

    Attributes:
        number: from the start of the run.
        examples: names of those in its batch.
        settings: by which its length is set.
    """

    number: int
    examples: Sequence[str]
    settings: OptimizerSettings

    def check_losses(self, losses: Tensor) -> None:
        """Raise DataError if the loss of an example, `(B,)`, is not finite: name those, and tell who is to blame."""
        wrong = [
            name for name, loss in zip(self.examples, losses.tolist(), strict=True) if not math.isfinite(loss)
        ]
        if not wrong:
            return
        everywhere = len(wrong) == len(self.examples) > 1
        blame = (
            "all of them: the weights have left the range of numbers"
            if everywhere
            else "look at these examples"
        )
        raise DataError(
            f"the loss is not finite at step {self.number} for {', '.join(wrong[:5])} ({len(wrong)} of "
            f"{len(self.examples)} in the batch); {blame}{'; ' if everywhere else ', or '}{self._shorter()}"
        )

    def check_gradient(self, norm: float) -> None:
        """Raise DataError if the norm of the gradient is not finite, before the weights are spoiled by it."""
        if not math.isfinite(norm):
            raise DataError(
                f"the gradient is not finite at step {self.number}, though the loss is, of a batch of "
                f"{', '.join(self.examples[:5])} ({len(self.examples)} in all); {self._shorter()}"
            )

    def _shorter(self) -> str:
        return (
            f"lower optimizer.learning_rate ({self.settings.learning_rate:g}) or optimizer.clip_norm "
            f"({self.settings.clip_norm:g}), and go on with --resume"
        )
