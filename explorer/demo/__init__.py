"""The demo: two trained networks and their images, shipped with the package and explored on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explorer.capture import Run
    from explorer.reduce import Projection
    from explorer.render.linked.scene import Scene

ROOM = Path(__file__).resolve().parent
DIGITS = ROOM / "digits" / "model.toml"
PHOTOS = ROOM / "photos" / "model.toml"
TITLES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}


def run_demo(out: Path, *, window: bool = True) -> list[Path]:
    """Explore both networks, write their pictures into `out`, and open the viewer where there is a screen.

    The first picture is there after seconds: PCA needs no compiling.

    Returns:
        The pictures, in the order they were written.
    """
    from explorer.capture import capture, load_model
    from explorer.render.cloud.offscreen import has_screen

    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    model = load_model(DIGITS)
    digits = capture(model, layers=[model.default_layer()], out=out / "runs" / "digits")
    shown = _clouds(digits, out, written, image=_first_of(digits, "3"))
    _save(written, _sheet(digits, [_first_of(digits, str(d)) for d in range(10)]), out / "digits-rgb.png")
    _save(written, _maps(digits, _first_of(digits, "3")), out / "digits-maps.png")
    model = load_model(PHOTOS)
    photos = capture(model, layers=[model.default_layer()], out=out / "runs" / "photos")
    _save(written, _sheet(photos, list(range(photos.n_images))), out / "photos-rgb.png")
    _clouds(photos, out, written, methods=("pca", "umap"), colour="rgb")
    print(f"{len(written)} pictures in {out.resolve()}")
    print(f"explore them: activation-explorer view {digits.path}")
    print(f"see it learn: activation-explorer evolve {DIGITS} --out {out / 'runs' / 'training'}")
    if window and has_screen():
        shown.show()
    return written


def _clouds(
    run: Run,
    out: Path,
    written: list[Path],
    *,
    methods: tuple[str, ...] = ("pca", "tsne", "umap"),
    colour: str = "label",
    image: int = 0,
) -> Scene:
    """One picture a method: the 3D cloud beside one image's heatmaps. Returns the last scene."""
    from explorer.reduce import project
    from explorer.render import scene

    for method in methods:
        projection = project(run, layer=run.layers[0], method=method, random_state=0)
        view = scene(run, projection, image=image, colour=colour)
        select_middle(view, projection, image)
        _say(written, view.screenshot(out / f"{run.name}-{method}.png"), projection)
    return view


def select_middle(view: Scene, projection: Projection, image: int) -> None:
    """Mark the projected position nearest to the middle of an image, to show how cloud and heatmap meet."""
    import numpy as np

    positions = projection.positions()
    own = positions[positions[:, 0] == image]
    if len(own):
        middle = (np.array(projection.grid_shape[1:]) - 1) / 2
        nearest = own[((own[:, 1:] - middle) ** 2).sum(axis=1).argmin()]
        view.select(image, *nearest[1:].tolist())


def _first_of(run: Run, label: str) -> int:
    return run.labels.index(label) if run.labels and label in run.labels else 0


def _sheet(run: Run, images: list[int]) -> object:
    from explorer.reduce import rgb
    from explorer.render.sheets.rgb_sheet import rgb_sheet

    return rgb_sheet(run, run.layers[0], images, rgb(run))


def _maps(run: Run, image: int) -> object:
    from explorer.render import grid

    layer = run.layers[0]
    return grid(run, layer, image=image, channels=range(min(16, run.channels(layer)))).picture()


def _save(written: list[Path], picture: object, path: Path) -> None:
    from explorer.render.files import save_picture

    _say(written, save_picture(picture, path), None)  # type: ignore[arg-type]


def _say(written: list[Path], path: Path, projection: Projection | None) -> None:
    from explorer.commands.listing import describe_projection

    written.append(path)
    print(path, f"({describe_projection(projection)})" if projection else "")
