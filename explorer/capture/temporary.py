"""Run folders that nobody named: among the system's temporary files, and gone when Python ends."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path


def temporary_folder() -> Path:
    """Make a new folder that is deleted when this process ends; not when one forked from it does."""
    folder = Path(tempfile.mkdtemp(prefix="activation-explorer-"))
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
