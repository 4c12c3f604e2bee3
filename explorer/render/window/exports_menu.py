"""The window's list of what can be written into the current folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.render.drawing.text import count, plural
from explorer.render.export.exporting import GROUP, Options
from explorer.render.window.clipboard import copy_text
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
    named = {kind for kinds in KINDS.values() for kind in kinds} | set(CHOSEN) | set(SAME)
    others = sorted(known - named)
    found += [Item("Of other packages", None)] if others else []
    return found + [_item(controls, f"{kind.upper()} file", kind) for kind in others]


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
