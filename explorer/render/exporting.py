"""A scene as a file of another kind: who writes it is found by the file's ending."""

from __future__ import annotations

import html
import tempfile
from dataclasses import dataclass
from pathlib import Path

from explorer.errors import InputError

GROUP = "explorer.exports"
"""Entry points: the ending is the name, and what it loads is called with (scene, path, options)."""
IN_A_NOTEBOOK = 6.0
"""Megabytes of a scene in a notebook: every cell that shows one carries it."""
CELL = (
    '<iframe sandbox="allow-scripts allow-downloads" title="{title}" srcdoc="{page}" '
    'style="width: 100%; height: 720px; border: 1px solid #8884; border-radius: 8px"></iframe>'
)


@dataclass(frozen=True)
class Options:
    """What goes into a file.

    Attributes:
        megabytes: the most it may weigh; what does not fit is left out and said.
        pictures: keep small versions of the run's pictures.
        neighbours: keep each point's nearest neighbours in the layer.
        similarity: keep shortened vectors, from which the page computes similarities.
        channels: at most so many channels' maps; None for as many as fit.
    """

    megabytes: float = 15.0
    pictures: bool = True
    neighbours: bool = True
    similarity: bool = True
    channels: int | None = None


class Exporting:
    """The part of a scene that writes files of other kinds."""

    def export(self, path: str | Path, options: Options | None = None) -> Path:
        """Write the scene as a file that opens without Python, such as "cloud.html".

        What does not fit into the file is left out; the page says so, with counts.

        Args:
            path: the file; its ending says the kind.
            options: what goes in; all that fits into 15 MB by default.

        Raises:
            InputError: an ending that nobody writes, or a scene without positions.
            RenderError: the file cannot be written.
        """
        from importlib.metadata import entry_points

        target = Path(path)
        ending = target.suffix.lower().removeprefix(".")
        writers = {point.name: point for point in entry_points(group=GROUP)}
        if ending not in writers:
            known = ", ".join(f".{name}" for name in sorted(writers)) or "none; install the package again"
            raise InputError(f"{target}: a scene is exported to one of these endings: {known}")
        writers[ending].load()(self, target, options)
        return target

    def _repr_html_(self) -> str:
        """The scene in a notebook: the page of `export`, in a frame that reaches nothing around it."""
        with tempfile.TemporaryDirectory() as folder:
            path = self.export(Path(folder) / "scene.html", Options(megabytes=IN_A_NOTEBOOK))
            page = path.read_text(encoding="utf-8")
        return CELL.format(title="point cloud and heatmaps", page=html.escape(page))
