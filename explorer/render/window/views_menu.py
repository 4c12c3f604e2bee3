"""The window's list of views: the usual ones, those that were kept, and files that hold one."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import InputError
from explorer.render.drawing.text import count
from explorer.render.window.widgets import Item

if TYPE_CHECKING:
    from explorer.render.window.actions import Actions

MOST_FILES = 200
HEAD = 400  # bytes of a file that tell what it is
STATE, CAMERA = re.compile(rb'^\s*\{\s*"format"\s*:'), re.compile(rb'^\s*\{\s*"position"\s*:')


def found_views(controls: Actions, query: str) -> list[Item]:
    """The list; a typed text narrows the files down, or is the path of one."""
    found = [] if query else _views(controls)
    files = [(path, kind) for path, kind in saved_files(Path()) if query.casefold() in path.name.casefold()]
    typed = Path(query).expanduser()
    if query and typed.is_file() and typed not in [path for path, _ in files]:
        files.insert(0, (typed, kind_of(typed) or "no state and no camera"))
    title = "No such file here" if query else "This folder holds no saved state or camera"
    found.append(Item("States and cameras in this folder" if files else title, None))
    found += [
        Item(str(path), partial(open_file, controls, path), detail=kind) for path, kind in files[:MOST_FILES]
    ]
    if len(files) > MOST_FILES:
        found.append(Item(f"and {count(len(files) - MOST_FILES)} more: type more letters", None))
    return found


def items(controls: Actions) -> list[Item]:
    """The list before anything is typed."""
    return found_views(controls, "")


def _views(controls: Actions) -> list[Item]:
    scene = controls.scene
    found = [
        Item("Opening view", controls.reset, detail="r"),
        Item("Along the axes, in turn", controls.preset, detail="v"),
        Item("Keep this view", controls.keep_view, detail="a"),
    ]
    kept = scene.kept_views
    if kept:
        found.append(Item("Kept views: right click forgets one", None))
    for index, view in enumerate(kept):
        found.append(
            Item(
                f"View {index + 1}",
                partial(controls.go_to_view, index),
                chosen=view == scene.view,
                detail=", and ." if not index else "",
                other=partial(controls.forget_view, index),
                stays=True,
            )
        )
    return found


def saved_files(folder: Path) -> list[tuple[Path, str]]:
    """States and cameras in a folder, the newest first."""
    found = []
    for path in folder.glob("*.json"):
        try:
            kind, when = kind_of(path), path.stat().st_mtime_ns
        except OSError:
            continue
        if kind:
            found.append((when, path, kind))
    return [(path, kind) for _, path, kind in sorted(found, key=lambda one: (-one[0], one[1].name))]


def kind_of(path: Path) -> str:
    """What a file holds, by how it begins: "state", "camera", or "" for neither."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return ""
    return "state" if STATE.match(head) else "camera" if CAMERA.match(head) else ""


def open_file(controls: Actions, path: Path) -> None:
    """Bring back a saved state or camera."""
    kind = kind_of(path)
    if not kind:
        raise InputError(f"{path}: holds neither a state nor a camera; Export writes both")
    if kind == "state":
        controls.scene.load_state(path)
    else:
        before = controls.scene.view
        controls.scene.load_camera(path)
        controls.fly(before, controls.scene.view)
    controls.message = f"opened {path}"
