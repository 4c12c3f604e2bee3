"""What the page's view is written as: any ending that somebody writes, by the writers of `Scene.export`."""

from __future__ import annotations

import io
import json
import zipfile
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from explorer.errors import ExplorerError, InputError, suggest
from explorer.render.export.exporting import GROUP, Options

if TYPE_CHECKING:
    from explorer.render.linked.scene import Scene

KNOWN: dict[str, tuple[str, str, str]] = {
    "html": ("Whole page", "opens without Python and without a network, up to 15 MB", "To show others"),
    "png": ("Page as a picture", "3840 × 2160: cloud, heatmaps, legend, title", "To show others"),
    "svg": ("Vector page", "words and maps that stay sharp at any size", "To show others"),
    "pdf": ("Page for print", "words and maps that stay sharp at any size", "To show others"),
    "mp4": ("Turntable", "one full turn that loops without a seam", "To show others"),
    "gif": ("Turntable", "one full turn, for places that play no video", "To show others"),
    "parquet": ("Selection", "one row a position, for Python", "The selection"),
    "npz": ("Masks", "one mask a picture, on the layer's grid", "The selection"),
    "csv": (
        "Selection by Python",
        "one row a position, as `scene.save_selection` writes it",
        "The selection",
    ),
    "glb": ("Points as a scene", "glTF in one file, with the colours that are shown", "The points"),
    "gltf": ("Points as a scene", "glTF as text, with the colours that are shown", "The points"),
    "ply": ("Points", "with the colours that are shown, for MeshLab and others", "The points"),
    "vtp": ("Points", "with every number that is known of them, for ParaView", "The points"),
    "json": ("State", "what `scene.load_state` and this page bring back", "For Python"),
    "py": ("Lines of Python", "that rebuild this view", "For Python"),
}
"""What endings are called on the page; those of others are shown by their name alone."""
SAME = {"htm": "html", "jpeg": "jpg"}
SELECTED = ("parquet", "npz", "csv")
LARGE = (3840, 2160)


def endings() -> list[dict[str, Any]]:
    """The endings that somebody writes, as the page lists them."""
    names = {point.name for point in entry_points(group=GROUP)} - set(SAME)
    order = [name for name in KNOWN if name in names] + sorted(names - set(KNOWN) - {"jpg"})
    told = []
    for name in order:
        title, words, group = KNOWN.get(name, (name.upper(), "by a writer that was installed", "Others"))
        about = {"ending": name, "title": title, "words": words, "group": group}
        told.append({**about, "selected": name in SELECTED})
    return told


def load(scene: Scene, view: dict[str, Any]) -> None:
    """Let a scene show what a page shows.

    Args:
        scene: a scene of the same run.
        view: the page's state, as `save_state` writes one.

    Raises:
        InputError: no state of this run.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "view.json"
        path.write_text(json.dumps(view), encoding="utf-8")
        try:
            scene.load_state(path)
        except InputError as error:  # a passing folder's name helps nobody
            raise InputError(str(error).replace(str(path), "the page's view")) from None


def written(shown: Scene, view: dict[str, Any], ending: str) -> dict[str, Any]:
    """The page's view as a file.

    Args:
        shown: a scene of what the page shows, for this alone.
        view: the page's state.
        ending: one of `endings`, without the dot.

    Returns:
        The file's name, type and bytes; several files are packed into one .zip.

    Raises:
        InputError: an ending that nobody writes, or nothing to write.
        RenderError: the file cannot be made.
    """
    known = [told["ending"] for told in endings()]
    if ending not in known:
        raise InputError(f"ending {ending!r}: {suggest(ending, known)}")
    load(shown, view)
    run, projection = shown.state.run, shown.projection
    size = {"png": LARGE}.get(ending)
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{run.name}-{projection.layer}-{projection.method}.{ending}".replace("/", "-")
        try:
            shown.export(path, Options(size=size))
        except ExplorerError as error:
            raise type(error)(str(error).replace(str(path), path.name)) from None
        files = sorted(one for one in Path(folder).rglob("*") if one.is_file())
        if len(files) == 1:
            return {"name": path.name, "type": "application/octet-stream", "bytes": path.read_bytes()}
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for one in files:
                archive.write(one, one.relative_to(folder))
        return {"name": f"{path.name}.zip", "type": "application/zip", "bytes": packed.getvalue()}
