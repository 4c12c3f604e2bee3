"""Files that are whole or not there: after Ctrl-C, a full disk, or two programs that write one at once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HOUR = 3600.0


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write to the path that is yielded: it becomes `path` when the block ends well, and else it goes.

    Folders on the way are made. What a program that was killed has left of the same file is removed.

    Raises:
        OSError: the file cannot be written; it names `path`.
    """
    target = Path(path)
    beside = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear(target)
        yield beside
        os.replace(beside, target)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(target)) from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _clear(target: Path) -> None:
    """Remove what writers that are no more have left of a file."""
    with suppress(OSError):
        for name in os.listdir(target.parent):
            start, end = f".{target.stem}.", f".part{target.suffix}"
            number = name[len(start) : -len(end)]
            if name.startswith(start) and name.endswith(end) and number.isdecimal():
                left = target.with_name(name)
                if not _runs(int(number), left):
                    left.unlink(missing_ok=True)


def _runs(number: int, left: Path) -> bool:
    """Whether the process that writes a file may still be there."""
    if os.name != "posix":  # where asking for a process may end it
        return time.time() - left.stat().st_mtime < HOUR
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return number != os.getpid()
