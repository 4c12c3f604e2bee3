"""What the tests of the window's long work share."""

from __future__ import annotations

import time

from explorer.render.window.controls import Controls
from explorer.render.window.widgets import Item


def finish(at: Controls) -> None:
    """Let the window look after its task until that has ended."""
    until = time.monotonic() + 120
    while at.task is not None:
        assert time.monotonic() < until
        at.poll()
        time.sleep(0.005)


def choose(at: Controls, *names: str) -> None:
    """Open the list of maps and take these lines, one list after the other."""
    at.push("maps")
    for name in names:
        found = [item for item in entries(at) if item.text == name]
        assert found, [item.text for item in entries(at)]
        at.guarded(lambda item=found[0]: at.choose(item))


def entries(at: Controls) -> tuple[Item, ...]:
    """The lines of the list that is open."""
    return () if at.popup is None else tuple(at.popup.items)
