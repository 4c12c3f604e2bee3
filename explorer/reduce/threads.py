"""Work shared among threads, its results in order, each thread multiplying matrices alone.

One product after another on all processors keeps them waiting for each other; as many products at once as
there are processors do not. Results come in the order of the items, so sums over them are the same bits for
any number of threads.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

S = TypeVar("S")
T = TypeVar("T")
_here = threading.local()


def processors() -> int:
    """How many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def in_order(work: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """What some work makes of each item, in order; no more held than there are threads, and one.

    Work that shares out work of its own does that in its own thread.
    """
    threads = processors()
    if threads == 1 or getattr(_here, "shared", False):
        yield from map(work, items)
        return
    from concurrent.futures import ThreadPoolExecutor

    from threadpoolctl import threadpool_limits

    def task(item: S) -> T:
        _here.shared = True
        return work(item)

    waiting: deque[Future[T]] = deque()
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(task, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
