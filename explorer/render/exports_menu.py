"""The window's list of what can be written into the current folder."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.render.files import save_text
from explorer.render.text import plural
from explorer.render.widgets import Item

if TYPE_CHECKING:
    from explorer.render.actions import Actions

LARGE = (3840, 2160)


def items(controls: Actions) -> list[Item]:
    """Pictures, the camera and the selection."""
    n = len(controls.scene.selection)
    found = [
        Item("Picture, as large as the window", partial(picture, controls), detail=".png"),
        Item("Picture, 3840 × 2160", partial(picture, controls, LARGE), detail=".png"),
        Item("Camera", partial(camera, controls), detail=".json"),
        Item("State: map, camera, colours, selection", partial(state, controls), detail=".json"),
        Item("Lines of Python that show this", partial(code, controls), detail=".py"),
        Item(f"Selection: {plural(n, 'position')}", None),
    ]
    if n:
        found += [
            Item("Table", partial(selection, controls, ".csv"), detail=".csv"),
            Item("Table", partial(selection, controls, ".parquet"), detail=".parquet"),
            Item("Masks, one a picture", partial(selection, controls, ".npz"), detail=".npz"),
        ]
    return found


def picture(controls: Actions, size: tuple[int, int] | None = None) -> None:
    """Write what is seen into the current folder, without the buttons."""
    path = controls.scene.screenshot(free_name(stem(controls), ".png"), size=size or controls.size)
    controls.message = f"saved {path}"


def camera(controls: Actions) -> None:
    """Write the camera into the current folder."""
    controls.message = f"saved {controls.scene.save_camera(free_name(stem(controls) + '-camera', '.json'))}"


def state(controls: Actions) -> None:
    """Write the scene's state into the current folder."""
    controls.message = f"saved {controls.scene.save_state(free_name(stem(controls) + '-state', '.json'))}"


def code(controls: Actions) -> None:
    """Write lines of Python that bring the view back into the current folder."""
    controls.message = f"saved {save_text(controls.scene.code(), free_name(stem(controls), '.py'))}"


def selection(controls: Actions, suffix: str) -> None:
    """Write the selection into the current folder."""
    path = controls.scene.save_selection(free_name(stem(controls) + "-selection", suffix))
    controls.message = f"saved {path}"


def stem(controls: Actions) -> str:
    """A file name for this scene."""
    projection = controls.scene.projection
    return re.sub(r"[^\w.-]+", "-", f"{projection.layer}-{projection.method}").strip("-.") or "scene"


def free_name(stem: str, suffix: str) -> Path:
    """A file name in the current folder that nothing has yet."""
    number, path = 1, Path(stem + suffix)
    while path.exists():
        number += 1
        path = Path(f"{stem}-{number}{suffix}")
    return path
