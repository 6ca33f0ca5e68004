"""What a person sees while a model trains: a bar on a terminal, one line an epoch everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ctcasr.training.records import Record, score_name


class Display:
    """Show the progress of a run on stderr."""

    def __init__(self, epochs: int, active: bool) -> None:
        self._console = Console(stderr=True, quiet=not active, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not (active and self._console.is_terminal),
            transient=True,
        )
        self._epochs = epochs
        self._task = self._progress.add_task("training", total=epochs)
        self._lines = 0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def batch(self, done: int, total: int) -> None:
        """Show the batches of the epoch in the bar's text."""
        self._progress.update(self._task, description=f"training, batch {done}/{total}")

    def epoch(self, record: Record) -> None:
        """Print the epoch's line, and the header above the first and each twentieth."""
        scores = [name for name in record if name.startswith("dev_") and name != "dev_loss"]
        columns = [f"dev {score_name(name[4:])} %" for name in scores]
        if self._lines % 20 == 0:
            header = "  ".join(
                ["epoch", "train loss", "dev loss", *columns, "grad norm", "clipped %", "seconds"]
            )
            self._console.print(f"[bold]{header}[/bold]", soft_wrap=True)
        self._lines += 1
        shares = "".join(
            f"  {100 * record[name]:{len(column)}.2f}" for name, column in zip(scores, columns, strict=True)
        )
        self._console.print(
            f"{record['epoch']:5d}  {record['train_loss']:10.3f}  {record['dev_loss']:8.3f}{shares}  "
            f"{record['gradient_norm']:9.2f}  {100 * record['clipped_share']:9.1f}  {record['seconds']:7.1f}",
            soft_wrap=True,
        )
        self._progress.update(self._task, completed=record["epoch"])

    def say(self, sentences: Sequence[str]) -> None:
        """Print what the coach says."""
        for sentence in sentences:
            self._console.print(f"coach: {sentence}", markup=False, soft_wrap=True)
