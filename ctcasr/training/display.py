"""What a person sees while a model trains: a bar on a terminal, some lines in a log, one line an epoch everywhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ctcasr.pace import LogPace, duration_text
from ctcasr.training.monitor import EpochTotals
from ctcasr.training.records import Record, score_name

ESTIMATE_SECONDS = 600.0
"""How far back the bar looks to tell how long the rest takes: a slow batch takes longer than rich's half a minute."""


class Display:
    """Show the progress of a run on stderr.

    Args:
        epochs: of the whole run.
        active: whether this process shows anything.
        clock: tells the time in seconds.
    """

    def __init__(self, epochs: int, active: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = Console(stderr=True, quiet=not active, highlight=False)
        self._is_log = active and not self._console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not active or self._is_log,
            transient=True,
            speed_estimate_period=ESTIMATE_SECONDS,
        )
        self._epochs = epochs
        self._task = self._progress.add_task("training", total=epochs)
        self._lines = 0
        self._pace = LogPace(clock)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def batch(self, epoch: int, done: int, total: int, totals: EpochTotals) -> None:
        """Show how far an epoch is: in the bar, or once in a while as a line of a log.

        Args:
            epoch: its number, from 1.
            done: batches of the epoch that are trained on.
            total: all batches of the epoch.
            totals: what this process has seen of the epoch.
        """
        loss = totals.loss / max(1.0, totals.size)
        place = f"batch {done}/{total}, loss {loss:.3f}" if done < total else "scoring dev"
        self._progress.update(
            self._task,
            description=f"epoch {epoch}/{self._epochs}, {place}",
            completed=epoch - 1 + done / total,
        )
        if self._is_log and done < total and self._pace.is_due():
            batch_seconds = totals.train_seconds / done
            self._print(
                f"epoch {epoch}, batch {done} of {total}: train loss so far {loss:.3f}, {batch_seconds:.2g} s a batch, "
                f"{duration_text(batch_seconds * (total - done))} to the epoch's end"
            )

    def epoch(self, record: Record) -> None:
        """Print the epoch's line, and the header above the first and each twentieth."""
        scores = [name for name in record if name.startswith("dev_") and name != "dev_loss"]
        columns = [f"dev {score_name(name[4:])} %" for name in scores]
        if self._lines % 20 == 0:
            header = "  ".join(
                ["epoch", "train loss", "dev loss", *columns, "grad norm", "clipped %", "seconds"]
            )
            self._print(header, style="bold")
        self._lines += 1
        shares = "".join(
            f"  {100 * record[name]:{len(column)}.2f}" for name, column in zip(scores, columns, strict=True)
        )
        self._print(
            f"{record['epoch']:5d}  {record['train_loss']:10.3f}  {record['dev_loss']:8.3f}{shares}  "
            f"{record['gradient_norm']:9.2f}  {100 * record['clipped_share']:9.1f}  {record['seconds']:7.1f}"
        )
        self._progress.update(self._task, completed=record["epoch"])

    def say(self, sentences: Sequence[str]) -> None:
        """Print what the coach says."""
        for sentence in sentences:
            self._print(f"coach: {sentence}")

    def _print(self, line: str, style: str | None = None) -> None:
        self._console.print(line, style=style, markup=False, soft_wrap=True)
        self._pace.told()
