"""The activation atlas: a map of all positions, each part of it drawn by what is typical there.

Source: Carter, Armstrong, Schubert, Johnson, Olah, "Activation Atlas", Distill 2019.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.explain.crops import CONTEXT, moved_inside
from explorer.reduce.rows import read_samples

if TYPE_CHECKING:
    from explorer.capture.store import Run
    from explorer.reduce.projection import Projection

FEWEST, MOST = 6, 28
"""Cells along the longer side of an atlas; of a map with much empty space up to twice as many."""
DRAWN = 300
"""Cells that such a map is divided finer for."""
SMALLEST, LARGEST = 4, 2
"""A patch is from a fourth to half of the picture's shorter side, however much its position sees."""


@dataclass(frozen=True)
class Atlas:
    """Cells of a map, and what is typical of each.

    Attributes:
        name: of the model.
        layer: the layer.
        method: of the map.
        shape: rows and columns of cells.
        cells: (n, 2) row and column of each cell that is drawn.
        counts: (n,) positions in it.
        of: (n_positions,) for each position of the map its cell, as an index into `cells`; -1 for none.
        means: (n, channels) their mean.
        typical: (n, 1 + spatial axes) image and position of the one nearest to the mean.
        labels: (n,) the label most of them have, as an index into `label_names`; empty without labels.
        label_names: the run's labels.
        pictures: one a cell, (height, width, 3).
        n_positions: positions on the map.
        n_left_out: positions in cells that have too few to be drawn.
        least: positions a cell has at least.
        drawn_by: what the pictures are, in words.
    """

    name: str
    layer: str
    method: str
    shape: tuple[int, int]
    cells: NDArray[np.int64]
    counts: NDArray[np.int64]
    of: NDArray[np.int64]
    means: NDArray[np.float32]
    typical: NDArray[np.int64]
    labels: NDArray[np.int64]
    label_names: tuple[str, ...]
    pictures: tuple[NDArray[np.uint8], ...]
    n_positions: int
    n_left_out: int
    least: int
    drawn_by: str

    @property
    def directions(self) -> dict[str, NDArray[np.float32]]:
        """Each cell's mean, less that of all, as `explorer.maximize` takes them."""
        centre = np.average(self.means, axis=0, weights=self.counts)
        pairs = zip(self.cells, self.means - centre, strict=True)
        return {f"cell {row},{column}": np.asarray(mean, np.float32) for (row, column), mean in pairs}


def make_atlas(run: Run, projection: Projection, *, cells: int | None = None, least: int = 5) -> Atlas:
    """Divide a 2D map into cells, and find the typical patch of each.

    Args:
        run: an opened run folder with pictures.
        projection: a 2D map of one of its layers, of two spatial axes.
        cells: along the longer side; None for as many as the number of positions carries.
        least: positions that a cell needs to be drawn; how many others there are is said.

    Raises:
        InputError: a map in 3D or of another run, a run without pictures, or numbers out of their range.
    """
    _check(run, projection)
    layer, points = projection.layer, np.asarray(projection.coordinates, np.float64)
    count = _count(points, max(least, 1)) if cells is None else cells
    if not 2 <= count <= 200 or least < 1:
        raise InputError(f"cells = {count}, least = {least}: expected 2 to 200 cells, of at least 1 position")
    where, shape = _cells(points, count)
    ids, inside, counts = np.unique(where, return_inverse=True, return_counts=True)
    kept = counts >= least
    if not kept.any():
        raise InputError(f"no cell has {least} positions; fewer cells, or a smaller least, would have some")
    of = np.where(kept, np.cumsum(kept) - 1, -1)[inside]
    members = np.split(np.argsort(of, kind="stable"), np.cumsum(np.bincount(of + 1)))[1:-1]
    rows = read_samples(run, layer, projection.rows).features
    means = np.stack([rows[some].mean(axis=0, dtype=np.float64) for some in members])
    nearest = [
        some[np.square(rows[some] - mean).sum(axis=1).argmin()]
        for some, mean in zip(members, means, strict=True)
    ]
    positions = projection.positions()
    names, labels = _labels(run, positions[:, 0], members)
    typical = positions[nearest]
    pictures, words = _patches(run, layer, typical)
    return Atlas(
        run.name, layer, projection.method, shape, np.stack(np.divmod(ids[kept], shape[1]), axis=1),
        counts[kept], of, means.astype(np.float32), typical, labels, names, pictures,
        projection.n_samples, int(counts[~kept].sum()), least, words,
    )  # fmt: skip


def _check(run: Run, projection: Projection) -> None:
    """Whether an atlas can be made of this."""
    if projection.n_components != 2:
        raise InputError(f"an atlas is made of a 2D map; this one has {projection.n_components} dimensions")
    layer, grid = projection.layer, projection.grid_shape
    if len(grid) != 3:
        axes = len(grid) - 1
        raise InputError(f"{run.name}: layer {layer} has {axes} spatial axes; an atlas draws patches, of 2")
    if run.grid_shape(layer) != grid:
        raise InputError(f"{run.name}: layer {layer} has grid {run.grid_shape(layer)}, the map {grid}")
    if run.picture(0) is None:
        raise InputError(f"{run.name}: keeps no pictures, which an atlas is drawn with")


def _count(points: NDArray[np.float64], least: int) -> int:
    """Cells along the longer side: as many as the positions carry, more where much of the map is empty."""
    most = len(points) / (2 * least)
    count = min(max(round(math.sqrt(most)), FEWEST), MOST)
    drawn = int((np.bincount(_cells(points, count)[0]) >= least).sum())
    finer = count * math.sqrt(min(DRAWN, most) / max(drawn, 1))
    return min(max(round(finer), count), 2 * count)


def _cells(coordinates: NDArray[np.float64], count: int) -> tuple[NDArray[np.int64], tuple[int, int]]:
    """The cell of each position, numbered row by row from the top, and rows and columns."""
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    side = max(float((high - low).max()), 1e-12) / count
    columns, rows = (max(1, math.ceil(float(span) / side - 1e-9)) for span in high - low)
    across = np.minimum((coordinates[:, 0] - low[0]) / side, columns - 1).astype(np.int64)
    up = np.minimum((coordinates[:, 1] - low[1]) / side, rows - 1).astype(np.int64)
    return (rows - 1 - up) * columns + across, (rows, columns)


def _labels(
    run: Run, images: NDArray[np.int64], members: Sequence[NDArray[np.int64]]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The names of the labels, and which is the most frequent among each cell's positions."""
    if run.labels is None:
        return (), np.zeros(0, np.int64)
    names, of_image = np.unique(np.array(run.labels), return_inverse=True)
    most = [np.bincount(of_image[images[some]], minlength=len(names)).argmax() for some in members]
    return tuple(str(name) for name in names), np.asarray(most, np.int64)


def _patches(run: Run, layer: str, typical: NDArray[np.int64]) -> tuple[tuple[NDArray[np.uint8], ...], str]:
    """What each position sees of its picture, neither tiny nor all of it; and in words what that is."""
    held: dict[int, NDArray[np.uint8]] = {}
    found = []
    for image, *position in typical.tolist():
        if image not in held:
            picture = run.picture(image)
            assert picture is not None
            held[image] = picture
        found.append(_patch(run, layer, held[image], position=tuple(position)))
    tall, wide = found[0].shape[:2]
    return tuple(found), f"the patch of {wide} × {tall} pixels around its most typical position"


def _patch(
    run: Run, layer: str, picture: NDArray[np.uint8], *, position: tuple[int, ...]
) -> NDArray[np.uint8]:
    size = picture.shape[:2]
    box = run.receptive_box(layer, position)
    field = run.receptive_field(layer)
    sees = max(field.size) if field is not None and field.size else min(size)
    if sees >= min(size):  # all positions see the whole: what lies around each tells them apart
        sees = round(
            CONTEXT * min(whole / steps for whole, steps in zip(size, run.grid_shape(layer)[1:], strict=True))
        )
    side = min(max(sees, min(size) // SMALLEST), max(min(size) // LARGEST, 1))
    spans = []
    for axis, steps in enumerate(run.grid_shape(layer)[1:]):
        middle = (position[axis] + 0.5) * size[axis] / steps
        if box is not None and len(box) == 2 and box[axis][1] - box[axis][0] < size[axis]:
            middle = sum(box[axis]) / 2
        spans.append(slice(*moved_inside(round(middle - side / 2), side, size[axis])))
    return picture[spans[0], spans[1]]
