"""A scene as a file of another kind: who writes it is found by the file's ending."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import InputError
from explorer.render.drawing.colours import Colour
from explorer.render.files import check_suffix, save_picture
from explorer.render.linked.paper import SIZE, Paper, see_through

if TYPE_CHECKING:
    from PIL import Image

    from explorer.render.cloud.views import Views

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
    """What goes into a file; each kind looks at what concerns it.

    Attributes:
        megabytes: the most it may weigh; what does not fit is left out and said.
        pictures: keep small versions of the run's pictures.
        neighbours: keep each point's nearest neighbours in the layer.
        similarity: keep shortened vectors, from which the page computes similarities.
        channels: at most so many channels' maps; None for as many as fit.
        size: (width, height) in pixels of a picture, page or turntable; None for what suits it.
        transparent: let what is behind a picture or page through.
        alone: leave the heatmaps out of a picture or page.
        seconds: how long one full turn takes.
        fps: how many frames a second a turntable has.
        tell: called with how many of how many frames of a turntable are drawn.
    """

    megabytes: float = 15.0
    pictures: bool = True
    neighbours: bool = True
    similarity: bool = True
    channels: int | None = None
    size: tuple[int, int] | None = None
    transparent: bool = False
    alone: bool = False
    seconds: float = 8.0
    fps: float = 25.0
    tell: Callable[[int, int], None] | None = None


def writer_of(path: Path) -> Callable[[Any, Path, Options | None], object]:
    """Who writes files with this ending.

    Raises:
        InputError: nobody does.
    """
    from importlib.metadata import entry_points

    writers = {point.name: point for point in entry_points(group=GROUP)}
    ending = path.suffix.lower().removeprefix(".")
    if ending not in writers:
        known = ", ".join(f".{name}" for name in sorted(writers)) or "none; install the package again"
        raise InputError(f"{path}: a scene is exported to one of these endings: {known}")
    writer: Callable[[Any, Path, Options | None], object] = writers[ending].load()
    return writer


class Exporting:
    """The part of a scene that writes pictures and files of other kinds.

    Attributes:
        views: the cameras.
    """

    views: Views
    sheet: Paper

    @property
    def camera(self) -> dict[str, Any]:
        """Where the cloud is seen from."""
        raise NotImplementedError

    @camera.setter
    def camera(self, content: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def frame(
        self, size: tuple[int, int] = SIZE, *, alone: bool = False, paper: Colour | None = None
    ) -> Image.Image:
        """The whole picture: page, cloud and marks."""
        raise NotImplementedError

    def export(self, path: str | Path, options: Options | None = None) -> Path:
        """Write the scene, or what is selected in it, as a file of another kind; its ending says which.

        .html: a page that opens without Python. .png, .jpg: the picture. .svg, .pdf: the picture with
        words and maps that stay sharp. .mp4, .gif: one full turn. .glb, .gltf, .ply, .vtp: the points.
        .csv, .parquet, .npz: the selection. .json: the state, for `load_state`. .py: lines of Python.

        Args:
            path: the file.
            options: what goes in.

        Raises:
            InputError: an ending that nobody writes, or nothing to write.
            MissingExtraError: a package that this ending needs is not installed.
            RenderError: the file cannot be written.
        """
        target = Path(path)
        writer_of(target)(self, target, options)
        return target

    def screenshot(
        self,
        path: str | Path,
        *,
        size: tuple[int, int] = SIZE,
        camera: Mapping[str, Any] | None = None,
        transparent: bool = False,
        alone: bool = False,
    ) -> Path:
        """Write the picture to a PNG or JPEG file; no screen is needed.

        Args:
            path: the file; its suffix says the format.
            size: (width, height) in pixels.
            camera: seen from here instead, as `camera` gives it.
            transparent: whether the page lets what is behind it through; PNG only.
            alone: whether to leave the heatmaps out.

        Raises:
            InputError: another suffix, a size too small, no camera, or JPEG that is to be transparent.
            RenderError: no picture can be made here, or the file cannot be written.
        """
        target = check_suffix(path)
        if transparent and target.suffix.lower() != ".png":
            raise InputError(f"{target}: only .png can be transparent")
        with self.aside(camera):
            if transparent:
                picture = see_through(partial(self.frame, size, alone=alone))
            else:
                picture = self.frame(size, alone=alone)
        return save_picture(picture, target)

    @contextmanager
    def aside(self, camera: Mapping[str, Any] | None = None) -> Iterator[None]:
        """Make other pictures in the block, with another camera if one is given; the view comes back."""
        kept, last = self.views.chosen, self.sheet
        try:
            if camera is not None:
                self.camera = dict(camera)
            yield
        finally:
            self.views.chosen, self.sheet = kept, last

    def _repr_html_(self) -> str:
        """The scene in a notebook: the page of `export`, in a frame that reaches nothing around it."""
        with tempfile.TemporaryDirectory() as folder:
            path = self.export(Path(folder) / "scene.html", Options(megabytes=IN_A_NOTEBOOK))
            page = path.read_text(encoding="utf-8")
        return CELL.format(title="point cloud and heatmaps", page=html.escape(page))
