"""What `Scene.export` writes that a scene can write by itself: pictures, the selection, state and code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from explorer.errors import InputError
from explorer.render.export.exporting import Options
from explorer.render.files import save_text
from explorer.render.linked.paper import SIZE

if TYPE_CHECKING:
    from explorer.render.linked.scene import Scene


def export_picture(scene: Scene, path: Path, options: Options | None = None) -> None:
    """Write the picture, .png or .jpg."""
    options = options or Options()
    size = options.size or SIZE
    scene.screenshot(path, size=size, transparent=options.transparent, alone=options.alone)


def export_selection(scene: Scene, path: Path, options: Options | None = None) -> None:
    """Write the selected positions, .csv, .parquet or .npz of masks.

    Raises:
        InputError: nothing is selected.
    """
    if not scene.state.selection:
        raise InputError(
            f"{path}: nothing is selected; select something first, or bring a state that has a selection"
        )
    scene.save_selection(path)


def export_state(scene: Scene, path: Path, options: Options | None = None) -> None:
    """Write what `load_state` brings back, .json."""
    scene.save_state(path)


def export_code(scene: Scene, path: Path, options: Options | None = None) -> None:
    """Write lines of Python that rebuild the view, .py."""
    save_text(scene.code(), path)
