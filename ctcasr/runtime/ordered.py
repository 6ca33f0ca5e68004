"""Work on several items at a time, results in the order of the items, and only a few of them in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
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


__all__ = ["map_ordered"]
