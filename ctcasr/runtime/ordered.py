"""Work on several items at a time, results in the order of the items, and only a few of them in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ordered(
    function: Callable[[Item], Result], items: Iterable[Item], pool: Executor | None, ahead: int
) -> Iterator[Result]:
    """Yield the function's results in order; an item is taken only when there is room for it.

    Args:
        function: of one item.
        items: taken one after the other by the thread that asks for results.
        pool: in which the function runs; without one, it runs where the result is asked for.
        ahead: items that may be waiting, in work or done before their results are asked for.
    """
    if pool is None:
        yield from map(function, items)
        return
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None
) -> Iterator[Result]:
    """Yield the function's results in order, from a pool that lives as long as somebody asks for them.

    Args:
        function: of one item; must not raise where the other items are to go on.
        items: taken as they are needed.
        threads: items at a time; by default one for each processor.
    """
    threads = threads or os.cpu_count() or 1
    pool = ThreadPoolExecutor(threads)
    try:
        yield from map_ordered(function, items, pool, 4 * threads)
    finally:
        pool.shutdown(cancel_futures=True)


__all__ = ["in_order", "map_ordered"]
