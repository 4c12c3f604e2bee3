"""The files of a folder that are inputs, and the words for what was passed over in it."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from explorer.capture.formats import is_input

MOST = 4
"""Kinds of files that are named one by one."""


def find_images(folder: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Every input below a folder, sorted by path, and a line on each sort of thing passed over.

    Hidden files and folders are left alone in silence. Links to files are followed, links to folders
    are not: they may lead round in circles, or out of the folder.
    """
    found: list[Path] = []
    others: Counter[str] = Counter()
    closed: list[OSError] = []
    linked: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=closed.append):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        linked += [here / name for name in folders if (here / name).is_symlink()]
        for name in files:
            path = here / name
            if name.startswith("."):
                continue
            # A pipe or device would block whoever opens it; a broken link is kept, to be skipped aloud.
            if (path.is_file() or not path.exists()) and is_input(path):
                found.append(path)
            else:
                others[path.suffix.lower() or "no suffix"] += 1
    return tuple(sorted(found)), tuple(_passed_over(folder, others, closed=closed, linked=linked))


def _passed_over(
    folder: Path, others: Counter[str], *, closed: list[OSError], linked: list[Path]
) -> list[str]:
    lines = []
    if closed:
        first = closed[0]
        lines.append(
            f"{folder}: passed over {_count(len(closed), 'folder')} that cannot be read, "
            f"the first {first.filename} ({first.strerror})"
        )
    if linked:
        lines.append(
            f"{folder}: passed over {_count(len(linked), 'linked folder')}, the first {linked[0]}; "
            "links to folders are not followed"
        )
    if others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in others.most_common(MOST))
        rest = " and others" if len(others) > MOST else ""
        lines.append(
            f"{folder}: passed over {_count(sum(others.values()), 'file')} of other kinds ({kinds}{rest})"
        )
    return lines


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
