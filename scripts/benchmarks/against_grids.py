"""A grid of feature maps against the loop of matplotlib subplots that one would write."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import explorer
from benchmarks.results import Result, race

N, SIDE = 256, 64


def drawn(folder: Path, *, rounds: int = 3) -> list[Result]:
    """256 maps of 64 × 64 with their titles to a PNG, both in this process and warm.

    The score is the share of maps that the file shows true: each is cut out of it where it was drawn, and
    held against the colour map's own colours for its values.
    """
    maps = example(N, SIDE)
    activations = explorer.Activations("conv2", np.moveaxis(maps, 0, -1)[None])
    ours, theirs = folder / "ours.png", folder / "theirs.png"
    explorer.grid(activations, channels=[0]).save(ours)  # fonts, colour maps and backends are there for both
    by_subplots(maps[:1], theirs)

    def draw() -> explorer.Grid:
        grid = explorer.grid(activations)
        grid.save(ours)
        return grid

    *times, grid, boxes = race(draw, lambda: by_subplots(maps, theirs), rounds=rounds)
    scores = true_maps(ours, maps, [one.box for one in grid.maps]), true_maps(theirs, maps, boxes)
    what = f"grid of {N} maps of {SIDE} × {SIDE} to a PNG"
    return [Result(what, "loop of matplotlib subplots", *times, 20, "maps true", scores, scores[0] == 1)]


def example(n: int, side: int) -> np.ndarray:
    """Waves after a ReLU, with noise, (n, side, side)."""
    rng = np.random.default_rng(0)
    down, across = np.mgrid[:side, :side] / side
    turn = rng.normal(size=(2, n, 1, 1)) * 12
    waves = np.sin(turn[0] * down + turn[1] * across) + 0.2 * rng.normal(size=(n, side, side))
    return np.maximum(waves, 0).astype(np.float32)


def by_subplots(maps: np.ndarray, path: Path) -> list[tuple[int, int, int, int]]:
    """The obvious loop, its maps at least as large as they are; where each one lies in the picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    columns = int(np.ceil(np.sqrt(len(maps))))
    figure, axes = plt.subplots(columns, columns, figsize=(columns, columns * 1.2), squeeze=False)
    for index, place in enumerate(axes.ravel()):
        place.axis("off")
        if index < len(maps):
            place.imshow(maps[index], cmap="viridis")
            place.set_title(f"conv2 · channel {index}", fontsize=5)
    figure.savefig(path)
    tall = figure.bbox.height
    windows = [place.get_window_extent() for place in axes.ravel()[: len(maps)]]
    plt.close(figure)
    return [(round(w.x0), round(tall - w.y1), round(w.width), round(w.height)) for w in windows]


def true_maps(path: Path, maps: np.ndarray, boxes: list[tuple[int, int, int, int]]) -> float:
    """The share of maps whose pixels in a picture differ from their values' colours by less than a tenth.

    A map that was drawn smaller or larger than it is, is compared at its middle pixels.
    """
    from matplotlib import colormaps
    from PIL import Image

    picture = np.asarray(Image.open(path).convert("RGB"), float) / 255
    true = 0
    for values, (x, y, wide, tall) in zip(maps, boxes, strict=True):
        unit = (values - values.min()) / (values.max() - values.min())
        side = min(wide, tall)
        expected = Image.fromarray(np.uint8(colormaps["viridis"](unit)[..., :3] * 255))
        expected = np.asarray(expected.resize((wide, tall)).crop((2, 2, side - 2, side - 2)), float) / 255
        found = picture[y + 2 : y + side - 2, x + 2 : x + side - 2]
        true += bool(found.shape == expected.shape and np.abs(found - expected).mean() < 0.1)
    return true / len(maps)
