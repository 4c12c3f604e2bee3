"""Ctrl-C ends the program soon, in one line, whatever it is doing.

Python raises KeyboardInterrupt where its interpreter next looks: amid an import or a callback from compiled
code the exception is lost, comes out as another one, or crashes. So an interrupt amid an import ends the
program; any other is also remembered here, and a program that has not ended some seconds later is ended.
Nothing is lost by that: what is on disk is whole at every moment.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType

PATIENCE = 3.0
"""Seconds to end in an orderly way."""
CODE = 130
LINE = "interrupted; what was captured is kept, and the same command again goes on from there\n"
_asked = threading.Event()


def watch() -> None:
    """Take Ctrl-C from here on. A second one ends the program at once."""
    with suppress(ValueError):  # not the main thread: whoever runs us there handles signals
        signal.signal(signal.SIGINT, _interrupted)
        sys.unraisablehook = _lost


def asked() -> bool:
    """Whether the user has interrupted."""
    return _asked.is_set()


def _lost(what: sys.UnraisableHookArgs) -> None:
    """What nobody can catch: an interrupt in a callback ends the program, the rest is reported."""
    if isinstance(what.exc_value, KeyboardInterrupt):
        end()
    sys.__unraisablehook__(what)


def _importing(frame: FrameType | None) -> bool:
    """Whether an import is under way: compiled modules that are left half made can crash the process."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _interrupted(_: int, frame: FrameType | None) -> None:
    if _asked.is_set() or _importing(frame):
        end()
    _asked.set()
    timer = threading.Timer(PATIENCE, end)
    timer.daemon = True
    timer.start()
    raise KeyboardInterrupt


def end() -> None:
    """End the program now."""
    with suppress(OSError, ValueError):
        if sys.stderr.isatty():
            sys.stderr.write("\x1b[?25h")  # a progress bar hides the cursor
        sys.stderr.write(LINE)
        sys.stderr.flush()
    os._exit(CODE)
