"""Progress on the terminal: a bar with rate and time left, silent where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int], None]


def _watched() -> bool:
    return sys.stderr.isatty()


@contextmanager
def progress(what: str, total: int, unit: str) -> Iterator[Advance]:
    """Show a bar while the block runs; call what it yields with the number of units just done.

    Written to standard error, and only to a terminal.
    """
    if not _watched():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]} · {task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(what, total=total, unit=unit, rate="…")

        def advance(count: int) -> None:
            bars.advance(task, count)
            speed = bars.tasks[0].speed
            if speed:
                bars.update(task, rate=f"{speed:,.0f}/s")

        yield advance


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show a spinner while the block runs, for work that cannot tell how far it is."""
    if not _watched():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def say(line: str) -> None:
    """Tell the user one thing, on standard error."""
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stderr.flush()
