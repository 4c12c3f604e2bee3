"""Where classes have their centres in a cloud, for their names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.render.cloud.cloud import Cloud, Look
from explorer.render.drawing.colours import Colour
from explorer.render.linked.colouring import Colouring

MOST_POINTS = 20_000
CELLS = 14


@dataclass(frozen=True)
class Centre:
    """One class's name and place.

    Attributes:
        name: the class.
        colour: its colour.
        place: where most of its points lie, in the cloud's coordinates.
        n: how many points it has.
    """

    name: str
    colour: Colour
    place: tuple[float, float, float]
    n: int


def centres(cloud: Cloud, found: Colouring, look: Look) -> tuple[Centre, ...]:
    """The centre of every class that has a colour of its own and points in colour, the largest first.

    The centre is the middle of the densest part: the mean of a class in two clumps lies in neither.
    """
    if not found.names or not len(cloud.points):
        return ()
    shown = np.ones(len(cloud.points), bool)
    for which in (look.shown, look.emphasised):
        shown &= True if which is None else which[cloud.finite]
    groups = found.groups[cloud.finite]
    inner = cloud.points[cloud.core]
    low, span = inner.min(axis=0), np.maximum(np.ptp(inner, axis=0), 1e-12)
    made = []
    for code, name in enumerate(found.names):
        rows = np.flatnonzero((groups == code) & shown)
        if not name or not len(rows):
            continue
        some = cloud.points[rows[:: -(-len(rows) // MOST_POINTS)]]
        first = int(np.flatnonzero(found.groups == code)[0])
        r, g, b = map(int, found.colours[first])
        x, y, z = map(float, densest(some, low, span))
        made.append(Centre(name, (r, g, b), (x, y, z), len(rows)))
    return tuple(sorted(made, key=lambda centre: -centre.n))


def densest(
    points: NDArray[np.float64], low: NDArray[np.float64], span: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The mean of the points (n, 3) in and about the fullest cell of a grid over the whole cloud."""
    cells = np.clip((points - low) / span * CELLS, 0, CELLS - 1).astype(np.intp)
    flat = np.ravel_multi_index(tuple(cells.T), (CELLS,) * 3)
    counts = np.bincount(flat, minlength=CELLS**3).reshape((CELLS,) * 3).astype(float)
    for axis in range(3):  # a clump that straddles cells counts as one
        padded = np.pad(counts, [(1, 1) if axis == other else (0, 0) for other in range(3)])
        parts = [np.take(padded, range(start, start + CELLS), axis=axis) for start in range(3)]
        counts = parts[0] / 2 + parts[1] + parts[2] / 2
    fullest = np.array(np.unravel_index(int(counts.argmax()), counts.shape))
    about = np.abs(cells - fullest).max(axis=1) <= 1
    return np.asarray(points[about].mean(axis=0))
