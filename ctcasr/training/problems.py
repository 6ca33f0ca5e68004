"""Utterances that cannot be used: named once, counted, and too many of them an error."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import gather_object

from ctcasr.data import Utterance
from ctcasr.errors import DataError

logger = logging.getLogger(__name__)


class ProblemLog:
    """Keep track of what was left out over a run, and of what the log has already told."""

    def __init__(self, accelerator: Accelerator, max_share: float) -> None:
        self.accelerator = accelerator
        self.max_share = max_share
        self._named: set[str] = set()

    def check(
        self, problems: dict[int, str], utterances: Sequence[Utterance], manifest: Path
    ) -> dict[int, str]:
        """Join the problems of all processes; name each utterance once, and stop if there are too many."""
        joined: dict[int, str] = {}
        for part in gather_object([problems]):
            joined |= part
        for index, reason in sorted(joined.items()):
            name = f"{manifest}: {utterances[index]}"
            if self.accelerator.is_main_process and name not in self._named:
                logger.warning("left out: %s: %s", utterances[index], reason)
            self._named.add(name)
        if len(joined) > self.max_share * len(utterances):
            index, reason = min(joined.items())
            raise DataError(
                f"{manifest}: {len(joined)} of {len(utterances)} utterances cannot be used, more than "
                f"data.max_bad_share ({self.max_share:g}); the first is "
                f"{utterances[index]}: {reason}"
            )
        return joined
