"""A progress bar on stderr, where that is a terminal and there is something to wait for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(description: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a bar of `total` steps; the function it gives moves it on by one."""
    if total < 2 or not sys.stderr.isatty():
        yield lambda: None
        return
    # Here rather than above: one short recording should not wait for it.
    from rich.console import Console
    from rich.progress import Progress

    # Unless told otherwise, it takes over stdout as well and writes it to stderr, even where stdout is a file.
    redirected = sys.stdout.isatty()
    with Progress(console=Console(stderr=True), transient=True, redirect_stdout=redirected) as progress:
        task = progress.add_task(description, total=total)
        yield lambda: progress.advance(task)
