"""A coach: plain sentences about a training run, when something is typical or wrong.

What it says depends on nothing but the records of the epochs so far, so that a run that is resumed is told the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from ctcasr.errors import CtcAsrError
from ctcasr.training.coach_rules import RULES, Rule, Story
from ctcasr.training.config import TrainingConfig
from ctcasr.training.records import Record
from ctcasr.training.run_folder import append, write_whole

COACH = "coach.log"


class Coach:
    """Look at each epoch's record and say what is new; each thing once."""

    def __init__(self, config: TrainingConfig, utterances: int, records: Sequence[Record] = ()) -> None:
        """Begin after some epochs, as if it had seen them.

        Args:
            config: of the run.
            utterances: in the training manifest.
            records: of the epochs before.
        """
        self._config, self._utterances = config, utterances
        self._records: list[Record] = []
        self._said: set[str] = set()
        self.sentences = [sentence for record in records for sentence in self.hear(record)]

    def hear(self, record: Record) -> list[str]:
        """Return the sentences that a further epoch's record gives rise to."""
        self._records.append(record)
        return [f"epoch {record['epoch']}, {rule.name}: {words}" for rule, words in self._new(record)]

    def _new(self, record: Record) -> Iterator[tuple[Rule, str]]:
        for rule in RULES:
            if rule.name in self._said or not rule.needs <= record.keys():
                continue
            known = [entry for entry in self._records if rule.needs <= entry.keys()]
            if words := rule.words(Story(self._config, self._utterances, known)):
                self._said.add(rule.name)
                yield rule, words


class CoachLog:
    """Keep what the coach says of a run in its `coach.log`, and the sentence that ends the run, if one does.

    One process of a run is `active`; the logs of the others write nothing.
    """

    def __init__(self, folder: Path, coach: Coach, *, active: bool = True) -> None:
        """Write what a resumed run was told already."""
        self._path, self._coach, self._active = folder / COACH, coach, active
        if active:
            write_whole(self._path, "".join(f"{sentence}\n" for sentence in coach.sentences))

    def hear(self, record: Record) -> list[str]:
        """Return what there is to say of a further epoch, once it is written."""
        sentences = self._coach.hear(record)
        self._write(sentences)
        return sentences

    def _write(self, sentences: Sequence[str]) -> None:
        if self._active:
            append(self._path, "".join(f"{sentence}\n" for sentence in sentences))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, CtcAsrError):
            self._write([f"stopped: {error}"])
