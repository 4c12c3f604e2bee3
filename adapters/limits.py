"""What this computer can hold, asked before a file's declared sizes are believed."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    MemoryError,
    OverflowError,
    RecursionError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What readers raise on damaged or hostile files; NotImplementedError is a RuntimeError."""


def processors() -> int:
    """How many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def available_memory() -> int:
    """Bytes that can be allocated now: free memory, or less where a control group says so."""
    try:
        meminfo = Path("/proc/meminfo").read_text(encoding="ascii").split()
        free = int(meminfo[meminfo.index("MemAvailable:") + 1]) * 1024
    except (OSError, ValueError):
        try:
            free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, OSError, ValueError):  # Windows cannot say without ctypes
            free = 1 << 62
    return min(free, _group_memory())


def _group_memory() -> int:
    """What the control group of this process has left, when it has a limit."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        return limit - int((group / "memory.current").read_text(encoding="ascii"))
    except (OSError, ValueError):  # "max", or no control groups
        return 1 << 62


def check_memory(declared: int) -> None:
    """Refuse what this computer cannot hold.

    Raises:
        ValueError: `declared` bytes are more than the memory that is left.
    """
    left = available_memory()
    if declared > left:
        raise ValueError(
            f"its arrays take {declared / 1e9:.1f} GB, and {left / 1e9:.1f} GB of memory are free"
        )


def first_line(error: BaseException) -> str:
    """The first line of an error's message, at most 300 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
