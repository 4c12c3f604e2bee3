"""Something long that goes on beside a scene, on a thread of its own: watched, counted and stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from explorer.errors import ExplorerError
from explorer.render.drawing.text import count

SHOWN = 0.5  # seconds until it is said how far it is


class Stopped(Exception):  # noqa: N818  no error: the user asked for it
    """The user has stopped it."""


class Task:
    """Something long that goes on beside a window or a page.

    Attributes:
        words: what it is.
        does: does it, on the thread.
        then: takes what came of it, on the side of who asked; gives the line that says so.
        grows: takes what there is meanwhile, on the side of who asked.
        result: what came of it; None until then, and where nothing did.
        error: what went wrong, in one line; "" for nothing.
        done: whether it ended.
        steps: how many of how many steps are behind it.
    """

    def __init__(
        self,
        words: str,
        does: Callable[[Task], Any],
        then: Callable[[Any], str],
        *,
        grows: Callable[[Any], None] | None = None,
    ) -> None:
        self.words, self.then, self.grows = words, then, grows
        self.result: Any = None
        self.error = ""
        self.done = False
        self.steps = (0, 0)
        self._does = does
        self._stop = threading.Event()
        self._latest: Any = None
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it at its next step."""
        self._stop.set()

    def stopped(self) -> bool:
        """Whether it is to end."""
        return self._stop.is_set()

    def at(self, done: int, total: int) -> bool:
        """So many steps are done; says whether it is to end."""
        self.steps = done, total
        return self.stopped()

    def step(self, done: int, total: int) -> None:
        """So many steps are done.

        Raises:
            Stopped: it is to end.
        """
        if self.at(done, total):
            raise Stopped

    def counted(self, total: int) -> Callable[[], bool]:
        """What says that one step more is done, and whether to end, to who counts none."""
        done = iter(range(1, total + 1))
        return lambda: self.at(next(done, total), total)

    def show(self, latest: Any) -> None:
        """There is something to show meanwhile."""
        self._latest = latest

    def latest(self) -> Any:
        """What there is to show and was not shown yet; None for nothing."""
        found, self._latest = self._latest, None
        return found

    def line(self) -> str:
        """What goes on, how far it is, and how to stop it."""
        seconds, (done, total) = time.monotonic() - self._began, self.steps
        far = f", {count(done)} of {count(total)}" if done else ""
        long = f": {seconds:.0f} s" if seconds > SHOWN else " …"
        return f"{self.words}{long}{far} · Esc stops it"

    def _run(self) -> None:
        try:
            self.result = self._does(self)
        except Stopped:
            self.error = f"{self.words}: stopped, nothing was kept"
        except (ExplorerError, OSError, MemoryError) as error:
            self.error = str(error) or type(error).__name__
        except Exception as error:  # the user's own network may fail in any way
            self.error = f"{self.words}: {type(error).__name__}: {error}".splitlines()[0]
        finally:
            self.done = True
