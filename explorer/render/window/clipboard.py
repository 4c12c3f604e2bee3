"""Text into the clipboard, by whichever program the system has for it."""

from __future__ import annotations

import shutil
import subprocess
import sys

PROGRAMS = (
    ("wl-copy",),
    ("xclip", "-selection", "clipboard"),
    ("xsel", "--clipboard", "--input"),
    ("pbcopy",),
    ("clip",),
)
SECONDS = 5


def copy_text(text: str) -> bool:
    """Put text into the clipboard; says whether there was a program that did."""
    coding = "utf-16-le" if sys.platform == "win32" else "utf-8"
    for command in PROGRAMS:
        if shutil.which(command[0]) is None:
            continue
        try:
            done = subprocess.run(
                command,
                input=text.encode(coding),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return True
    return False
