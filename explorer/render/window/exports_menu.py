"""The window's list of what can be written into the current folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.render.drawing.text import count, plural
from explorer.render.export.exporting import GROUP, Options
from explorer.render.linked.task import Stopped, Task
from explorer.render.window.clipboard import copy_text
from explorer.render.window.tasks import start
from explorer.render.window.widgets import Item

if TYPE_CHECKING:
    from explorer.render.window.actions import Actions

LARGE = (3840, 2160)
KINDS = {
    "Picture": {
        "png": "As large as the window",
        "jpg": "As large as the window",
        "svg": "Words stay sharp at any size",
        "pdf": "Words stay sharp at any size",
    },
    "To look at elsewhere": {
        "html": "Page that opens without Python",
        "mp4": "One full turn, as a film",
        "gif": "One full turn, as a moving picture",
    },
    "Points in 3D, with their colours": {
        "glb": "glTF, binary",
        "gltf": "glTF, as text",
        "ply": "PLY",
        "vtp": "VTK",
    },
    "What is shown": {
        "json": "State: map, camera, colours, selection",
        "py": "Lines of Python that show this",
    },
}
CHOSEN = {"csv": "Table", "parquet": "Table", "npz": "Masks, one a picture"}
SAME = {"htm": "html", "jpeg": "jpg"}  # another ending of the same file
REPORTS = (".html", ".pdf")
TRACKING = "explorer.trackers"
"""Entry points: the name is the tracker's, and what it loads is called with (run, layer, to, tell)."""
TRACKERS = {"tensorboard": "TensorBoard log", "mlflow": "MLflow", "wandb": "Weights & Biases"}
QUICK = ("csv", "npz", "json", "py")
ENDS = {"json": "-state", "csv": "-selection", "parquet": "-selection", "npz": "-selection"}


def items(controls: Actions) -> list[Item]:
    """Every kind of file that anybody writes, the camera, and the selection where there is one."""
    known = {point.name for point in entry_points(group=GROUP)}
    n, found = len(controls.scene.selection), []
    for title, kinds in KINDS.items():
        lines = [_item(controls, words, kind) for kind, words in kinds.items() if kind in known]
        if title == "Picture" and "png" in known:
            large = partial(picture, controls, LARGE)
            lines.insert(1, Item(" × ".join(map(str, LARGE)), large, detail=".png"))
        if title == "What is shown":
            lines.append(Item("Camera", partial(camera, controls), detail=".json"))
            lines.append(Item("Copy the lines of Python", partial(copy_code, controls), detail="clipboard"))
        found += [Item(title, None), *lines] if lines else []
    found.append(Item(f"Selection: {plural(n, 'position')}", None))
    found += [_item(controls, words, kind) for kind, words in CHOSEN.items() if n and kind in known]
    if n:
        found += [
            Item("Why it lies together, one page", partial(why, controls, end), detail=end) for end in REPORTS
        ]
    found += _trackers(controls)
    named = {kind for kinds in KINDS.values() for kind in kinds} | set(CHOSEN) | set(SAME)
    others = sorted(known - named)
    found += [Item("Of other packages", None)] if others else []
    return found + [_item(controls, f"{kind.upper()} file", kind) for kind in others]


def _trackers(controls: Actions) -> list[Item]:
    """Where the shown layer can be logged: to a folder, and to what else is installed."""
    if getattr(controls.scene.state.run, "path", None) is None:
        return []
    known = {point.name for point in entry_points(group=TRACKING)}
    lines = [
        Item(words, partial(log, controls, name), detail="folder" if name == "tensorboard" else "")
        for name, words in TRACKERS.items()
        if name in known and (name == "tensorboard" or find_spec(name) is not None)
    ]
    return [Item("Where training is watched", None), *lines] if lines else []


def _item(controls: Actions, words: str, kind: str) -> Item:
    return Item(words, partial(write, controls, kind), detail=f".{kind}")


def write(controls: Actions, kind: str, size: tuple[int, int] | None = None) -> None:
    """Write a file of this ending into the current folder; what takes long begins once that was said."""
    path = free_name(stem(controls) + ENDS.get(kind, ""), f".{kind}")
    still = kind in ("png", "jpg", "svg", "pdf")
    options = Options(size=size or (controls.size if still else None), tell=_teller(controls, path))

    def does() -> None:
        controls.scene.export(path, options)
        controls.message = f"saved {path}"

    if kind in QUICK:
        does()
    else:
        controls.begin(f"writing {path}", does)


def _teller(controls: Actions, path: Path) -> Callable[[int, int], None]:
    """What says how many frames are done."""

    def tell(done: int, n: int) -> None:
        controls.told(f"writing {path}: frame {count(done)} of {count(n)}")

    return tell


def picture(controls: Actions, size: tuple[int, int] | None = None) -> None:
    """Write what is seen into the current folder, without the buttons."""
    write(controls, "png", size)


def why(controls: Actions, suffix: str = ".html") -> None:
    """Write why the selection lies together into the current folder, once that was said."""
    if not len(controls.scene.selection):
        controls.message = "nothing is selected: draw a lasso (l) or a box (b) first"
        return
    path = free_name(stem(controls) + "-why", suffix)

    def does() -> None:
        found = controls.scene.why()
        found.save(path)
        controls.message = f"saved {path}: {found.headline}"

    controls.begin(f"explaining the selection: {path}", does)


def log(controls: Actions, name: str) -> None:
    """Log the shown layer, on a thread of its own: TensorBoard's into a new folder of the current one.

    Raises:
        InputError: something else is being made.
    """
    state = controls.scene.state
    (point,) = (point for point in entry_points(group=TRACKING) if point.name == name)
    folder = free_name(f"{stem(controls).rpartition('-')[0]}-{name}", "") if name == "tensorboard" else None
    to, layer = str(folder or name), state.values.layer

    def does(task: Task) -> str:
        try:
            said: str = point.load()(state.run, layer, to, task.step)
        except Stopped:
            if folder is not None:  # it was not there before
                shutil.rmtree(folder, ignore_errors=True)
            raise
        return said

    start(controls, Task, f"logging {layer} to {to}", does, str)


def camera(controls: Actions) -> None:
    """Write the camera into the current folder."""
    controls.message = f"saved {controls.scene.save_camera(free_name(stem(controls) + '-camera', '.json'))}"


def copy_code(controls: Actions) -> None:
    """Put lines of Python that show this into the clipboard; where that cannot be, into a file."""
    if copy_text(controls.scene.code()):
        controls.message = "copied: paste them into a notebook or a script"
        return
    write(controls, "py")
    controls.message += ": no program for the clipboard here (wl-copy, xclip, xsel)"


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
