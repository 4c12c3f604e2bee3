"""Rendering without a screen: which OpenGL window to use, and whether it works here."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHOICE = "VTK_DEFAULT_OPENGL_WINDOW"
NEEDS = "on Debian: apt install libegl1 libgl1 libopengl0 libgl1-mesa-dri, or libosmesa6"
TRIAL = (
    "from explorer.render.cloud.offscreen import quiet_display\n"
    "quiet_display()\n"
    "import pyvista\n"
    "p = pyvista.Plotter(off_screen=True, window_size=(16, 16))\n"
    "p.set_background('red')\n"
    "picture = p.screenshot(return_img=True)\n"
    "assert picture[8, 8].tolist() == [255, 0, 0], picture[8, 8].tolist()\n"
    "print(p.render_window.GetClassName())\n"
)
SECONDS = 60


@contextmanager
def importing() -> Iterator[None]:
    """Import what draws on a thread of its own meanwhile, which costs nothing while something is compiled.

    It is whole at the end of the block: PyVista half imported would be found by whoever needs it next.
    """

    def load() -> None:
        with suppress(ImportError):  # told when something is drawn
            import pyvista.plotting  # noqa: F401

    thread = threading.Thread(target=load, name="imports")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def has_screen() -> bool:
    """Whether a window can be opened: on Linux only with an X server that answers."""
    if not sys.platform.startswith("linux"):
        return True
    return _answers(os.environ.get("DISPLAY", ""))


@functools.cache
def _answers(display: str) -> bool:
    """Whether an X server is there; believed where Xlib is not there to ask."""
    name = ctypes.util.find_library("X11") if display else None
    if name is None:
        return bool(display)
    xlib = ctypes.CDLL(name)
    xlib.XOpenDisplay.restype, xlib.XOpenDisplay.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    xlib.XCloseDisplay.argtypes = [ctypes.c_void_p]
    opened = xlib.XOpenDisplay(display.encode())
    if opened:
        xlib.XCloseDisplay(opened)
    return bool(opened)


def quiet_display() -> None:
    """Without a screen, choose EGL or OSMesa at once: VTK would first try X and complain.

    It must come before the process's first render window. A choice the user made stays.
    """
    if has_screen() or os.environ.get(CHOICE):
        return
    egl = ctypes.util.find_library("EGL")
    os.environ[CHOICE] = "vtkEGLRenderWindow" if egl else "vtkOSOpenGLRenderWindow"


def can_render() -> tuple[bool, str]:
    """Try a tiny picture in another process, because a broken driver can end the one that asks.

    Returns:
        Whether it worked, and how (the kind of OpenGL window) or what is needed.
    """
    command = [sys.executable, "-c", TRIAL]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, f"no picture could be made ({error}); {NEEDS}"
    if done.returncode == 0:
        return True, f"pictures can be made ({done.stdout.strip().splitlines()[-1]})"
    last = (done.stderr.strip().splitlines() or [f"the trial ended with {done.returncode}"])[-1]
    return False, f"no picture could be made ({last[:160]}); {NEEDS}"
